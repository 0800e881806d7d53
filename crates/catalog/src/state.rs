//! The catalog's content with its secondary indexes.

use std::collections::VecDeque;
use std::sync::Arc;

use baton_consul::wire::{KvPair, Node, NodeService, Status, UserEvent};

use crate::feed::Log;
use crate::row::{CheckRow, Entry, LockDelay, OnNode, SessionRow};
use crate::{CatalogError, Now, Row};

/// An ordered map whose copies share what they have in common: its owner keeps the state from before a command at the
/// price of the difference.
pub(crate) type Map<K, V> = rpds::RedBlackTreeMapSync<K, V>;

/// An ordered set of the same kind.
pub(crate) type Set<K> = rpds::RedBlackTreeSetSync<K>;

/// What the passing of time does, in the order in which it is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A key opens again.
    LockDelay(String),
    /// A check was not heard of for its TTL.
    Ttl(OnNode),
    /// The service of a check that stays critical goes.
    Removal(OnNode),
    Session(String),
}

/// Everything the catalog knows. Cheap to clone. Change it with [`State::apply`], read it with the queries.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) datacenter: String,
    /// The index of the last command that changed something.
    pub(crate) index: u64,
    pub(crate) nodes: Map<String, Node>,
    pub(crate) services: Map<OnNode, NodeService>,
    pub(crate) checks: Map<OnNode, CheckRow>,
    pub(crate) kv: Map<String, KvPair>,
    pub(crate) sessions: Map<String, SessionRow>,
    pub(crate) tombstones: Map<String, u64>,
    pub(crate) lock_delays: Map<String, LockDelay>,
    /// Index per table and per service name.
    pub(crate) indexes: Map<String, u64>,
    /// Service name → its instances.
    pub(crate) instances: Map<String, Set<OnNode>>,
    /// Node and service id → the ids of its checks; the node's own are under an empty service id.
    pub(crate) checks_of: Map<OnNode, Set<String>>,
    /// Node → its sessions.
    pub(crate) sessions_on: Map<String, Set<String>>,
    /// Session → the keys it holds.
    pub(crate) held: Map<String, Set<String>>,
    /// Everything that time will do, soonest first.
    pub(crate) due: Set<(Now, Due)>,
    pub(crate) events: Arc<VecDeque<UserEvent>>,
    pub(crate) event_index: u64,
    pub(crate) log: Log,
}

impl State {
    pub fn new(datacenter: impl Into<String>) -> Self {
        Self {
            datacenter: datacenter.into(),
            // Watchers read index 1 of a catalog in which nothing happened; the first change must be above it.
            index: 1,
            nodes: Map::new_sync(),
            services: Map::new_sync(),
            checks: Map::new_sync(),
            kv: Map::new_sync(),
            sessions: Map::new_sync(),
            tombstones: Map::new_sync(),
            lock_delays: Map::new_sync(),
            indexes: Map::new_sync(),
            instances: Map::new_sync(),
            checks_of: Map::new_sync(),
            sessions_on: Map::new_sync(),
            held: Map::new_sync(),
            due: Set::new_sync(),
            events: Arc::default(),
            event_index: 0,
            log: Log::starting(1),
        }
    }

    /// Reads rows written by earlier commands. All clocks (TTLs, sessions, lock delays, removals) start anew at `now`,
    /// so that nothing expires because the owner was down.
    pub fn restore<'a>(
        datacenter: impl Into<String>,
        rows: impl IntoIterator<Item = (&'a str, &'a str, &'a [u8])>,
        now: Now,
    ) -> Result<Self, CatalogError> {
        let mut state = Self::new(datacenter);
        for (table, key, value) in rows {
            state.put(Entry::restore(table, key, value, now)?);
        }
        state.index = state.indexes.values().copied().fold(1, u64::max);
        state.log = Log::starting(state.index);
        Ok(state)
    }

    /// The whole durable state.
    pub fn snapshot(&self) -> Vec<Row> {
        self.rows(Entry::row)
    }

