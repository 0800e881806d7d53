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

/// The pool. Keys are [`Server::id`](crate::balance::Server)s, which never name two different servers.
#[derive(Debug, Default)]
pub struct Pool {
    idle: RefCell<HashMap<u64, Vec<Idle>, RandomState>>,
}

impl Pool {
    /// The connection that was used last and is still open.
    pub fn take(&self, server: u64, now: u64) -> Option<Stream> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(&server)?;
        while let Some(mut entry) = list.pop() {
            if entry.expires > now && entry.stream.is_quiet() {
                return Some(entry.stream);
            }
        }
        None
    }

    /// Keeps a connection for reuse, unless there are `limit` already.
    pub fn put(&self, server: u64, stream: Stream, limit: usize, expires: u64) {
        let mut idle = self.idle.borrow_mut();
        let list = idle.entry(server).or_default();
        if list.len() < limit {
            list.push(Idle { stream, expires });
        }
    }

    /// Closes connections that are too old, and all of servers for which `keep` is false.
    pub fn sweep(&self, now: u64, keep: impl Fn(u64) -> bool) {
        self.idle.borrow_mut().retain(|server, list| {
            if !keep(*server) {
                return false;
            }
            list.retain_mut(|entry| entry.expires > now && entry.stream.is_quiet());
            !list.is_empty()
        });
    }

    /// Closes everything.
    pub fn clear(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Idle connections to one server.
    pub fn len(&self, server: u64) -> usize {
        self.idle.borrow().get(&server).map_or(0, Vec::len)
    }
}
