//! `baton alloc restart ID [TASK]`

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::{Connection, resolve};

/// Restart the tasks of an allocation on its node.
#[derive(Debug, Args)]
pub struct Restart {
    /// Tasks that have ended too
    #[arg(long)]
    all_tasks: bool,
    #[command(flatten)]
    connection: Connection,
    /// Allocation id or its beginning
    alloc: String,
    /// This task only
    task: Option<String>,
}

impl Restart {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let alloc = resolve::alloc(&api, &self.alloc).await?;
            let body = json!({ "TaskName": self.task.unwrap_or_default(), "AllTasks": self.all_tasks });
            let _: Value = api.put(&format!("/v1/client/allocation/{}/restart", alloc.id), &body).await?;
            Ok(0)
        })
    }
}
