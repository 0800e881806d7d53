//! `baton job scale JOB [GROUP] COUNT`

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, monitor, resolve};

/// Change the count of a group.
#[derive(Debug, Args)]
pub struct Scale {
    /// Return at once, with the evaluation's id
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: String,
    /// [GROUP] COUNT; the group may be left out if there is only one
    #[arg(num_args = 1..=2, value_names = ["GROUP", "COUNT"])]
    target: Vec<String>,
}

impl Scale {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let job = resolve::job(&api, &self.job).await?;
            let (group, count) = match (&self.target[..], &job.task_groups[..]) {
                ([group, count], _) => (group.clone(), count),
                ([count], [only]) => (only.name.clone(), count),
                _ => bail!("job {:?} has several groups: say which one to scale", job.id),
            };
            let count: i64 = count.parse().with_context(|| format!("{count:?} is not a count"))?;
            let body =
                json!({ "Count": count, "Target": { "Group": group }, "Message": "submitted using the Baton CLI" });
            let answer: Value = api.put(&format!("/v1/job/{}/scale", segment(&job.id)), &body).await?;
            match answer.get("EvalID").and_then(Value::as_str).filter(|eval| !eval.is_empty()) {
                Some(eval) => monitor::evaluation(&api, eval, self.detach).await,
                None => Ok(0),
            }
        })
    }
}
