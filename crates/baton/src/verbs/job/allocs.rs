//! `baton job allocs JOB`

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, Json, outln, resolve};
use crate::verbs::alloc::table::{AllocStub, allocations};

/// Show the allocations of a job.
#[derive(Debug, Args)]
pub struct Allocs {
    /// Those of earlier jobs of this name too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: String,
}

impl Allocs {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let job = resolve::job(&api, &self.job).await?;
            let stubs: Value = api.get(&format!("/v1/job/{}/allocations?all={}", segment(&job.id), self.all)).await?;
            if self.json.print(&stubs)? {
                return Ok(0);
            }
            let stubs: Vec<AllocStub> = serde_json::from_value(stubs)?;
            outln(&allocations(&stubs))?;
            Ok(0)
        })
    }
}
