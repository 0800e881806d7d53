//! Stories about the built binary: real processes, real sockets, real peers.

mod supervise;
mod whoami;

use std::process::Command;

/// The binary under test.
fn baton() -> Command {
    Command::new(env!("CARGO_BIN_EXE_baton"))
}
