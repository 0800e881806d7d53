//! The catalog behind the server's writer: one index, one transaction log, one set of watches for both.

use baton_catalog::{Applied, CatalogError, Command, Now};

use crate::error::ServerError;
use crate::server::Server;
use crate::state::State;
use crate::writer::Written;

impl State {
    /// Services, checks, keys, sessions.
    pub fn catalog(&self) -> &baton_catalog::State {
        &self.catalog
    }
}

impl Server {
    /// The catalog's clock: time since this process started.
    pub fn catalog_now(&self) -> Now {
        self.clock().since_start()
    }

    /// Applies one command. The inner error is the catalog's own refusal; it changed nothing.
    pub async fn catalog_apply(&self, command: Command) -> Result<Written<Result<Applied, CatalogError>>, ServerError> {
        let clock = self.clock().clone();
        self.write("changing the catalog", move |draft| {
            let index = draft.next_index();
            let now = clock.since_start();
            let applied = draft.catalog_mut().apply(command, now, index);
            if let Ok(applied) = &applied {
                draft.catalog_changed(applied.rows.clone(), applied.changed);
            }
            Ok(applied)
        })
        .await
    }
}
