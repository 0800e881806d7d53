//! `baton job deployments JOB`

use anyhow::Result;
use baton_model::Deployment;
use clap::Args;

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, Json, outln, resolve};
use crate::verbs::deployment::table::list;

/// Show the deployments of a job.
#[derive(Debug, Args)]
pub struct Deployments {
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: String,
}

impl Deployments {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let job = resolve::job(&api, &self.job).await?;
            let deployments: Vec<Deployment> = api.get(&format!("/v1/job/{}/deployments", segment(&job.id))).await?;
            if !self.json.print(&deployments)? {
                outln(&list(&deployments))?;
            }
            Ok(0)
        })
    }
}
