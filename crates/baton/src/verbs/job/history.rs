//! `baton job history JOB`

use anyhow::Result;
use baton_model::Job;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, Json, outln, resolve, table, times};

/// Show the versions of a job, newest first.
#[derive(Debug, Args)]
pub struct History {
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Versions {
    versions: Vec<Value>,
}

impl History {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let job = resolve::job(&api, &self.job).await?;
            let answer: Versions = api.get(&format!("/v1/job/{}/versions", segment(&job.id))).await?;
            if self.json.print(&answer.versions)? {
                return Ok(0);
            }
            let versions =
                answer.versions.into_iter().map(serde_json::from_value::<Job>).collect::<Result<Vec<_>, _>>()?;
            let blocks: Vec<_> = versions
                .iter()
                .map(|job| {
                    table::pairs(&[
                        ("Version", job.version.to_string()),
                        ("Stable", job.stable.to_string()),
                        ("Submit Date", times::date(job.submit_time)),
                    ])
                })
                .collect();
            outln(&blocks.join("\n\n"))?;
            Ok(0)
        })
    }
}
