//! `baton job …`

pub mod allocs;
pub mod deployments;
pub mod diff;
pub mod history;
pub mod inspect;
pub mod plan;
pub mod promote;
pub mod revert;
pub mod run;
pub mod scale;
pub mod status;
pub mod stop;
pub mod validate;

use anyhow::Result;
use clap::Subcommand;

// What each does is said at its type: the help shows that.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(run::Run),
    Plan(plan::Plan),
    Validate(validate::Validate),
    Status(status::Status),
    Stop(stop::Stop),
    Allocs(allocs::Allocs),
    Deployments(deployments::Deployments),
    History(history::History),
    Inspect(inspect::Inspect),
    Promote(promote::Promote),
    Revert(revert::Revert),
    Scale(scale::Scale),
}

impl Command {
    pub fn run(self) -> Result<u8> {
        match self {
            Self::Run(verb) => verb.run(),
            Self::Plan(verb) => verb.run(),
            Self::Validate(verb) => verb.run(),
            Self::Status(verb) => verb.run(),
            Self::Stop(verb) => verb.run(),
            Self::Allocs(verb) => verb.run(),
            Self::Deployments(verb) => verb.run(),
            Self::History(verb) => verb.run(),
            Self::Inspect(verb) => verb.run(),
            Self::Promote(verb) => verb.run(),
            Self::Revert(verb) => verb.run(),
            Self::Scale(verb) => verb.run(),
        }
    }
}
