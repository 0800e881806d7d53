//! `baton job status [JOB]`

use std::collections::BTreeMap;

use anyhow::Result;
use baton_model::eval::EvalStatus;
use baton_model::{Deployment, Evaluation, Job, Timestamp};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, Json, monitor, outln, resolve, table, times};
use crate::verbs::alloc::table::{AllocStub, allocations};
use crate::verbs::deployment::table::deployed;

/// Show jobs, or one job with its deployment and allocations.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    json: Json,
    /// Leave the evaluations, deployment and allocations out
    #[arg(long)]
    short: bool,
    /// Show the evaluations too
    #[arg(long)]
    evals: bool,
    /// Allocations of earlier jobs of this name too
    #[arg(long)]
    all_allocs: bool,
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct JobStub {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Type")]
    job_type: String,
    priority: i64,
    status: String,
    stop: bool,
    submit_time: Timestamp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Summary {
    summary: BTreeMap<String, GroupSummary>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct GroupSummary {
    queued: i64,
    starting: i64,
    running: i64,
    failed: i64,
    complete: i64,
    lost: i64,
    unknown: i64,
}

impl Status {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            match &self.job {
                None => self.list(&api).await,
                Some(text) => self.one(&api, text).await,
            }?;
            Ok(0)
        })
    }

    async fn list(&self, api: &Api) -> Result<()> {
        let stubs: Value = api.get("/v1/jobs").await?;
        if self.json.print(&stubs)? {
            return Ok(());
        }
        let stubs: Vec<JobStub> = serde_json::from_value(stubs)?;
        if stubs.is_empty() {
            return outln("No running jobs");
        }
        let rows = stubs.iter().map(|job| {
            let status = if job.stop { format!("{} (stopped)", job.status) } else { job.status.clone() };
            [job.id.clone(), job.job_type.clone(), job.priority.to_string(), status, times::date(job.submit_time)]
        });
        outln(&table::columns(&["ID", "Type", "Priority", "Status", "Submit Date"], rows))
    }

    async fn one(&self, api: &Api, text: &str) -> Result<()> {
        let job = resolve::job(api, text).await?;
        if self.json.print(&job)? {
            return Ok(());
        }
        outln(&basics(&job))?;
        if self.short {
            return Ok(());
        }
        let path = format!("/v1/job/{}", segment(&job.id));
        let summary: Summary = api.get(&format!("{path}/summary")).await?;
        outln(&format!("\nSummary\n{}", summary_table(&summary)))?;

        let evals: Vec<Evaluation> = api.get(&format!("{path}/evaluations")).await?;
        if self.evals {
            outln(&format!("\nEvaluations\n{}", crate::verbs::eval::table::list(&evals)))?;
        }
        if let Some(blocked) = evals.iter().find(|eval| eval.status == EvalStatus::Blocked) {
            outln("\nPlacement Failure")?;
            for (group, metric) in &blocked.failed_tg_allocs {
                outln(&monitor::placement_failure(group, metric))?;
            }
        }
        let deployment: Option<Deployment> = api.get(&format!("{path}/deployment")).await?;
        if let Some(deployment) = deployment {
            let rows = [
                ("ID", baton_model::id::short(&deployment.id)),
                ("Status", deployment.status.as_str()),
                ("Description", &deployment.status_description),
            ];
            outln(&format!("\nLatest Deployment\n{}\n\nDeployed\n{}", table::pairs(&rows), deployed(&deployment)))?;
        }
        let allocs: Vec<AllocStub> = api.get(&format!("{path}/allocations?all={}", self.all_allocs)).await?;
        outln("\nAllocations")?;
        if allocs.is_empty() {
            return outln("No allocations placed");
        }
        outln(&allocations(&allocs))
    }
}

fn basics(job: &Job) -> String {
    let status = if job.stop { format!("{} (stopped)", job.status) } else { job.status.clone() };
    table::pairs(&[
        ("ID", job.id.clone()),
        ("Name", job.name.clone()),
        ("Submit Date", times::date(job.submit_time)),
        ("Type", job.job_type.to_string()),
        ("Priority", job.priority.to_string()),
        ("Datacenters", job.datacenters.join(",")),
        ("Namespace", job.namespace.clone()),
        ("Node Pool", job.node_pool.clone()),
        ("Status", status),
        ("Periodic", job.is_periodic().to_string()),
        ("Parameterized", job.is_parameterized().to_string()),
    ])
}

fn summary_table(summary: &Summary) -> String {
    let rows = summary.summary.iter().map(|(name, group)| {
        let counts =
            [group.queued, group.starting, group.running, group.failed, group.complete, group.lost, group.unknown];
        std::iter::once(name.clone()).chain(counts.map(|count| count.to_string()))
    });
    let header = ["Task Group", "Queued", "Starting", "Running", "Failed", "Complete", "Lost", "Unknown"];
    table::columns(&header, rows)
}
