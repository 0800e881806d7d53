//! Stories about the built binary: real processes, real sockets, real peers.

#![allow(unreachable_pub)] // a test binary: nothing is reachable from outside

mod agent;
mod backends;
mod check;
mod clients;
mod consul;
mod crash;
mod dev;
mod drain;
mod follower;
mod full;
mod health;
mod load;
mod nobody;
mod observe;
mod peers;
mod procs;
mod refuse;
mod seed;
mod succession;
mod supervise;
mod whoami;
mod world;

use std::process::Command;

/// The binary under test.
fn baton() -> Command {
    Command::new(env!("CARGO_BIN_EXE_baton"))
}
