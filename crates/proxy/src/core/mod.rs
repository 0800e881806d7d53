//! What one core owns: scratch buffer, clock, upstream pool, connection list, its view of the configuration.
//!
//! Everything here is `!Send` and used by one thread, so cells instead of locks. What cores share stands in
//! [`Shared`](crate::engine::Shared).

mod pool;
mod timer;

pub use pool::Pool;
pub use timer::{Timers, WakeHandle, Watch};

use crate::engine::{Phase, Shared};
use crate::h1::http_date;
use crate::limits::{SCRATCH_BYTES, SPARE_BUFFER_BYTES, SPARE_BUFFERS};
use crate::snapshot::View;
use crate::upstream::Resolver;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// State of one worker thread.
pub struct Core {
    /// Number of the worker.
    pub index: usize,
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Clock and deadlines.
    pub timers: Timers,
    /// Idle upstream connections.
    pub pool: Pool,
    /// Name look-ups.
    pub resolver: Resolver,
    /// Shared HTTP/2 connections to servers.
    pub h2: crate::upstream::H2Pool,
    scratch: RefCell<Box<[u8]>>,
    spare: RefCell<Vec<Vec<u8>>>,
    snapshot: RefCell<View>,
    version: Cell<u64>,
    connections: RefCell<Slab<WakeHandle>>,
    date: Cell<[u8; 29]>,
    date_second: Cell<u64>,
}

/// An open connection's entry in the core's list.
pub struct Connection {
    core: Rc<Core>,
    key: usize,
    /// Deadline and wake-up handle.
    pub watch: Watch,
}

impl Core {
    /// State of worker `index`.
    pub fn new(index: usize, shared: Arc<Shared>) -> Self {
        let version = shared.version.load(Ordering::Acquire);
        let snapshot = View::new(shared.snapshot.load_full());
        let core = Self {
            index,
            shared,
            timers: Timers::new(),
            pool: Pool::default(),
            resolver: Resolver::default(),
            h2: crate::upstream::H2Pool::default(),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            spare: RefCell::default(),
            snapshot: RefCell::new(snapshot),
            version: Cell::new(version),
            connections: RefCell::default(),
            date: Cell::new(http_date(0)),
            date_second: Cell::new(0),
        };
        core.refresh_date();
        core
    }

    /// Lends the scratch buffer. It must be given back before the task waits.
    pub fn with_scratch<T>(&self, use_it: impl FnOnce(&mut [u8]) -> T) -> T {
        use_it(&mut self.scratch.borrow_mut())
    }

    /// An empty buffer, reused where possible.
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(2048))
    }

    /// Takes a buffer back.
    pub fn recycle(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_BUFFERS && (1..=SPARE_BUFFER_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> View {
        let version = self.shared.version.load(Ordering::Acquire);
        if version != self.version.get() {
            *self.snapshot.borrow_mut() = View::new(self.shared.snapshot.load_full());
            self.version.set(version);
        }
        self.snapshot.borrow().clone()
    }

    /// The current `Date` value.
    pub fn date(&self) -> [u8; 29] {
        self.date.get()
    }

    /// Reads the wall clock; called once per tick.
    pub fn refresh_date(&self) {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.date_second.replace(second) {
            self.date.set(http_date(second));
        }
    }

    /// Enters a connection into the list.
    pub fn register(self: &Rc<Self>) -> Connection {
        let watch = self.timers.watch();
        let key = self.connections.borrow_mut().insert(watch.handle());
        Connection { core: self.clone(), key, watch }
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Wakes every connection, so that it sees a changed phase.
    pub fn wake_all(&self) {
        let handles: Vec<_> = self.connections.borrow().iter().map(|(_, handle)| handle.clone()).collect();
        handles.iter().for_each(WakeHandle::wake);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.core.connections.borrow_mut().remove(self.key);
        let shared = &self.core.shared;
        if shared.load[self.core.index].open.fetch_sub(1, Ordering::AcqRel) == 1 && shared.phase() >= Phase::Draining {
            shared.quiet.notify_one();
        }
    }
}
