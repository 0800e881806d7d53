//! `baton deployment …`

pub mod act;
pub mod list;
pub mod status;
pub mod table;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List deployments, the newest first
    List(list::List),
    /// Show one deployment
    Status(status::Status),
    /// Promote the canaries of a deployment
    Promote(act::Act),
    /// Mark a deployment as failed
    Fail(act::Act),
    /// Pause a deployment
    Pause(act::Act),
    /// Resume a paused deployment
    Resume(act::Act),
}

impl Command {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            match self {
                Self::List(verb) => verb.run().await,
                Self::Status(verb) => verb.run().await,
                Self::Promote(verb) => verb.run("promote", |id| json!({ "DeploymentID": id, "All": true })).await,
                Self::Fail(verb) => verb.run("fail", |id| json!({ "DeploymentID": id })).await,
                Self::Pause(verb) => verb.run("pause", |id| json!({ "DeploymentID": id, "Pause": true })).await,
                Self::Resume(verb) => verb.run("pause", |id| json!({ "DeploymentID": id, "Pause": false })).await,
            }
        })
    }
}
