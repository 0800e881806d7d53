//! `baton man [VERB…]`: the manual pages, from the same source as the help.

use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory as _};

/// Print the manual page of baton or of one verb.
#[derive(Debug, Args)]
pub struct Man {
    /// A verb, such as "job status"
    verb: Vec<String>,
}

impl Man {
    pub fn run(self) -> Result<u8> {
        let mut command = crate::verbs::Cli::command();
        command.build();
        let mut name = "baton".to_owned();
        for verb in &self.verb {
            command = command.find_subcommand(verb).cloned().with_context(|| format!("no verb {verb:?}"))?;
            name = format!("{name}-{verb}");
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command.name(name)).render(&mut page)?;
        crate::cli::outln(String::from_utf8(page)?.trim_end())?;
        Ok(0)
    }
}
