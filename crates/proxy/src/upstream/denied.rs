//! Addresses that no server may have: those of the agent that looks after this proxy.
//!
//! Whoever reaches them from here counts as local. A route to them, whether a mistake in a file or a tag that somebody set in
//! the catalog, would make the agent's API public. The check is made on the connection itself, before anything is sent,
//! so no spelling of an address and no name that leads there gets around it.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// Servers whose refusal is told, each once; more are refused silently.
const TOLD_MAX: usize = 1024;

/// The addresses.
#[derive(Debug, Default)]
pub struct Denied {
    addresses: Vec<SocketAddr>,
    told: Mutex<HashSet<u64>>,
}

impl Denied {
    /// These, and none else. A wildcard address stands for every address of this machine.
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let addresses = addresses.into_iter().map(|own| SocketAddr::new(own.ip().to_canonical(), own.port()));
        Self { addresses: addresses.collect(), told: Mutex::default() }
    }

    /// Whether a connection to `peer` ends at one of them. `local` is this side's address, once there is a connection.
    pub fn holds(&self, peer: SocketAddr, local: Option<IpAddr>) -> bool {
        let ip = match peer.ip().to_canonical() {
            // Connecting to the wildcard leads to this machine.
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let is_here = ip.is_loopback() || local.is_some_and(|local| local.to_canonical() == ip);
        self.addresses.iter().filter(|own| own.port() == peer.port()).any(|own| {
            let everywhere = own.ip().is_unspecified();
            // Told by its loopback address, it may listen on the others too.
            own.ip() == ip || (is_here && (everywhere || (own.ip().is_loopback() && !ip.is_loopback())))
        })
    }

    /// Says so in the log, once for each server.
    pub(crate) fn tell(&self, server: u64, url: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX && told.insert(server) {
            tracing::error!("{}", Self::reason(url));
        }
    }

    /// Why a server is refused.
    pub(crate) fn reason(url: &str) -> String {
        format!(
            "the server {url} is this machine's own agent: a route to it would make its API public; \
             BATON_AGENT_BACKENDS=allow in the proxy's environment permits it"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(own: &str, peer: &str, local: Option<&str>) -> bool {
        let denied = Denied::new([own.parse().unwrap()]);
        denied.holds(peer.parse().unwrap(), local.map(|ip| ip.parse().unwrap()))
    }

    #[test]
    fn every_way_to_the_agent_is_known() {
        for (own, peer, local) in [
            ("127.0.0.1:4646", "127.0.0.1:4646", None),
            ("127.0.0.1:4646", "0.0.0.0:4646", None),
            ("127.0.0.1:4646", "[::ffff:127.0.0.1]:4646", None),
            ("[::1]:4646", "[::]:4646", None),
            ("0.0.0.0:4646", "127.0.0.9:4646", None),
            ("0.0.0.0:4646", "10.0.0.7:4646", Some("10.0.0.7")),
            ("[::]:4646", "[2001:db8::7]:4646", Some("2001:db8::7")),
            // Bound to the wildcard, told as the address by which it is reached from here.
            ("127.0.0.1:4646", "10.0.0.7:4646", Some("10.0.0.7")),
        ] {
            assert!(holds(own, peer, local), "{own} {peer}");
        }
    }

    #[test]
    fn others_are_left_alone() {
        for (own, peer, local) in [
            ("127.0.0.1:4646", "127.0.0.1:4647", None),
            ("127.0.0.1:4646", "127.0.0.12:4646", Some("127.0.0.1")),
            ("127.0.0.1:4646", "10.0.0.8:4646", Some("10.0.0.7")),
            ("0.0.0.0:4646", "10.0.0.8:4646", Some("10.0.0.7")),
            ("10.0.0.7:4646", "127.0.0.1:4646", None),
        ] {
            assert!(!holds(own, peer, local), "{own} {peer}");
        }
        assert!(!Denied::default().holds("127.0.0.1:4646".parse().unwrap(), None));
    }
}
