//! A backend that keeps the catalog in memory only: for tests, and for a `dev` agent without a data directory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use baton_catalog::{Applied, CatalogError, Command, Outcome, State};
use futures::future::BoxFuture;
use tokio::sync::{Notify, watch};

use super::backend::{Backend, BackendError};

/// The catalog behind a lock, with its own index and clock. Call [`MemoryBackend::run_clock`] so that sessions and TTL
/// checks expire.
pub struct MemoryBackend {
    state: Mutex<State>,
    index: watch::Sender<u64>,
    /// Told after each command: the next deadline may be nearer now.
    applied: Notify,
    origin: Instant,
}

/// Deadlines nearer to each other than this are handled together.
const TICK: Duration = Duration::from_millis(50);

impl MemoryBackend {
    pub fn new(datacenter: &str) -> Self {
        let state = State::new(datacenter);
        let index = watch::Sender::new(state.index());
        Self { state: Mutex::new(state), index, applied: Notify::new(), origin: Instant::now() }
    }

    /// Applies a command at the next index.
    pub fn apply_now(&self, command: Command) -> Result<Outcome, CatalogError> {
        let outcome = {
            let mut state = self.lock();
            let next = state.index() + 1;
            let Applied { outcome, changed, .. } = state.apply(command, self.origin.elapsed(), next)?;
            if changed {
                self.index.send_replace(next);
            }
            outcome
        };
        self.applied.notify_one();
        Ok(outcome)
    }

    /// Applies [`Command::Tick`] whenever it is due, until dropped.
    pub async fn run_clock(&self) {
        loop {
            let deadline = self.lock().next_deadline();
            let told = self.applied.notified();
            match deadline.map(|at| at.saturating_sub(self.origin.elapsed())) {
                None => told.await,
                Some(pause) => {
                    let due = tokio::time::timeout(pause.max(TICK), told).await.is_err();
                    if due && let Err(error) = self.apply_now(Command::Tick) {
                        tracing::error!(%error, "catalog clock");
                    }
                }
            }
        }
    }

    /// A panic inside a command cannot leave a half-written state that matters more than going on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for MemoryBackend {
    fn read(&self, query: &mut dyn FnMut(&State)) {
        query(&self.lock());
    }

    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, BackendError>> {
        Box::pin(async move { Ok(self.apply_now(command)?) })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.index.subscribe()
    }
}
