//! `baton system …`

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Connection;
use crate::cli::api::Api;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Forget everything that has ended: jobs, allocations, evaluations, nodes that are gone
    Gc(Gc),
}

#[derive(Debug, Args)]
pub struct Gc {
    #[command(flatten)]
    connection: Connection,
}

impl Command {
    pub fn run(self) -> Result<u8> {
        let Self::Gc(gc) = self;
        crate::cli::block_on(async {
            let api = Api::new(&gc.connection)?;
            api.put_unit("/v1/system/gc", &json!({})).await?;
            Ok(0)
        })
    }
}
