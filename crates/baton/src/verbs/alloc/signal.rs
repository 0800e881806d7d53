//! `baton alloc signal [-s SIGNAL] ID [TASK]`

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::{Connection, resolve};

/// Send a signal to the tasks of an allocation.
#[derive(Debug, Args)]
pub struct Signal {
    /// Which signal
    #[arg(short, value_name = "SIGNAL", default_value = "SIGKILL")]
    signal: String,
    #[command(flatten)]
    connection: Connection,
    /// Allocation id or its beginning
    alloc: String,
    /// This task only
    task: Option<String>,
}

impl Signal {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let alloc = resolve::alloc(&api, &self.alloc).await?;
            let body = json!({ "Task": self.task.unwrap_or_default(), "Signal": self.signal });
            let _: Value = api.put(&format!("/v1/client/allocation/{}/signal", alloc.id), &body).await?;
            Ok(0)
        })
    }
}
