//! One command in progress: every write goes through here, stamped with the index and undone if the command fails.

use std::collections::HashSet;

use baton_consul::wire::{Behavior, KvPair, Node, NodeService, Status};

use crate::row::{CheckRow, Entry, LockDelay, OnNode, SessionRow};
use crate::scope::{CHECKS, KV, NODES, SERVICES, SESSIONS, TOMBSTONE_FLOOR, service_index};
use crate::{Now, Row, State};

pub(crate) struct Tx<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) now: Now,
    pub(crate) index: u64,
    undo: Vec<Entry>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(state: &'a mut State, now: Now, index: u64) -> Self {
        Self { state, now, index, undo: Vec::new() }
    }

    pub(crate) fn roll_back(self) {
        for entry in self.undo.into_iter().rev() {
            self.state.put(entry);
        }
    }

    /// The rows that differ from before. Entries that changed only in what is not persisted yield none.
    pub(crate) fn commit(mut self) -> Vec<Row> {
        if self.state.tombstones.size() > crate::MAX_TOMBSTONES {
            let keys: Vec<String> = self.state.tombstones.keys().cloned().collect();
            for key in keys {
                self.put(Entry::Tombstone(key, None));
            }
            self.touch(TOMBSTONE_FLOOR);
        }
        let mut seen = HashSet::new();
        let (mut rows, mut told) = (Vec::new(), Vec::new());
        for entry in &self.undo {
            let before = entry.row();
            if seen.insert((before.table, before.key.clone())) {
                let current = self.state.current(entry);
                let after = current.row();
                if after != before {
                    told.push(current.told());
                    rows.push(after);
                }
            }
        }
        if !rows.is_empty() {
            self.state.log.push(self.index, told, None);
        }
        rows
    }

    pub(crate) fn put(&mut self, entry: Entry) {
        let before = self.state.put(entry);
        self.undo.push(before);
    }

    fn touch(&mut self, table: &str) {
        self.put(Entry::Index(table.to_owned(), Some(self.index)));
    }

    fn touch_service(&mut self, name: &str) {
        let exists = self.state.instances.contains_key(name);
        self.put(Entry::Index(service_index(name), exists.then_some(self.index)));
    }

    fn touch_services_on(&mut self, node: &str) {
        for name in self.state.service_names_on(node) {
            self.touch_service(&name);
        }
    }

    pub(crate) fn set_node(&mut self, mut node: Node) {
        let old = self.state.nodes.get(&node.node);
        node.create_index = old.map_or(self.index, |old| old.create_index);
        node.modify_index = old.map_or(self.index, |old| old.modify_index);
        if old == Some(&node) {
            return;
        }
        node.modify_index = self.index;
        let name = node.node.clone();
        self.put(Entry::Node(name.clone(), Some(node)));
        self.touch(NODES);
        self.touch_services_on(&name);
    }

    pub(crate) fn delete_node(&mut self, name: &str) {
        if !self.state.nodes.contains_key(name) {
            return;
        }
        let sessions: Vec<String> = self.state.sessions_on(name).map(|row| row.session.id.clone()).collect();
        for session in sessions {
            self.end_session(&session);
        }
        for key in self.state.service_keys_on(name) {
            self.delete_service(&key);
        }
        for key in self.state.check_keys_on(name) {
            self.delete_check(&key);
        }
        self.put(Entry::Node(name.to_owned(), None));
        self.touch(NODES);
    }

    pub(crate) fn set_service(&mut self, node: &str, mut service: NodeService) {
        let key = (node.to_owned(), service.id.clone());
        let old = self.state.services.get(&key);
        service.create_index = old.map_or(self.index, |old| old.create_index);
        service.modify_index = old.map_or(self.index, |old| old.modify_index);
        if old == Some(&service) {
            return;
        }
        service.modify_index = self.index;
        let old_name = old.map(|old| old.service.clone());
        let (name, tags) = (service.service.clone(), service.tags.clone());
        self.put(Entry::Service(key.clone(), Some(service)));
        self.touch(SERVICES);
        self.touch_service(&name);
        if let Some(old_name) = old_name.filter(|old| *old != name) {
            self.touch_service(&old_name);
        }
        for check_key in self.state.check_keys_of(&key) {
            let mut row = self.state.checks[&check_key].clone();
            row.check.service_name.clone_from(&name);
            row.check.service_tags.clone_from(&tags);
            self.set_check(row);
        }
    }

    pub(crate) fn delete_service(&mut self, key: &OnNode) {
        let Some(service) = self.state.services.get(key) else { return };
        let name = service.service.clone();
        for check in self.state.check_keys_of(key) {
            self.delete_check(&check);
        }
        self.put(Entry::Service(key.clone(), None));
        self.touch(SERVICES);
        self.touch_service(&name);
    }

    /// Stores a check. A change of its output alone is kept but stamps nothing.
    pub(crate) fn set_check(&mut self, mut row: CheckRow) {
        let key = (row.check.node.clone(), row.check.check_id.clone());
        let old = self.state.checks.get(&key);
        row.critical_since = match (row.check.status, old) {
            (Status::Critical, Some(old)) => old.critical_since.or(Some(self.now)),
            (Status::Critical, None) => Some(self.now),
            _ => None,
        };
        row.check.create_index = old.map_or(self.index, |old| old.check.create_index);
        row.check.modify_index = old.map_or(self.index, |old| old.check.modify_index);
        let visible = |row: &CheckRow| {
            let mut check = row.check.clone();
            check.output.clear();
            check
        };
        let changed = old.is_none_or(|old| visible(old) != visible(&row));
        let failed = row.check.status == Status::Critical && old.is_none_or(|old| old.check.status != Status::Critical);
        let old_service = old.map(|old| old.check.service_name.clone());
        if changed {
            row.check.modify_index = self.index;
        }
        let service = row.check.service_name.clone();
        self.put(Entry::Check(key.clone(), Some(row)));
        if changed {
            self.touch_checked(&key.0, &service);
            if let Some(old_service) = old_service.filter(|old| *old != service) {
                self.touch_checked(&key.0, &old_service);
            }
        }
        if failed {
            self.end_sessions_on_check(&key);
        }
    }

    pub(crate) fn delete_check(&mut self, key: &OnNode) {
        let Some(row) = self.state.checks.get(key) else { return };
        let service = row.check.service_name.clone();
        self.put(Entry::Check(key.clone(), None));
        self.touch_checked(&key.0, &service);
        self.end_sessions_on_check(key);
    }

    /// A node's check counts for every service on it.
    fn touch_checked(&mut self, node: &str, service: &str) {
        self.touch(CHECKS);
        if service.is_empty() {
            self.touch_services_on(node);
        } else {
            self.touch_service(service);
        }
    }

    pub(crate) fn set_key(&mut self, mut pair: KvPair) {
        let old = self.state.kv.get(&pair.key);
        pair.create_index = old.map_or(self.index, |old| old.create_index);
        pair.modify_index = old.map_or(self.index, |old| old.modify_index);
        if old == Some(&pair) {
            return;
        }
        pair.modify_index = self.index;
        let key = pair.key.clone();
        self.put(Entry::Kv(key.clone(), Some(pair)));
        if self.state.tombstones.contains_key(&key) {
            self.put(Entry::Tombstone(key, None));
        }
        self.touch(KV);
    }

    pub(crate) fn delete_key(&mut self, key: &str) {
        if !self.state.kv.contains_key(key) {
            return;
        }
        self.put(Entry::Kv(key.to_owned(), None));
        self.put(Entry::Tombstone(key.to_owned(), Some(self.index)));
        self.touch(KV);
    }

    /// Stores a session; only a new one stamps an index.
    pub(crate) fn set_session(&mut self, row: SessionRow) {
        let id = row.session.id.clone();
        let new = !self.state.sessions.contains_key(&id);
        self.put(Entry::Session(id, Some(row)));
        if new {
            self.touch(SESSIONS);
        }
    }

    /// Ends a session: its locks are released or deleted and stay closed for its lock delay.
    pub(crate) fn end_session(&mut self, id: &str) {
        let Some(row) = self.state.sessions.get(id) else { return };
        let session = row.session.clone();
        self.put(Entry::Session(id.to_owned(), None));
        self.touch(SESSIONS);
        let held: Vec<String> = self.state.held.get(id).into_iter().flat_map(|keys| keys.iter()).cloned().collect();
        for key in held {
            if session.lock_delay.0 > 0 {
                let until = self.now + session.lock_delay.to_std();
                self.put(Entry::LockDelay(key.clone(), Some(LockDelay { delay: session.lock_delay, until })));
            }
            match session.behavior {
                Behavior::Delete => self.delete_key(&key),
                Behavior::Release => {
                    let mut pair = self.state.kv[&key].clone();
                    pair.session.clear();
                    self.set_key(pair);
                }
            }
        }
    }

    fn end_sessions_on_check(&mut self, (node, check): &OnNode) {
        let hangs_on = |row: &&SessionRow| {
            let services = row.session.service_checks.iter().flatten();
            row.session.node_checks.contains(check) || services.map(|service| &service.id).any(|id| id == check)
        };
        let ids: Vec<String> =
            self.state.sessions_on(node).filter(hangs_on).map(|row| row.session.id.clone()).collect();
        for id in ids {
            self.end_session(&id);
        }
    }
}
