//! `baton eval status`

use anyhow::Result;
use clap::Args;

use super::table;
use crate::cli::api::Api;
use crate::cli::{Connection, Json, monitor, outln, resolve};

#[derive(Debug, Args)]
pub struct Status {
    /// Follow it to its end
    #[arg(long)]
    monitor: bool,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
    /// Evaluation id or its beginning
    eval: String,
}

impl Status {
    pub async fn run(self) -> Result<u8> {
        let api = Api::new(&self.connection)?;
        let eval = resolve::eval(&api, &self.eval).await?;
        if self.monitor {
            return monitor::evaluation(&api, &eval.id, false).await;
        }
        if !self.json.print(&eval)? {
            outln(&table::one(&eval))?;
            for (group, metric) in &eval.failed_tg_allocs {
                outln(&monitor::placement_failure(group, metric))?;
            }
        }
        Ok(0)
    }
}
