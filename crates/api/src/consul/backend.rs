//! What the API needs of whoever owns the catalog's state.

use std::time::Duration;

use baton_catalog::{CatalogError, Command, Outcome, State};
use futures::future::BoxFuture;
use tokio::sync::watch;

/// The owner of a catalog: applies commands one after another, makes them durable, tells watchers.
pub trait Backend: Send + Sync + 'static {
    /// Runs `query` exactly once on the current state. Must not be held up by writes to disk.
    fn read(&self, query: &mut dyn FnMut(&State));

    /// Applies a command; when this returns, its change is durable and visible to [`Backend::read`].
    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, BackendError>>;

    /// The index of the last change; moves after the change is visible. Closed when the owner stops.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Waits until a read is as fresh as the server's state. A replica overrides this.
    fn catch_up(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    /// The index may go back: what was written here while the server was away becomes part of the server's history.
    fn may_go_back(&self) -> bool {
        false
    }

    /// How far away the server is. A replica overrides this.
    fn reach(&self) -> Reach {
        Reach { known_leader: true, last_contact: Duration::ZERO }
    }
}

/// What `X-Consul-KnownLeader` and `X-Consul-LastContact` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    pub known_leader: bool,
    pub last_contact: Duration,
}

/// Why a command was not applied.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The catalog refuses it.
    #[error(transparent)]
    Refused(#[from] CatalogError),
    /// The server cannot be reached; reads go on.
    #[error("No cluster leader")]
    NoLeader,
    /// The change could not be made durable and did not happen.
    #[error("catalog cannot be written: {0}")]
    Storage(String),
}

/// [`Backend::read`] with a result.
pub(super) fn read<T>(backend: &dyn Backend, query: impl FnOnce(&State) -> T) -> T {
    let mut query = Some(query);
    let mut result = None;
    backend.read(&mut |state| {
        if let Some(query) = query.take() {
            result = Some(query(state));
        }
    });
    result.expect("a backend runs the query")
}
