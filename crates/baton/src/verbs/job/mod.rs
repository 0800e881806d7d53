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

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job file: register the job and follow its deployment
    Run(run::Run),
    /// Show what running a job file would change
    Plan(plan::Plan),
    /// Check a job file
    Validate(validate::Validate),
    /// Show jobs, or one job
    Status(status::Status),
    /// Stop a job
    Stop(stop::Stop),
    /// Show the allocations of a job
    Allocs(allocs::Allocs),
    /// Show the deployments of a job
    Deployments(deployments::Deployments),
    /// Show the versions of a job
    History(history::History),
    /// Print a job as the API has it
    Inspect(inspect::Inspect),
    /// Promote the canaries of a job
    Promote(promote::Promote),
    /// Go back to an earlier version
    Revert(revert::Revert),
    /// Change the count of a group
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