    /// The whole state as followers get it.
    pub(crate) fn told(&self) -> Vec<Row> {
        self.rows(Entry::told)
    }

    fn rows(&self, row: fn(&Entry) -> Row) -> Vec<Row> {
        fn each<'a, K: Clone + Ord + 'a, V: Clone + 'a>(
            map: &'a Map<K, V>,
            entry: fn(K, Option<V>) -> Entry,
        ) -> impl Iterator<Item = Entry> + 'a {
            map.iter().map(move |(key, value)| entry(key.clone(), Some(value.clone())))
        }
        each(&self.nodes, Entry::Node)
            .chain(each(&self.services, Entry::Service))
            .chain(each(&self.checks, Entry::Check))
            .chain(each(&self.kv, Entry::Kv))
            .chain(each(&self.sessions, Entry::Session))
            .chain(each(&self.tombstones, Entry::Tombstone))
            .chain(each(&self.lock_delays, Entry::LockDelay))
            .chain(each(&self.indexes, Entry::Index))
            .map(|entry| row(&entry))
            .collect()
    }

    /// Keeps an event; the oldest goes when there are too many.
    pub(crate) fn remember(&mut self, event: UserEvent) {
        let events = Arc::make_mut(&mut self.events);
        if events.len() == crate::MAX_EVENTS {
            events.pop_front();
        }
        events.push_back(event);
    }

    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }

    pub fn index(&self) -> u64 {
        self.index
    }

    /// When [`crate::Command::Tick`] is next needed.
    pub fn next_deadline(&self) -> Option<Now> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The TTL checks of a node for which nobody spoke in time and that do not say so yet, by id.
    pub fn run_out(&self, node: &str, now: Now) -> Vec<String> {
        let over = self.due.iter().take_while(|(at, _)| *at <= now).filter_map(|(_, due)| match due {
            Due::Ttl(key) if key.0 == node => Some(key),
            _ => None,
        });
        over.filter(|key| self.checks.get(key).is_some_and(|row| row.check.status != Status::Critical))
            .map(|key| key.1.clone())
            .collect()
    }

    /// For followers: somebody spoke for a TTL check, its clock starts anew. Where nothing else changes the feed is silent.
    pub fn heard(&mut self, node: &str, check_id: &str, now: Now) {
        let key = (node.to_owned(), check_id.to_owned());
        let Some(row) = self.checks.get(&key) else { return };
        if let Some(ttl) = row.ttl() {
            let row = CheckRow { ttl_deadline: Some(now + ttl), ..row.clone() };
            self.put(Entry::Check(key, Some(row)));
        }
    }

    /// Writes an entry and returns what was there before: the inverse change.
    pub(crate) fn put(&mut self, entry: Entry) -> Entry {
        match entry {
            Entry::Node(key, value) => Entry::Node(key.clone(), swap(&mut self.nodes, key, value)),
            Entry::Service(key, value) => {
                let name = |service: &NodeService| service.service.clone();
                let new = value.as_ref().map(name);
                let old = swap(&mut self.services, key.clone(), value);
                relink(&mut self.instances, old.as_ref().map(name), new, &key);
                Entry::Service(key, old)
            }
            Entry::Check(key, value) => {
                let owner = |row: &CheckRow| (key.0.clone(), row.check.service_id.clone());
                let new = (value.as_ref().map(owner), clocks(&key, value.as_ref()));
                let old = swap(&mut self.checks, key.clone(), value);
                relink(&mut self.checks_of, old.as_ref().map(owner), new.0, &key.1);
                reschedule(&mut self.due, clocks(&key, old.as_ref()), new.1);
                Entry::Check(key, old)
            }
            Entry::Kv(key, value) => {
                let holder = |pair: &KvPair| Some(pair.session.clone()).filter(|session| !session.is_empty());
                let new = value.as_ref().and_then(holder);
                let old = swap(&mut self.kv, key.clone(), value);
                relink(&mut self.held, old.as_ref().and_then(holder), new, &key);
                Entry::Kv(key, old)
            }
            Entry::Session(key, value) => {
                let node = |row: &SessionRow| row.session.node.clone();
                let end = |row: &SessionRow| Some((row.deadline?, Due::Session(key.clone())));
                let new = (value.as_ref().map(node), value.as_ref().and_then(end));
                let old = swap(&mut self.sessions, key.clone(), value);
                relink(&mut self.sessions_on, old.as_ref().map(node), new.0, &key);
                reschedule(&mut self.due, old.as_ref().and_then(end), new.1);
                Entry::Session(key, old)
            }
            Entry::Tombstone(key, value) => Entry::Tombstone(key.clone(), swap(&mut self.tombstones, key, value)),
            Entry::LockDelay(key, value) => {
                let end = |delay: &LockDelay| (delay.until, Due::LockDelay(key.clone()));
                let new = value.as_ref().map(end);
                let old = swap(&mut self.lock_delays, key.clone(), value);
                reschedule(&mut self.due, old.as_ref().map(end), new);
                Entry::LockDelay(key, old)
            }
            Entry::Index(key, value) => Entry::Index(key.clone(), swap(&mut self.indexes, key, value)),
        }
    }

    /// The entry now at the place that `entry` names.
    pub(crate) fn current(&self, entry: &Entry) -> Entry {
        match entry {
            Entry::Node(key, _) => Entry::Node(key.clone(), self.nodes.get(key).cloned()),
            Entry::Service(key, _) => Entry::Service(key.clone(), self.services.get(key).cloned()),
            Entry::Check(key, _) => Entry::Check(key.clone(), self.checks.get(key).cloned()),
            Entry::Kv(key, _) => Entry::Kv(key.clone(), self.kv.get(key).cloned()),
            Entry::Session(key, _) => Entry::Session(key.clone(), self.sessions.get(key).cloned()),
            Entry::Tombstone(key, _) => Entry::Tombstone(key.clone(), self.tombstones.get(key).copied()),
            Entry::LockDelay(key, _) => Entry::LockDelay(key.clone(), self.lock_delays.get(key).cloned()),
            Entry::Index(key, _) => Entry::Index(key.clone(), self.indexes.get(key).copied()),
        }
    }
}

