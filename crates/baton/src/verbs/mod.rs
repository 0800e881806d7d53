//! The verbs, one file each; groups of verbs are folders.

pub mod agent;
pub mod alloc;
pub mod check;
pub mod completion;
pub mod deployment;
pub mod dev;
pub mod eval;
pub mod job;
pub mod keep;
pub mod man;
pub mod node;
pub mod proxy;
pub mod server;
pub mod supervise;
pub mod system;
pub mod whoami;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Jobs, services and the proxy of a small edge, in one binary.
#[derive(Debug, Parser)]
#[command(name = "baton", version, disable_help_subcommand = false, propagate_version = false)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

// What each does is said at its type, or here for groups: the help shows that.
#[derive(Debug, Subcommand)]
pub enum Command {
    // Jobs
    Run(job::run::Run),
    Plan(job::plan::Plan),
    Validate(job::validate::Validate),
    Stop(job::stop::Stop),
    Status(job::status::Status),
    /// Everything about jobs
    #[command(subcommand)]
    Job(job::Command),
    /// Everything about allocations
    #[command(subcommand)]
    Alloc(alloc::Command),
    Logs(alloc::logs::Logs),
    /// Everything about nodes
    #[command(subcommand)]
    Node(node::Command),
    /// Everything about deployments
    #[command(subcommand)]
    Deployment(deployment::Command),
    /// Everything about evaluations
    #[command(subcommand)]
    Eval(eval::Command),
    /// The server's duties
    #[command(subcommand)]
    System(system::Command),
    /// Servers of this cluster
    #[command(subcommand)]
    Server(server::Command),

    // Processes
    Dev(Box<dev::Dev>),
    Agent(agent::Agent),
    Proxy(proxy::Proxy),
    Supervise(supervise::Supervise),
    #[command(hide = true)]
    Keep(keep::Keep),
    Whoami(whoami::Whoami),

    // Questions
    Check(check::Check),

    // The program itself
    Completion(completion::Completion),
    Man(man::Man),
    /// Print the version
    Version,
}

/// Runs a verb to its exit code.
pub fn run(command: Command) -> Result<u8> {
    match command {
        Command::Run(verb) => verb.run(),
        Command::Plan(verb) => verb.run(),
        Command::Validate(verb) => verb.run(),
        Command::Stop(verb) => verb.run(),
        Command::Status(verb) => verb.run(),
        Command::Job(verb) => verb.run(),
        Command::Alloc(verb) => verb.run(),
        Command::Logs(verb) => verb.run(),
        Command::Node(verb) => verb.run(),
        Command::Deployment(verb) => verb.run(),
        Command::Eval(verb) => verb.run(),
        Command::System(verb) => verb.run(),
        Command::Server(verb) => verb.run(),
        Command::Dev(verb) => verb.run(),
        Command::Agent(verb) => verb.run(),
        Command::Proxy(verb) => verb.run(),
        Command::Supervise(verb) => verb.run(),
        Command::Keep(verb) => verb.run(),
        Command::Whoami(verb) => verb.run(),
        Command::Check(verb) => verb.run(),
        Command::Completion(verb) => verb.run(),
        Command::Man(verb) => verb.run(),
        Command::Version => {
            crate::cli::outln(&format!("Baton v{}", env!("CARGO_PKG_VERSION")))?;
            Ok(0)
        }
    }
}
