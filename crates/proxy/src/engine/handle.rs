//! Starting the engine, and what the rest of the program does with it.

use super::listeners::Listeners;
use super::worker::{self, Command};
use super::{Bound, EngineConfig, EngineError, Load, Phase, Shared};
use crate::counters::Reading;
use crate::limits::{BACKLOG, HANDOVER_QUEUE};
use crate::service::Ping;
use crate::snapshot::{Internals, Snapshot};
use arc_swap::ArcSwap;
use baton_net::activation::Inherited;
use baton_net::listen::{self, Sharing};
use baton_routing::config::{Internal, Protocol};
use baton_routing::{Problem, RouteTable};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// The data plane.
pub struct Engine;

/// A running engine. Dropping it ends the workers at once; [`EngineHandle::shutdown`] does so in good order.
pub struct EngineHandle {
    pub(super) shared: Arc<Shared>,
    workers: Vec<Worker>,
    internals: Internals,
    bind_host: Option<String>,
    state: Mutex<State>,
}

struct Worker {
    commands: mpsc::Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    listeners: HashMap<String, Listeners>,
    inherited: Inherited,
}

/// The snapshots of an engine, in force also while it drains. Holding this keeps no engine from ending.
#[derive(Clone)]
pub struct Snapshots(Arc<Shared>);

impl Snapshots {
    pub fn now(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }
}

/// What went through so far, and what is open now.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// Open client connections.
    pub open: usize,
    /// Tunnels among them.
    pub tunnels: i64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Of those, handed from one worker to another.
    pub handed_over: u64,
    /// Requests by entry point.
    pub entry_points: Vec<(Arc<str>, Reading)>,
    /// Requests by service.
    pub services: Vec<(Arc<str>, Reading)>,
}

impl Engine {
    /// Binds the table's entry points, starts the workers and serves. Problems of single objects are returned with the
    /// handle; only a socket that cannot be had is an error.
    pub fn start(config: EngineConfig) -> Result<(EngineHandle, Vec<Problem>), EngineError> {
        let workers = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let phase = Arc::new(AtomicU8::new(Phase::Running as u8));
        let mut internals = config.internals;
        internals
            .entry(Internal::Ping)
            .or_insert_with(|| Arc::new(Ping::new(phase.clone(), config.ping_terminating_status)));
        let empty = Snapshot::empty(config.table.clone());
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(empty),
            version: AtomicU64::new(0),
            load: (0..workers).map(|_| Load::default()).collect(),
            access_log: config.access_log,
            hostname: baton_net::listen::hostname().into(),
            denied: config.denied,
            force_generic: config.force_generic,
            phase,
            paused: AtomicBool::new(config.paused),
            quiet: tokio::sync::Notify::new(),
        });
        let mut handle = EngineHandle {
            shared: shared.clone(),
            workers: Vec::new(),
            internals,
            bind_host: config.bind_host,
            state: Mutex::new(State { listeners: HashMap::new(), inherited: config.inherited }),
        };
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel(HANDOVER_QUEUE)).unzip();
        for (index, receiver) in receivers.into_iter().enumerate() {
            let commands = senders[index].clone();
            let (shared, peers) = (shared.clone(), senders.clone());
            let failed = |source| EngineError::Worker { index, source };
            let (started, starting) = std::sync::mpsc::sync_channel(1);
            let body = move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build_local(tokio::runtime::LocalOptions::default());
                let (runtime, outcome) = match runtime {
                    Ok(runtime) => (Some(runtime), Ok(())),
                    Err(error) => (None, Err(error)),
                };
                if let (Ok(()), Some(runtime)) = (started.send(outcome), runtime) {
                    runtime.block_on(worker::run(index, shared, receiver, peers));
                }
            };
            let thread = std::thread::Builder::new().name(format!("proxy-{index}")).spawn(body).map_err(failed)?;
            handle.workers.push(Worker { commands, thread: Some(thread) });
            starting.recv().unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into())).map_err(failed)?;
        }
        let problems = handle.apply(config.table)?;
        Ok((handle, problems))
    }
}

