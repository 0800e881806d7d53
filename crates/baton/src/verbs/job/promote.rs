//! `baton job promote JOB`

use anyhow::{Context as _, Result};
use baton_model::Deployment;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, monitor, resolve};

/// Promote the canaries of a job's deployment.
#[derive(Debug, Args)]
pub struct Promote {
    /// Promote this group only; may be given again
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Return at once, with the evaluation's id
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: String,
}

impl Promote {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let job = resolve::job(&api, &self.job).await?;
            let deployment: Option<Deployment> = api.get(&format!("/v1/job/{}/deployment", segment(&job.id))).await?;
            let deployment = deployment.with_context(|| format!("job {:?} has no deployment to promote", job.id))?;
            let body = json!({ "DeploymentID": deployment.id, "All": self.group.is_empty(), "Groups": self.group });
            let answer: Value = api.put(&format!("/v1/deployment/promote/{}", deployment.id), &body).await?;
            let eval = answer.get("EvalID").and_then(Value::as_str).unwrap_or_default();
            monitor::evaluation(&api, eval, self.detach).await
        })
    }
}
