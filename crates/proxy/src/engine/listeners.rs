//! Listening sockets per entry point: bound here or inherited, one per worker where the system balances them.

use super::EngineError;
use crate::limits::BACKLOG;
use baton_net::activation::Inherited;
use baton_net::listen::{self, Sharing};
use baton_routing::config::Bind;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// The sockets of one entry point. None is closed while others of its group serve: a closed one would reset what waits in its queue.
#[derive(Debug)]
pub(super) struct Listeners {
    /// At least one.
    pub sockets: Vec<TcpListener>,
    /// What they are bound to.
    pub address: SocketAddr,
    /// As configured, to notice a change.
    pub bind: Bind,
}

impl Listeners {
    /// Takes inherited sockets of that name, or binds new ones for `workers` workers.
    pub(super) fn open(
        name: &str,
        bind: &Bind,
        host: Option<&str>,
        workers: usize,
        inherited: &mut Inherited,
    ) -> Result<Self, EngineError> {
        let sockets = inherited.take(name);
        if !sockets.is_empty() {
            let address = sockets[0].local_addr().map_err(|cause| failed(name, bind, cause))?;
            return Ok(Self { sockets, address, bind: bind.clone() });
        }
        let mut last = None;
        for address in addresses(name, bind, host)? {
            match Self::bind(name, bind, address, workers) {
                Ok(listeners) => return Ok(listeners),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| failed(name, bind, io::ErrorKind::AddrNotAvailable.into())))
    }

    fn bind(name: &str, bind: &Bind, address: SocketAddr, workers: usize) -> Result<Self, EngineError> {
        let failed = |cause| failed(name, &address, cause);
        // Alone first: with SO_REUSEPORT a second process of the same user would silently share the port.
        listen::free(address).map_err(failed)?;
        let count = if listen::balances() { workers } else { 1 };
        let first = listen::tcp(address, BACKLOG, Sharing::Group).map_err(failed)?;
        let address = first.local_addr().map_err(failed)?;
        let mut sockets = vec![first];
        for _ in 1..count {
            sockets.push(listen::tcp(address, BACKLOG, Sharing::Group).map_err(failed)?);
        }
        Ok(Self { sockets, address, bind: bind.clone() })
    }
}

/// The addresses an entry point may be bound to, best first. An empty host is the wildcard of both families.
fn addresses(name: &str, bind: &Bind, host: Option<&str>) -> Result<Vec<SocketAddr>, EngineError> {
    let host = match (bind.host.as_str(), host) {
        ("", Some(replacement)) => replacement,
        (host, _) => host,
    };
    if host.is_empty() {
        return Ok(vec![
            SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), bind.port),
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), bind.port),
        ]);
    }
    let address =
        |reason: String| EngineError::Address { entry_point: name.to_owned(), address: bind.to_string(), reason };
    let found: Vec<_> = (host, bind.port).to_socket_addrs().map_err(|error| address(error.to_string()))?.collect();
    if found.is_empty() { Err(address("the name has no address".to_owned())) } else { Ok(found) }
}

fn failed(name: &str, address: &impl ToString, cause: io::Error) -> EngineError {
    let hint = match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program holds the address (`ss -ltnp` shows which): stop it, or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need root, CAP_NET_BIND_SERVICE, or a lower net.ipv4.ip_unprivileged_port_start"
        }
        io::ErrorKind::AddrNotAvailable => "; the address is not configured on this machine",
        _ => "",
    };
    EngineError::Listen { entry_point: name.to_owned(), address: address.to_string(), hint, cause }
}