impl EngineHandle {
    /// Serves another table. New entry points are bound first: if one cannot be, nothing changes.
    pub fn apply(&self, table: Arc<RouteTable>) -> Result<Vec<Problem>, EngineError> {
        let mut state = self.lock();
        let wanted: Vec<_> =
            table.entry_points.iter().filter(|(_, entry_point)| entry_point.bind.protocol == Protocol::Tcp).collect();
        let mut opened = Vec::new();
        for (name, entry_point) in &wanted {
            let kept = state.listeners.get(*name).is_some_and(|listeners| listeners.bind == entry_point.bind);
            if !kept {
                let listeners = Listeners::open(
                    name,
                    &entry_point.bind,
                    self.bind_host.as_deref(),
                    self.workers.len(),
                    &mut state.inherited,
                )?;
                opened.push(((*name).clone(), listeners));
            }
        }
        let previous = self.shared.snapshot.load_full();
        let gone: Vec<_> =
            state.listeners.keys().filter(|name| !wanted.iter().any(|(wanted, _)| wanted == name)).cloned().collect();
        let replaced: Vec<_> =
            opened.iter().map(|(name, _)| name.clone()).filter(|name| state.listeners.contains_key(name)).collect();
        let (snapshot, mut problems) = Snapshot::build(table, &previous, &self.internals);
        problems.extend(snapshot.denied(&self.shared.denied));
        let snapshot = Arc::new(snapshot);
        self.shared.snapshot.store(snapshot.clone());
        self.shared.version.fetch_add(1, Ordering::Release);
        for name in gone.iter().chain(&replaced) {
            state.listeners.remove(name);
            if let Some(slot) = previous.slot(name) {
                self.each(|_| Command::Unlisten(slot))?;
            }
        }
        for (name, listeners) in opened {
            if let Some(slot) = snapshot.slot(&name) {
                self.listen(slot, &name, &listeners)?;
            }
            state.listeners.insert(name, listeners);
        }
        Ok(problems)
    }

    /// Gives each socket to a worker: more sockets than workers are shared out, fewer are shared.
    fn listen(&self, slot: usize, name: &str, listeners: &Listeners) -> Result<(), EngineError> {
        let failed = |cause| EngineError::Listen {
            entry_point: name.to_owned(),
            address: listeners.address.to_string(),
            hint: "",
            cause,
        };
        let workers = if baton_net::listen::balances() || listeners.sockets.len() > 1 { self.workers.len() } else { 1 };
        for turn in 0..workers.max(listeners.sockets.len()) {
            let socket = listeners.sockets[turn % listeners.sockets.len()].try_clone().map_err(failed)?;
            self.tell(turn % self.workers.len(), Command::Listen(slot, socket))?;
        }
        Ok(())
    }

    fn tell(&self, index: usize, command: Command) -> Result<(), EngineError> {
        self.workers[index].commands.try_send(command).map_err(|_| EngineError::Stuck { index })
    }

