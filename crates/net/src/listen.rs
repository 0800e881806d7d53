//! Listening sockets.
//!
//! Input is an address and how the port is shared; output is a bound, listening, non-blocking, close-on-exec socket.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Who may bind the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody else.
    Alone,
    /// Other sockets of this user that say the same (`SO_REUSEPORT`): one per worker.
    Group,
}

/// Whether the system spreads connections over the sockets of a group.
///
/// Elsewhere the last socket bound gets them all, so one socket serves all workers.
pub const fn balances() -> bool {
    cfg!(target_os = "linux")
}

/// A TCP socket that listens on `address`.
///
/// A wildcard IPv6 address takes IPv4 connections too, where the system allows it.
pub fn tcp(address: SocketAddr, backlog: i32, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // OpenBSD refuses: there IPv6 sockets never take IPv4.
        let _ = socket.set_only_v6(false);
    }
    socket.set_reuse_address(true)?;
    if sharing == Sharing::Group {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if sharing == Sharing::Group {
        socket.listen(backlog)?;
    }
    Ok(socket.into())
}

/// The machine's name; `localhost` when it has none.
pub fn hostname() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
