//! `baton keep`: the process owner of a node; the agent starts it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

/// Own the task processes of a node, their output and the sockets they stored.
///
/// The agent starts it and finds it again; its death ends no task. It needs no configuration.
#[derive(Debug, Args)]
pub struct Keep {
    /// Where the journal lies
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where to listen [default: keeper.sock in --dir]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// End everything some seconds after this process is gone (for throw-away nodes)
    #[arg(long, value_name = "PID")]
    die_with: Option<i32>,
    /// Remove this directory at such an end
    #[arg(long, value_name = "DIR", requires = "die_with")]
    remove_dir: Option<PathBuf>,
}

impl Keep {
    pub fn run(self) -> Result<u8> {
        let socket = self.socket.unwrap_or_else(|| self.dir.join("keeper.sock"));
        let options =
            baton_keeper::Options { dir: self.dir, socket, die_with: self.die_with, remove_dir: self.remove_dir };
        baton_keeper::run(options)?;
        Ok(0)
    }
}