    fn each(&self, command: impl Fn(usize) -> Command) -> Result<(), EngineError> {
        (0..self.workers.len()).try_for_each(|index| self.tell(index, command(index)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The snapshot in force: plans, services and servers with their state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// The same for whoever looks on while the engine ends.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots(Arc::clone(&self.shared))
    }

    /// What the workers share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What the entry points are bound to.
    pub fn bound(&self) -> Vec<Bound> {
        let state = self.lock();
        let mut bound: Vec<_> =
            state.listeners.iter().map(|(name, listeners)| (name.clone(), listeners.address)).collect();
        bound.sort();
        bound
    }

    /// Duplicates of every listening socket with the names to store them under: `web.0` … `web.N`.
    pub fn sockets(&self) -> std::io::Result<Vec<(String, TcpListener)>> {
        let state = self.lock();
        let mut sockets = Vec::new();
        for (name, listeners) in &state.listeners {
            for (index, socket) in listeners.sockets.iter().enumerate() {
                sockets.push((format!("{name}.{index}"), socket.try_clone()?));
            }
        }
        Ok(sockets)
    }

    /// Opens a socket of its own beside each entry point's, served in the same way: while paused, the only way to reach this
    /// engine and no other that shares its sockets. Entry point's port and the address, by entry point. Gone with
    /// [`EngineHandle::resume`].
    pub fn listen_alone(&self) -> Result<Vec<(u16, SocketAddr)>, EngineError> {
        let state = self.lock();
        let snapshot = self.snapshot();
        let mut opened = Vec::new();
        for (name, listeners) in &state.listeners {
            let Some(slot) = snapshot.slot(name) else { continue };
            let failed = |cause| EngineError::Listen {
                entry_point: name.clone(),
                address: listeners.address.to_string(),
                hint: "",
                cause,
            };
            let mut address = listeners.address;
            address.set_port(0);
            if address.ip().is_unspecified() {
                // Nobody beyond this machine is to come this way.
                address.set_ip(match address {
                    SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                });
            }
            let socket = listen::tcp(address, BACKLOG, Sharing::Alone).map_err(failed)?;
            opened.push((listeners.address.port(), socket.local_addr().map_err(failed)?));
            self.tell(0, Command::ListenAlone(slot, socket))?;
        }
        Ok(opened)
    }

    /// Stops accepting; sockets and connections stay.
    pub fn pause(&self) -> Result<(), EngineError> {
        self.shared.paused.store(true, Ordering::Release);
        self.each(|_| Command::Wake)
    }

    /// Accepts again.
    pub fn resume(&self) -> Result<(), EngineError> {
        self.shared.paused.store(false, Ordering::Release);
        self.each(|_| Command::UnlistenAlone)
    }

    /// Records the health of a service's server as observed outside; says whether it changed anything.
    pub fn set_health(&self, service: &str, url: &str, healthy: bool) -> bool {
        let snapshot = self.snapshot();
        let Some(service) = snapshot.services.get(service) else { return false };
        let crate::service::Kind::Balancer(balancer) = &service.kind else { return false };
        let mut changed = false;
        for server in balancer.servers.iter().filter(|server| *server.url == *url) {
            changed |= server.set_healthy(healthy);
        }
        changed
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.shared.phase()
    }

    pub(super) fn enter(&self, phase: Phase) -> Result<(), EngineError> {
        self.shared.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.each(|_| Command::Wake)
    }

    /// Numbers for metrics and status pages.
    pub fn traffic(&self) -> Traffic {
        let snapshot = self.snapshot();
        let sum = |pick: fn(&Load) -> u64| self.shared.load.iter().map(pick).sum();
        let mut services: HashMap<Arc<str>, Reading> = HashMap::new();
        for plan in &snapshot.plans {
            services.entry(plan.service.name.clone()).or_insert_with(|| plan.counter.read());
        }
        Traffic {
            open: self.shared.open(),
            tunnels: self.shared.load.iter().map(|load| load.tunnels.load(Ordering::Relaxed)).sum(),
            accepted: sum(|load| load.accepted.load(Ordering::Relaxed)),
            handed_over: sum(|load| load.handed_over.load(Ordering::Relaxed)),
            entry_points: snapshot
                .entry_points
                .iter()
                .flatten()
                .map(|entry_point| (entry_point.name.clone(), entry_point.counter.read()))
                .collect(),
            services: services.into_iter().collect(),
        }
    }

    /// Ends the workers.
    pub(super) fn stop(&mut self) {
        for worker in &self.workers {
            // A worker that takes no commands ends with its queue.
            let _ = worker.commands.try_send(Command::Stop);
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("a worker ended by a panic");
            }
        }
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        self.shared.phase.fetch_max(Phase::Cut as u8, Ordering::AcqRel);
        self.stop();
    }
}
