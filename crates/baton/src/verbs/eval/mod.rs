//! `baton eval …`

pub mod list;
pub mod status;
pub mod table;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List evaluations, the newest first
    List(list::List),
    /// Show one evaluation and why something could not be placed
    Status(status::Status),
}

impl Command {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            match self {
                Self::List(verb) => verb.run().await,
                Self::Status(verb) => verb.run().await,
            }
        })
    }
}
