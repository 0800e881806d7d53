//! `baton alloc …`

pub mod logs;
pub mod restart;
pub mod signal;
pub mod status;
pub mod stop;
pub mod table;

use anyhow::Result;
use clap::Subcommand;

// What each does is said at its type: the help shows that.
#[derive(Debug, Subcommand)]
pub enum Command {
    Status(status::Status),
    Logs(logs::Logs),
    Restart(restart::Restart),
    Signal(signal::Signal),
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
