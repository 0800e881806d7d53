//! `baton alloc …`

pub mod logs;
pub mod restart;
pub mod signal;
pub mod status;
pub mod stop;
pub mod table;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show an allocation: where it runs, its tasks and their events
    Status(status::Status),
    /// Show the logs of an allocation's task
    Logs(logs::Logs),
    /// Restart the tasks of an allocation on its node
    Restart(restart::Restart),
    /// Send a signal to the tasks of an allocation
    Signal(signal::Signal),
    /// Stop an allocation; the job gets a new one elsewhere
    Stop(stop::Stop),
}

impl Command {
    pub fn run(self) -> Result<u8> {
        match self {
            Self::Status(verb) => verb.run(),
            Self::Logs(verb) => verb.run(),
            Self::Restart(verb) => verb.run(),
            Self::Signal(verb) => verb.run(),
            Self::Stop(verb) => verb.run(),
        }
    }
}
