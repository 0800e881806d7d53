//! `baton job stop JOB`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, monitor, resolve};

/// Stop a job.
#[derive(Debug, Args)]
pub struct Stop {
    /// Forget the job at once, its versions included
    #[arg(long)]
    purge: bool,
    /// Return at once, with the evaluation's id
    #[arg(long)]
    detach: bool,
    /// Skip the shutdown_delay of groups and tasks
    #[arg(long)]
    no_shutdown_delay: bool,
    /// Accepted for compatibility: nothing is asked
    #[arg(long, hide = true)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: String,
}

impl Stop {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let job = resolve::job(&api, &self.job).await?;
            let path = format!(
                "/v1/job/{}?purge={}&no_shutdown_delay={}",
                segment(&job.id),
                self.purge,
                self.no_shutdown_delay
            );
            let answer: Value = api.delete(&path).await?;
            match answer.get("EvalID").and_then(Value::as_str).filter(|eval| !eval.is_empty()) {
                Some(eval) => monitor::evaluation(&api, eval, self.detach).await,
                None => Ok(0),
            }
        })
    }
}
