//! The keeper: the one process on a node that owns task processes, their output and the sockets they stored.
//!
//! Input: requests on a Unix socket ([`protocol`]), the tasks' FIFOs and notification datagrams, the ends of processes.
//! Output: log files that rotate, events to subscribers, a journal. It runs one poll loop and no async runtime.
//!
//! Invariants:
//! - What was acknowledged is in the journal, on disk. A task's program runs only after its pid is journaled, so no kill at
//!   any instant loses a task or starts it twice.
//! - Tasks write into FIFOs that they hold open for reading too: the keeper's death breaks no pipe and loses no output.
//! - A full disk never blocks a task: output is dropped, counted, and said in the log when there is room again.
//! - After the end of a task's leader nothing of its process group stays alive.
//! - Stored sockets are closed when no successor became ready within the hand-over time: refusing is better than hanging.

mod connection;
mod error;
mod journal;
pub mod launch;
mod limits;
mod logs;
mod platform;
pub mod protocol;
mod record;
mod server;
mod signals;
mod spawn;
mod store;
mod task;
mod upgrade;

mod client;

pub use client::{Client, Events};
pub use error::KeeperError;
pub use server::{Options, run};

/// One line for the operator. Where it cannot be written (a full disk) there is nobody to tell.
fn warn(message: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "level=warn component=keeper msg={message:?}");
}
