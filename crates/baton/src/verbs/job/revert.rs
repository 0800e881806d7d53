//! `baton job revert JOB VERSION`

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, monitor, resolve};

/// Go back to an earlier version; it becomes a new one.
#[derive(Debug, Args)]
pub struct Revert {
    /// Return at once, with the evaluation's id
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: String,
    /// The version to go back to, as `job history` numbers them
    version: u64,
}

impl Revert {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let job = resolve::job(&api, &self.job).await?;
            let body = json!({ "JobID": job.id, "JobVersion": self.version });
            let answer: Value = api.put(&format!("/v1/job/{}/revert", segment(&job.id)), &body).await?;
            let eval = answer.get("EvalID").and_then(Value::as_str).unwrap_or_default();
            monitor::evaluation(&api, eval, self.detach).await
        })
    }
}
