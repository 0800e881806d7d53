//! The server's catalog as a backend: one writer, one index, one file for jobs and services.

use baton_catalog::{Command, Outcome, State};
use baton_server::{Server, ServerError};
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::backend::{Backend, BackendError};

/// The catalog inside a [`Server`].
pub struct ServerBackend {
    server: Server,
    index: watch::Receiver<u64>,
}

impl ServerBackend {
    /// Must be called within a tokio runtime: a task turns the server's changes into the catalog's, so that jobs and
    /// evaluations do not wake those who watch services. It ends with the server.
    pub fn new(server: Server) -> Self {
        let mut states = server.watch();
        let (publish, index) = watch::channel(states.borrow_and_update().catalog().index());
        tokio::spawn(async move {
            while states.changed().await.is_ok() {
                let now = states.borrow_and_update().catalog().index();
                publish.send_if_modified(|index| std::mem::replace(index, now) != now);
            }
        });
        Self { server, index }
    }
}

impl Backend for ServerBackend {
    fn read(&self, query: &mut dyn FnMut(&State)) {
        query(self.server.state().catalog());
    }

    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, BackendError>> {
        Box::pin(async move {
            let written = self.server.catalog_apply(command).await.map_err(|error| match error {
                ServerError::Stopped => BackendError::NoLeader,
                other => BackendError::Storage(other.to_string()),
            })?;
            Ok(written.value?.outcome)
        })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.index.clone()
    }
}
