//! `baton job plan FILE`

use std::collections::BTreeMap;

use anyhow::Result;
use baton_model::alloc::AllocMetric;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::diff;
use crate::cli::api::{Api, segment};
use crate::cli::jobfile::JobFile;
use crate::cli::{Connection, Json, monitor, outln};

/// Exit code for "it could not be planned".
const FAILED: u8 = 255;

/// Show what running a job file would change.
///
/// Exits with 0 when no allocation would change, 1 when some would, 255 on errors.
#[derive(Debug, Args)]
pub struct Plan {
    /// Leave the differences out
    #[arg(long)]
    no_diff: bool,
    /// Print the plan as JSON
    #[arg(long = "plan-json")]
    plan_json: bool,
    /// Accepted for compatibility
    #[arg(long, hide = true)]
    verbose: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    file: JobFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Answer {
    job_modify_index: u64,
    diff: Value,
    annotations: Value,
    #[serde(rename = "FailedTGAllocs")]
    failed_tg_allocs: BTreeMap<String, AllocMetric>,
    warnings: String,
}

impl Plan {
    pub fn run(self) -> Result<u8> {
        self.plan().or_else(|error| {
            eprintln!("Error: {error:#}");
            Ok(FAILED)
        })
    }

    fn plan(&self) -> Result<u8> {
        let parsed = self.file.read()?;
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let body = json!({ "Job": parsed.job, "Diff": !self.no_diff });
            let raw: Value = api.put(&format!("/v1/job/{}/plan", segment(&parsed.job.id)), &body).await?;
            let answer: Answer = serde_json::from_value(raw.clone())?;
            let code = u8::from(changes(&answer.annotations));
            if (Json { json: self.plan_json }).print(&raw)? {
                return Ok(code);
            }
            if !self.no_diff {
                outln(&diff::job(&answer.diff))?;
            }
            outln(&dry_run(&answer))?;
            if !answer.warnings.is_empty() {
                outln(&format!("Job warnings:\n{}\n", answer.warnings.trim_end()))?;
            }
            let index = answer.job_modify_index;
            let file = self.file.file.display();
            outln(&format!(
                "Job Modify Index: {index}\nTo submit the job with version verification run:\n\n  baton job run --check-index {index} {file}"
            ))?;
            Ok(code)
        })
    }
}

/// Whether any allocation would be created, stopped, replaced or moved.
fn changes(annotations: &Value) -> bool {
    let groups = annotations.get("DesiredTGUpdates").and_then(Value::as_object);
    groups.is_some_and(|groups| {
        groups
            .values()
            .filter_map(Value::as_object)
            .any(|counts| counts.iter().any(|(name, count)| name != "Ignore" && count.as_u64().unwrap_or(0) > 0))
    })
}

fn dry_run(answer: &Answer) -> String {
    let mut lines = vec!["Scheduler dry-run:".to_owned()];
    if answer.failed_tg_allocs.is_empty() {
        lines.push("- All tasks successfully allocated.".to_owned());
    } else {
        lines.push("- WARNING: Failed to place all allocations.".to_owned());
        lines.extend(answer.failed_tg_allocs.iter().map(|(group, metric)| monitor::placement_failure(group, metric)));
    }
    lines.push(String::new());
    lines.join("\n")
}
