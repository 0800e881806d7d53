//! Listening sockets.
//!
//! Input is an address and how the port is shared; output is a bound, listening, non-blocking, close-on-exec socket.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// A client that was silent for this long is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Between two such questions, as long as none is answered.
#[cfg(target_os = "linux")]
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

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
    let socket = bound(address, sharing)?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Whether nobody has `address` now. Does not listen for it: no connection can be lost to the look.
pub fn free(address: SocketAddr) -> io::Result<()> {
    bound(address, Sharing::Alone).map(drop)
}

fn bound(address: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // OpenBSD refuses: there IPv6 sockets never take IPv4.
        let _ = socket.set_only_v6(false);
    }
    socket.set_reuse_address(true)?;
    if sharing == Sharing::Group {
        socket.set_reuse_port(true)?;
    }
    // Accepted connections have it from here: a client that lost its network is found out though it never says so.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    #[cfg(target_os = "linux")]
    let keepalive = keepalive.with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The machine's name; `localhost` when it has none.
pub fn hostname() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_its_own_is_reached_and_takes_its_address() {
        let listener = tcp("127.0.0.1:0".parse().unwrap(), 1, Sharing::Alone).unwrap();
        let address = listener.local_addr().unwrap();
        std::net::TcpStream::connect(address).unwrap();
        assert_eq!(free(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        free("127.0.0.1:0".parse().unwrap()).unwrap();
    }

    #[test]
    fn accepted_connections_ask_for_a_sign_of_life() {
        let listener = tcp("127.0.0.1:0".parse().unwrap(), 1, Sharing::Group).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(socket2::SockRef::from(&accepted).keepalive().unwrap());
    }
}