fn swap<K: Ord, V: Clone>(map: &mut Map<K, V>, key: K, value: Option<V>) -> Option<V> {
    let old = map.get(&key).cloned();
    match value {
        Some(value) => map.insert_mut(key, value),
        None => {
            map.remove_mut(&key);
        }
    }
    old
}

/// Moves `member` from the set of `old` to the set of `new`; empty sets disappear.
fn relink<K: Ord + Clone, M: Ord + Clone>(map: &mut Map<K, Set<M>>, old: Option<K>, new: Option<K>, member: &M) {
    if old == new {
        return;
    }
    if let Some(old) = old
        && let Some(set) = map.get(&old)
    {
        let set = set.remove(member);
        if set.is_empty() {
            map.remove_mut(&old);
        } else {
            map.insert_mut(old, set);
        }
    }
    if let Some(new) = new {
        let set = map.get(&new).cloned().unwrap_or_else(Set::new_sync).insert(member.clone());
        map.insert_mut(new, set);
    }
}

fn clocks(key: &OnNode, row: Option<&CheckRow>) -> Vec<(Now, Due)> {
    let Some(row) = row else { return Vec::new() };
    let ttl = row.ttl_deadline.map(|at| (at, Due::Ttl(key.clone())));
    let removal = row.removal().map(|at| (at, Due::Removal(key.clone())));
    ttl.into_iter().chain(removal).collect()
}

fn reschedule(
    due: &mut Set<(Now, Due)>,
    old: impl IntoIterator<Item = (Now, Due)>,
    new: impl IntoIterator<Item = (Now, Due)>,
) {
    for entry in old {
        due.remove_mut(&entry);
    }
    for entry in new {
        due.insert_mut(entry);
    }
}
