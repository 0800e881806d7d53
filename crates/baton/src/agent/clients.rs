//! The clients of this process, as the API reaches them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use baton_api::nomad::client::{ClientApi, ClientRoutes};

/// Clients by node id.
#[derive(Default)]
pub struct Clients(RwLock<BTreeMap<String, Arc<dyn ClientApi>>>);

impl Clients {
    pub fn add(&self, node_id: String, client: Arc<dyn ClientApi>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(node_id, client);
    }

    pub fn remove(&self, node_id: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(node_id);
    }
}

impl ClientRoutes for Clients {
    fn local(&self, node_id: &str) -> Option<Arc<dyn ClientApi>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(node_id).cloned()
    }

    fn local_nodes(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}
