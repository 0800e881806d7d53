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

/// Jobs, services, proxy and failover of a small edge, in one binary.
#[derive(Debug, Parser)]
#[command(name = "baton", version, disable_help_subcommand = false, propagate_version = false)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    // Jobs
    /// Run a job file: register the job and follow its deployment
    Run(job::run::Run),
    /// Show what running a job file would change
    Plan(job::plan::Plan),
    /// Check a job file
    Validate(job::validate::Validate),
    /// Stop a job
    Stop(job::stop::Stop),
    /// Show jobs, or one job
    Status(job::status::Status),
    /// Everything about jobs
    #[command(subcommand)]
    Job(job::Command),
    /// Everything about allocations
    #[command(subcommand)]
    Alloc(alloc::Command),
    /// Show the logs of an allocation
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
    /// Start a whole edge in one process tree, for trying things out
    Dev(Box<dev::Dev>),
    /// Run the agent: server, client, catalog and API as configured
    Agent(agent::Agent),
    /// Run the proxy on Traefik's configuration
    Proxy(proxy::Proxy),
    /// Run a program and move its traffic away before stopping it
    Supervise(supervise::Supervise),
    /// Own the task processes of a node; started by the agent
    #[command(hide = true)]
    Keep(keep::Keep),
    /// A tiny backend: answers with the request and its own name
    Whoami(whoami::Whoami),

    // Questions
    /// Check files strictly: proxy configuration, job files, agent configuration
    Check(check::Check),

    // The program itself
    /// Print a completion script for a shell
    Completion(completion::Completion),
    /// Print the manual page
    #[command(hide = true)]
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
