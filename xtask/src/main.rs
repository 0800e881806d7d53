//! The verbs of development: `cargo xtask test`, `bench`, `peers`, `layers`, `check-openbsd`.

#![allow(unreachable_pub)] // a binary: nothing is reachable from outside, `pub` says what a module offers

mod bench;
mod layers;
mod openbsd;
mod peers;
mod run;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The verbs of development")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Everything that must hold before a change lands: format, lints, layers, all tests, real peers
    Test(test::Test),
    /// Fetch the real peers of the tests (Consul, Traefik, clients) into target/peers
    Peers,
    /// Check which crate depends on which
    Layers,
    /// Compare the proxy with nginx and HAProxy side by side
    Bench(bench::Bench),
    /// Type-check the workspace for x86_64-unknown-openbsd (Debian, root)
    CheckOpenbsd,
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Test(test) => test.run(),
        Verb::Peers => peers::fetch().map(|left_out| peers::report(&left_out)),
        Verb::Layers => layers::check(),
        Verb::Bench(bench) => bench.run(),
        Verb::CheckOpenbsd => openbsd::check(),
    }
}
