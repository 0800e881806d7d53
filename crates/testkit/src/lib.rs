//! What the integration tests share: processes that end with the test, small disks, free ports, peers, waiting for an event.

pub mod disk;
pub mod peers;
pub mod process;
pub mod wait;

pub use disk::SmallDisk;
pub use process::Process;
pub use wait::eventually;

use std::net::TcpListener;

/// A port of the loopback address that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_or(0, |address| address.port())
}
