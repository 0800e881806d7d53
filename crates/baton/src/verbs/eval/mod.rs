//! `baton eval …`

pub mod table;

use anyhow::Result;
use baton_model::Evaluation;
use clap::{Args, Subcommand};

use crate::cli::api::Api;
use crate::cli::{Connection, Json, monitor, outln, resolve};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List evaluations
    List(List),
    /// Show one evaluation and why something could not be placed
    Status(Status),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
}

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

impl Command {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            match self {
                Self::List(verb) => verb.run().await,
                Self::Status(verb) => verb.run().await,
            }
        })
    }
}

impl List {
    async fn run(self) -> Result<u8> {
        let api = Api::new(&self.connection)?;
        let evals: Vec<Evaluation> = api.get("/v1/evaluations").await?;
        if !self.json.print(&evals)? {
            outln(&table::list(&evals))?;
        }
        Ok(0)
    }
}

impl Status {
    async fn run(self) -> Result<u8> {
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
