//! `baton supervise [options] -- CMD ARGS`

use std::path::PathBuf;

use anyhow::Result;
use baton_model::Nanos;
use clap::Args;

use crate::cli::logging::Logging;
use crate::supervise;

/// Run a program and move its traffic away before stopping it.
///
/// On INT or TERM: run --demote, wait until --wait-until succeeds (asked again and again, for --limit at most), send TERM
/// to the program, wait for its end, run --promote. A second signal stops waiting; a third kills. HUP, USR1, USR2 and
/// WINCH are passed on. Exits with the program's status, 128+n for a signal.
#[derive(Debug, Args)]
pub struct Supervise {
    /// Shell command that gives the address away, such as "ifconfig -g carp carpdemote"
    #[arg(long, value_name = "CMD")]
    demote: Option<String>,
    /// Shell command that undoes --demote; runs after the program has ended
    #[arg(long, value_name = "CMD")]
    promote: Option<String>,
    /// Shell command that succeeds once the address has moved
    #[arg(long, value_name = "CMD", requires = "demote")]
    wait_until: Option<String>,
    /// How long to wait for the proof; without --wait-until, how long to wait
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    limit: Nanos,
    /// Time between the signal and the kill of whoever runs this (Nomad's kill_timeout); three quarters go to the hand-over
    #[arg(long, value_name = "DURATION")]
    budget: Option<Nanos>,
    /// Where to note a demotion, so that the next start can undo it
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
    #[command(flatten)]
    logging: Logging,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

impl Supervise {
    pub fn run(self) -> Result<u8> {
        self.logging.init()?;
        let options = supervise::Options {
            demote: self.demote,
            promote: self.promote,
            wait_until: self.wait_until,
            limit: self.limit.to_std(),
            budget: self.budget.map(Nanos::to_std),
            state_file: self.state_file,
            command: self.command,
        };
        crate::cli::block_on(supervise::run(&options))
    }
}
