//! `baton job validate FILE`

use anyhow::Result;
use clap::Args;

use crate::cli::jobfile::{self, JobFile};
use crate::cli::{Connection, outln};

/// Check a job file: syntax, every field, every rule. Asks no agent.
#[derive(Debug, Args)]
pub struct Validate {
    /// Accepted for compatibility: no agent is asked
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    file: JobFile,
}

impl Validate {
    pub fn run(self) -> Result<u8> {
        let parsed = self.file.read()?;
        jobfile::show(&parsed.unsupported(), &parsed.source);
        jobfile::show(&parsed.warnings(), &parsed.source);
        outln("Job validation successful")?;
        Ok(0)
    }
}
