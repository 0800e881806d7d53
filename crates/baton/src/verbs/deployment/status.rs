//! `baton deployment status`

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
    /// Deployment id or its beginning
    deployment: String,
}

impl Status {
    pub async fn run(self) -> Result<u8> {
        let api = Api::new(&self.connection)?;
        let deployment = resolve::deployment(&api, &self.deployment).await?;
        if self.monitor {
            return monitor::deployment(&api, &deployment.id).await;
        }
        if !self.json.print(&deployment)? {
            outln(&table::one(&deployment))?;
        }
        Ok(0)
    }
}
