//! Idle upstream connections of one core, last in first out per server.

use crate::io::Stream;
use foldhash::fast::RandomState;
use std::cell::RefCell;
use std::collections::HashMap;

/// An idle connection with the tick from which it is too old.
#[derive(Debug)]
struct Idle {
    stream: Stream,
    expires: u64,
}

/// The idle connections to one server.
#[derive(Debug, Default)]
struct Shelf {
    idle: Vec<Idle>,
    /// How many are kept where nobody needs more.
    limit: usize,
    /// The fewest that lay idle since the last sweep: so many were not needed.
    lowest: usize,
}

/// The pool. Keys are [`Server::id`](crate::balance::Server)s, which never name two different servers.
///
/// What comes back is kept until the next sweep even beyond the limit: requests come in bursts (a turn of the core may
/// end hundreds of exchanges and begin as many), and a connection that the next request opens again costs more than the
/// request. The sweep closes the excess that the burst did not need. A pool never holds more connections than were in
/// use at once.
#[derive(Debug, Default)]
pub struct Pool {
    shelves: RefCell<HashMap<u64, Shelf, RandomState>>,
}

impl Pool {
    /// The connection that was used last and is still open.
    pub fn take(&self, server: u64, now: u64) -> Option<Stream> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.get_mut(&server)?;
        while let Some(mut entry) = shelf.idle.pop() {
            shelf.lowest = shelf.lowest.min(shelf.idle.len());
            if entry.expires > now && entry.stream.is_quiet() {
                return Some(entry.stream);
            }
        }
        None
    }

    /// Keeps a connection for reuse, `limit` of them beyond the next sweep. A limit of 0 keeps none.
    pub fn put(&self, server: u64, stream: Stream, limit: usize, expires: u64) {
        if limit == 0 {
            return;
        }
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(server).or_default();
        shelf.limit = limit;
        shelf.idle.push(Idle { stream, expires });
    }

    /// Closes connections that are too old, those beyond the limit that were not needed since the last sweep, and all of
    /// servers for which `keep` is false.
    pub fn sweep(&self, now: u64, keep: impl Fn(u64) -> bool) {
        self.shelves.borrow_mut().retain(|server, shelf| {
            if !keep(*server) {
                return false;
            }
            let excess = shelf.idle.len().saturating_sub(shelf.limit).min(shelf.lowest);
            shelf.idle.drain(..excess);
            shelf.idle.retain_mut(|entry| entry.expires > now && entry.stream.is_quiet());
            shelf.lowest = shelf.idle.len();
            !shelf.idle.is_empty()
        });
    }

    /// Closes everything.
    pub fn clear(&self) {
        self.shelves.borrow_mut().clear();
    }

    /// Idle connections to one server.
    pub fn len(&self, server: u64) -> usize {
        self.shelves.borrow().get(&server).map_or(0, |shelf| shelf.idle.len())
    }
}
