//! Facts about a connection and a request that are not part of the message.

use bytes::Bytes;
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

/// What is known about a client's connection.
#[derive(Debug)]
pub struct Peer {
    /// The TCP peer, or what a trusted PROXY header said.
    pub address: SocketAddr,
    /// Our side.
    pub local: SocketAddr,
    /// The peer's address as text, IPv4-mapped addresses as IPv4.
    pub ip_text: Box<str>,
    /// Facts of the TLS session; `None` on clear text.
    pub tls: Option<TlsFacts>,
    /// Slot of the entry point in the snapshot.
    pub entry_point: usize,
    /// Whether forwarding headers of this peer are believed.
    pub trusted: bool,
    /// Whether the peer is appended to a trusted `X-Forwarded-For`.
    pub append_forwarded_for: bool,
}

/// What the handshake settled.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// Server name sent by the client, lower-case.
    pub sni: Option<Box<str>>,
    /// Name of the TLS options in force.
    pub options: Arc<str>,
    /// The client's certificates, leaf first, DER.
    pub client_certificates: Vec<Bytes>,
}

impl Peer {
    /// The peer's IP address, IPv4-mapped addresses as IPv4.
    pub fn ip(&self) -> IpAddr {
        self.address.ip().to_canonical()
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }
}

/// Facts about one request, open to middlewares.
#[derive(Debug, Clone)]
pub struct Info {
    /// The connection.
    pub peer: Rc<Peer>,
    /// Whether this is an upgrade (WebSocket).
    pub upgrade: bool,
    /// Notes that a middleware leaves for its response half, under a key of its own.
    pub notes: SmallVec<[(usize, Bytes); 1]>,
}

impl Info {
    /// Facts of a request on `peer`'s connection.
    pub fn new(peer: Rc<Peer>, upgrade: bool) -> Self {
        Self { peer, upgrade, notes: SmallVec::new() }
    }

    /// Leaves a note. The key is the address of the middleware, so that two of one kind do not meet.
    pub fn note(&mut self, key: usize, value: Bytes) {
        self.notes.push((key, value));
    }

    /// The note left under `key`.
    pub fn noted(&self, key: usize) -> Option<&Bytes> {
        self.notes.iter().find(|(of, _)| *of == key).map(|(_, value)| value)
    }
}
