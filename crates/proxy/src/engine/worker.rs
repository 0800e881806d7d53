//! A worker: one thread, one runtime, one core's state.

use super::{Phase, Shared};
use crate::conn;
use crate::core::Core;
use crate::limits::{ACCEPT_BATCH, ACCEPT_RETRY, CONNECTIONS_PER_CORE, HANDOVER_FLOOR, HANDOVER_PERCENT, TICK};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Ticks between looks at idle upstream connections.
const SWEEP_TICKS: u64 = 50;

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Accept from this socket, for the entry point in a slot.
    Listen(usize, TcpListener),
    /// Accept from this socket in any case: nobody else has it.
    ListenAlone(usize, TcpListener),
    /// Stop accepting for a slot.
    Unlisten(usize),
    /// Close the sockets that nobody else has.
    UnlistenAlone,
    /// Look at phase and pause again.
    Wake,
    /// Serve a connection that another worker accepted.
    Serve(std::net::TcpStream, SocketAddr, usize),
    /// End.
    Stop,
}

/// A socket and the task that accepts from it.
struct Listening {
    slot: usize,
    socket: TcpListener,
    /// Accepts even while paused.
    alone: bool,
    task: Option<JoinHandle<()>>,
}

/// Runs a worker until it is told to stop. `peers` are the command queues of all workers.
pub(super) async fn run(
    index: usize,
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<Command>,
    peers: Vec<mpsc::Sender<Command>>,
) {
    let core = Rc::new(Core::new(index, shared.clone()));
    let peers = Rc::new(peers);
    let clock = tokio::task::spawn_local(tick(core.clone()));
    let mut listening: Vec<Listening> = Vec::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Listen(slot, socket) => listening.push(Listening { slot, socket, alone: false, task: None }),
            Command::ListenAlone(slot, socket) => listening.push(Listening { slot, socket, alone: true, task: None }),
            Command::Unlisten(slot) => listening.retain_mut(|entry| entry.stays(|entry| entry.slot != slot)),
            Command::UnlistenAlone => listening.retain_mut(|entry| entry.stays(|entry| !entry.alone)),
            Command::Wake => core.wake_all(),
            Command::Serve(stream, address, slot) => match tokio::net::TcpStream::from_std(stream) {
                Ok(stream) => {
                    tokio::task::spawn_local(conn::serve(core.clone(), stream, address, slot));
                }
                Err(error) => {
                    shared.load[index].open.fetch_sub(1, Ordering::Relaxed);
                    tracing::warn!(%error, "lost a connection while taking it over");
                }
            },
            Command::Stop => break,
        }
        let paused = shared.paused.load(Ordering::Acquire);
        for entry in &mut listening {
            let accepting = (entry.alone || !paused) && shared.phase() < Phase::Draining;
            match (accepting, &entry.task) {
                (true, None) => entry.task = start(&core, &peers, entry),
                (false, Some(task)) => {
                    task.abort();
                    entry.task = None;
                }
                _ => {}
            }
        }
    }
    clock.abort();
}

impl Listening {
    /// Whether this is kept; what is not accepts no more.
    fn stays(&mut self, keep: impl Fn(&Self) -> bool) -> bool {
        let keep = keep(self);
        if !keep && let Some(task) = self.task.take() {
            task.abort();
        }
        keep
    }
}

fn start(core: &Rc<Core>, peers: &Rc<Vec<mpsc::Sender<Command>>>, entry: &Listening) -> Option<JoinHandle<()>> {
    let listener = entry.socket.try_clone().and_then(|socket| {
        socket.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(socket)
    });
    match listener {
        Ok(listener) => Some(tokio::task::spawn_local(accept(core.clone(), listener, entry.slot, peers.clone()))),
        Err(error) => {
            tracing::error!(%error, "cannot accept from a listening socket");
            None
        }
    }
}

async fn accept(core: Rc<Core>, listener: tokio::net::TcpListener, slot: usize, peers: Rc<Vec<mpsc::Sender<Command>>>) {
    let mut batch = 0;
    loop {
        if core.connections() >= CONNECTIONS_PER_CORE {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, address)) => place(&core, stream, address, slot, &peers),
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for a moment");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
        batch += 1;
        if batch == ACCEPT_BATCH {
            batch = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Serves a connection here, or hands it to the least loaded worker when this one carries far more than the mean.
fn place(
    core: &Rc<Core>,
    stream: tokio::net::TcpStream,
    address: SocketAddr,
    slot: usize,
    peers: &Rc<Vec<mpsc::Sender<Command>>>,
) {
    let loads = &core.shared.load;
    loads[core.index].accepted.fetch_add(1, Ordering::Relaxed);
    let mine = loads[core.index].open.load(Ordering::Relaxed);
    let total: usize = loads.iter().map(|load| load.open.load(Ordering::Relaxed)).sum();
    // Where one socket serves all workers, every connection is placed by load.
    let alone = !baton_net::listen::balances();
    if alone || (mine >= HANDOVER_FLOOR && mine * loads.len() * 100 > total * HANDOVER_PERCENT) {
        let least =
            (0..loads.len()).min_by_key(|index| loads[*index].open.load(Ordering::Relaxed)).unwrap_or(core.index);
        if least != core.index {
            loads[least].open.fetch_add(1, Ordering::Relaxed);
            let Ok(stream) = stream.into_std() else {
                loads[least].open.fetch_sub(1, Ordering::Relaxed);
                return;
            };
            match peers[least].try_send(Command::Serve(stream, address, slot)) {
                Ok(()) => {
                    loads[core.index].handed_over.fetch_add(1, Ordering::Relaxed);
                }
                // Its queue is full: better served late here than not at all.
                Err(
                    mpsc::error::TrySendError::Full(Command::Serve(stream, ..))
                    | mpsc::error::TrySendError::Closed(Command::Serve(stream, ..)),
                ) => {
                    loads[least].open.fetch_sub(1, Ordering::Relaxed);
                    if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                        serve(core, stream, address, slot);
                    }
                }
                Err(_) => {}
            }
            return;
        }
    }
    serve(core, stream, address, slot);
}

fn serve(core: &Rc<Core>, stream: tokio::net::TcpStream, address: SocketAddr, slot: usize) {
    core.shared.load[core.index].open.fetch_add(1, Ordering::Relaxed);
    tokio::task::spawn_local(conn::serve(core.clone(), stream, address, slot));
}

/// Moves the core's clock and keeps its house in order.
async fn tick(core: Rc<Core>) {
    let start = Instant::now();
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut swept = 0;
    loop {
        interval.tick().await;
        let now = (start.elapsed().as_millis() / TICK.as_millis()) as u64;
        core.timers.advance(now);
        core.refresh_date();
        if now >= swept + SWEEP_TICKS {
            swept = now;
            let snapshot = core.snapshot();
            core.pool.sweep(now, |server| snapshot.has_server(server));
            core.h2.sweep(|server| snapshot.has_server(server));
        }
    }
}
