//! `baton job inspect JOB`

use anyhow::Result;
use clap::Args;

use crate::cli::api::Api;
use crate::cli::{Connection, outln, resolve};

/// Print a job as the API has it.
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    connection: Connection,
    /// Job id or its beginning
    job: String,
}

impl Inspect {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let job = resolve::job(&api, &self.job).await?;
            outln(&serde_json::to_string_pretty(&serde_json::json!({ "Job": job }))?)?;
            Ok(0)
        })
    }
}
