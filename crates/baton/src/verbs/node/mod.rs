//! `baton node …`

pub mod drain;
pub mod eligibility;
pub mod own;
pub mod status;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show nodes, or one node with its allocations
    Status(status::Status),
    /// Empty a node for maintenance, or end that
    Drain(drain::Drain),
    /// Let a node get new allocations, or not
    Eligibility(eligibility::EligibilityVerb),
}

impl Command {
    pub fn run(self) -> Result<u8> {
        match self {
            Self::Status(verb) => verb.run(),
            Self::Drain(verb) => verb.run(),
            Self::Eligibility(verb) => verb.run(),
        }
    }
}
