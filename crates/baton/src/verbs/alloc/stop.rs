//! `baton alloc stop ID`

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::{Connection, monitor, resolve};

/// Stop an allocation; the job gets a new one.
#[derive(Debug, Args)]
pub struct Stop {
    /// Return at once, with the evaluation's id
    #[arg(long)]
    detach: bool,
    /// Skip the shutdown_delay of group and tasks
    #[arg(long)]
    no_shutdown_delay: bool,
    #[command(flatten)]
    connection: Connection,
    /// Allocation id or its beginning
    alloc: String,
}

impl Stop {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let alloc = resolve::alloc(&api, &self.alloc).await?;
            let path = format!("/v1/allocation/{}/stop?no_shutdown_delay={}", alloc.id, self.no_shutdown_delay);
            let answer: Value = api.put(&path, &json!({})).await?;
            let eval = answer.get("EvalID").and_then(Value::as_str).unwrap_or_default();
            monitor::evaluation(&api, eval, self.detach).await
        })
    }
}
