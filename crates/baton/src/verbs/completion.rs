//! `baton completion SHELL`

use anyhow::Result;
use clap::{Args, CommandFactory as _};

/// Print a completion script for a shell.
#[derive(Debug, Args)]
pub struct Completion {
    shell: clap_complete::Shell,
}

impl Completion {
    pub fn run(self) -> Result<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::verbs::Cli::command(), "baton", &mut script);
        crate::cli::outln(String::from_utf8(script)?.trim_end())?;
        Ok(0)
    }
}
