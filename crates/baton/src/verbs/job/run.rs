//! `baton job run FILE`

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::jobfile::{self, JobFile};
use crate::cli::{Connection, monitor, outln};

/// Run a job file: register the job and follow its deployment.
///
/// Exits with 0 when everything runs, 2 when something could not be placed, 1 on any other failure.
#[derive(Debug, Args)]
pub struct Run {
    /// Print the job as the API gets it and submit nothing
    #[arg(long)]
    output: bool,
    /// Submit only if the job's modify index is this one (0: only if it does not exist)
    #[arg(long, value_name = "INDEX")]
    check_index: Option<u64>,
    /// Keep the counts that run now
    #[arg(long)]
    preserve_counts: bool,
    /// Return at once, with the evaluation's id
    #[arg(long)]
    detach: bool,
    /// Accepted for compatibility
    #[arg(long, hide = true)]
    verbose: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    file: JobFile,
}

impl Run {
    pub fn run(self) -> Result<u8> {
        let parsed = self.file.read()?;
        if self.output {
            outln(&serde_json::to_string_pretty(&json!({ "Job": parsed.job }))?)?;
            return Ok(0);
        }
        let unsupported = parsed.unsupported();
        if !unsupported.is_empty() {
            jobfile::show(&unsupported, &parsed.source);
            bail!("{} asks for what Baton does not do; nothing was submitted", self.file.file.display());
        }
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let body = json!({
                "Job": parsed.job,
                "Submission": { "Source": parsed.source.text, "Format": "hcl2" },
                "EnforceIndex": self.check_index.is_some(),
                "JobModifyIndex": self.check_index.unwrap_or(0),
                "PreserveCounts": self.preserve_counts,
            });
            let answer: Value = api.put("/v1/jobs", &body).await?;
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
            if !text("Warnings").is_empty() {
                eprintln!("Job warnings:\n{}\n", text("Warnings").trim_end());
            }
            if text("EvalID").is_empty() {
                eprintln!("Job registered; it runs when it is due or dispatched");
                return Ok(0);
            }
            monitor::evaluation(&api, text("EvalID"), self.detach).await
        })
    }
}
