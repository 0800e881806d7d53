//! Names of servers to addresses, remembered for a few seconds per core.

use crate::limits::DNS_TTL;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

/// Names remembered at most.
const NAMES_MAX: usize = 4096;

/// Addresses of a name, and when they were looked up.
#[derive(Debug)]
struct Known {
    since: Instant,
    addresses: Vec<SocketAddr>,
}

/// A core's look-up cache.
#[derive(Debug, Default)]
pub struct Resolver {
    known: RefCell<HashMap<(Box<str>, u16), Known>>,
}

impl Resolver {
    /// Addresses of `host`, in the system's order of preference.
    pub async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let key = (Box::from(host), port);
        if let Some(Known { since, addresses }) = self.known.borrow().get(&key)
            && since.elapsed() < DNS_TTL
        {
            return Ok(addresses.clone());
        }
        let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no address for {host}")));
        }
        let mut known = self.known.borrow_mut();
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        known.insert(key, Known { since: Instant::now(), addresses: addresses.clone() });
        Ok(addresses)
    }
}
