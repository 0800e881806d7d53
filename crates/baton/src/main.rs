//! Baton: jobs, services and the proxy of a small edge in one binary.
//!
//! This crate is the composition root: one file per verb under `verbs/`, what they share under `cli/`, and the wiring of
//! the agent under `agent/` and `dev/`. It is the only crate that knows all others.

#![allow(unreachable_pub)] // a binary: nothing is reachable from outside, `pub` says what a module offers

mod agent;
mod cli;
mod dev;
mod proxy;
mod supervise;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let argv = cli::argv::normalise(std::env::args_os());
    let usage_code = cli::argv::usage_code(&argv);
    let command = match verbs::Cli::try_parse_from(argv) {
        Ok(parsed) => parsed.command,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { usage_code } else { 0 });
        }
    };
    match verbs::run(command) {
        Ok(code) => ExitCode::from(code),
        Err(error) if cli::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(1)
        }
    }
}
