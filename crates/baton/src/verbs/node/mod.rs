//! `baton node …`

pub mod drain;
pub mod eligibility;
pub mod own;
pub mod status;

use anyhow::Result;
use clap::Subcommand;

// What each does is said at its type: the help shows that.
#[derive(Debug, Subcommand)]
pub enum Command {
    Status(status::Status),
    Drain(drain::Drain),
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
