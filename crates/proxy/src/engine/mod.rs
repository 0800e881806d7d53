//! The engine: worker threads, listeners, the configuration in force, the way down.
//!
//! Seam for the rest of the program: [`Engine::start`] binds the entry points of a table and serves it;
//! [`EngineHandle::apply`] swaps in another table (routes at once, entry points added and removed), and never touches an
//! open connection; [`EngineHandle::pause`] and [`EngineHandle::resume`] stop and resume accepting while sockets and
//! connections stay (succession), [`EngineHandle::listen_alone`] lets a paused one be looked at; [`EngineHandle::shutdown`] drains in three beats. Health from outside goes through
//! [`EngineHandle::set_health`]; balancers read flags.
//!
//! Threads: one per worker with a single-threaded runtime of its own; what they share is [`Shared`], read with atomics.

mod drain;
mod handle;
mod listeners;
mod worker;

pub use drain::{DrainPlan, Drained};
pub use handle::{Engine, EngineHandle, Snapshots, Traffic};

use crate::access::AccessLog;
use crate::snapshot::Internals;
use crate::snapshot::Snapshot;
use crate::upstream::Denied;
use arc_swap::ArcSwap;
use baton_net::activation::Inherited;
use baton_routing::RouteTable;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// What an engine is started with.
pub struct EngineConfig {
    /// Worker threads; 0 means one per core.
    pub workers: usize,
    /// The first configuration.
    pub table: Arc<RouteTable>,
    /// Services answered inside the process, by kind.
    pub internals: Internals,
    /// Receives finished requests.
    pub access_log: Option<Arc<dyn AccessLog>>,
    /// Sockets of a predecessor or of the service manager, by entry point name.
    pub inherited: Inherited,
    /// Host that replaces an empty one in entry point addresses (`BATON_BIND_ADDRESS`).
    pub bind_host: Option<String>,
    /// Status of `ping@internal` while stopping.
    pub ping_terminating_status: u16,
    /// Begin paused, see [`EngineHandle::pause`].
    pub paused: bool,
    /// Addresses that no server may have.
    pub denied: Denied,
    /// Send every request down the generic path. For tests, which run on both.
    pub force_generic: bool,
}

impl EngineConfig {
    /// Defaults for `table`.
    pub fn new(table: Arc<RouteTable>) -> Self {
        Self {
            workers: 0,
            table,
            internals: Internals::new(),
            access_log: None,
            inherited: Inherited::default(),
            bind_host: None,
            ping_terminating_status: 503,
            denied: Denied::default(),
            paused: false,
            force_generic: false,
        }
    }
}

/// Why the engine could not start or take a configuration.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// An entry point's address cannot be bound.
    #[error("entry point {entry_point}: cannot listen on {address}: {cause}{hint}")]
    Listen {
        /// Its name.
        entry_point: String,
        /// The address.
        address: String,
        /// What to do about it.
        hint: &'static str,
        /// The system's answer.
        cause: io::Error,
    },
    /// An entry point's address is not one.
    #[error("entry point {entry_point}: {address:?} is not an address of this machine: {reason}")]
    Address {
        /// Its name.
        entry_point: String,
        /// As configured.
        address: String,
        /// Why not.
        reason: String,
    },
    /// A worker cannot be started.
    #[error("cannot start worker {index}: {source}")]
    Worker {
        /// Its number.
        index: usize,
        /// The system's answer.
        source: io::Error,
    },
    /// A worker does not take commands any more.
    #[error("worker {index} does not answer")]
    Stuck {
        /// Its number.
        index: usize,
    },
}

/// Where the process stands on its way down; only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Serving.
    Running,
    /// Ping says so, everything else as usual.
    Stopping,
    /// Not accepting; answers ask clients to close.
    Draining,
    /// Idle connections are closed too.
    Closing,
    /// Everything ends now.
    Cut,
}

impl Phase {
    /// Reads a phase.
    pub fn load(cell: &AtomicU8) -> Self {
        match cell.load(Ordering::Relaxed) {
            0 => Self::Running,
            1 => Self::Stopping,
            2 => Self::Draining,
            3 => Self::Closing,
            _ => Self::Cut,
        }
    }
}

/// What all workers share.
pub struct Shared {
    /// The configuration in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// Raised with each configuration, so that a core notices without touching the snapshot.
    pub version: AtomicU64,
    /// Load of each worker.
    pub load: Vec<Load>,
    /// Receives finished requests.
    pub access_log: Option<Arc<dyn AccessLog>>,
    /// This machine's name, for `X-Forwarded-Server`.
    pub hostname: Box<str>,
    /// Addresses that no server may have.
    pub denied: Denied,
    /// Send every request down the generic path.
    pub force_generic: bool,
    pub(crate) phase: Arc<AtomicU8>,
    pub(crate) paused: AtomicBool,
    pub(crate) quiet: tokio::sync::Notify,
}

impl Shared {
    /// The phase.
    pub fn phase(&self) -> Phase {
        Phase::load(&self.phase)
    }

    /// Open client connections of all workers, tunnels included.
    pub fn open(&self) -> usize {
        self.load.iter().map(|load| load.open.load(Ordering::Relaxed)).sum()
    }
}

/// One worker's load, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Load {
    /// Open client connections, those on their way to the worker included.
    pub open: AtomicUsize,
    /// Tunnels among them.
    pub tunnels: AtomicI64,
    /// Connections accepted by this worker.
    pub accepted: AtomicU64,
    /// Of those, handed to another worker.
    pub handed_over: AtomicU64,
}

/// An entry point's bound address.
pub type Bound = (String, SocketAddr);
