//! What a blocking query watches, with Consul's granularity.

use std::ops::Bound;

use crate::State;

/// A part of the catalog that a query's answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The list of nodes.
    Nodes,
    /// Which services exist, with their tags; not their health.
    Services,
    /// One node with its services.
    Node(String),
    /// One service: instances, their nodes, all checks that count for them.
    Service(String),
    /// All checks.
    Checks,
    /// Nodes, services and checks together.
    Catalog,
    Key(String),
    /// All keys that start with this.
    Prefix(String),
    Sessions,
    Events,
}

/// Rows of the index table.
pub(crate) const NODES: &str = "nodes";
pub(crate) const SERVICES: &str = "services";
pub(crate) const CHECKS: &str = "checks";
pub(crate) const KV: &str = "kv";
pub(crate) const SESSIONS: &str = "sessions";
/// The highest index of deletions that are no longer remembered key by key.
pub(crate) const TOMBSTONE_FLOOR: &str = "tombstone-floor";

pub(crate) fn service_index(name: &str) -> String {
    format!("service/{name}")
}

impl State {
    /// The index of a scope: at least 1, never going back, above every index answered before whenever the scope's
    /// content changed since. May move without a change.
    pub fn index_of(&self, scope: &Scope) -> u64 {
        let table = |name: &str| self.indexes.get(name).copied().unwrap_or(0);
        let catalog = || table(NODES).max(table(SERVICES)).max(table(CHECKS));
        let index = match scope {
            Scope::Nodes => table(NODES),
            Scope::Services => table(SERVICES),
            Scope::Node(_) => table(NODES).max(table(SERVICES)),
            // A service that does not exist has no index of its own; any change of the catalog may create it.
            Scope::Service(name) => self.indexes.get(&service_index(name)).copied().unwrap_or_else(catalog),
            Scope::Checks => table(CHECKS),
            Scope::Catalog => catalog(),
            Scope::Key(key) => self.kv.get(key).map_or_else(|| table(KV), |pair| pair.modify_index),
            Scope::Prefix(prefix) => self.prefix_index(prefix, table(KV), table(TOMBSTONE_FLOOR)),
            Scope::Sessions => table(SESSIONS),
            Scope::Events => self.event_index,
        };
        index.max(1)
    }

    fn prefix_index(&self, prefix: &str, table: u64, floor: u64) -> u64 {
        if prefix.is_empty() {
            return table;
        }
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let live = self.kv.range::<str, _>(from).take_while(|(key, _)| key.starts_with(prefix));
        let Some(newest) = live.map(|(_, pair)| pair.modify_index).max() else {
            return table;
        };
        let dead = self.tombstones.range::<str, _>(from).take_while(|(key, _)| key.starts_with(prefix));
        dead.map(|(_, index)| *index).fold(newest.max(floor), u64::max)
    }
}
