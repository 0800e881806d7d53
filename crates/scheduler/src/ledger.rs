//! Who is where: the allocations that count on each node, as the plan grows.
//!
//! Starts from the snapshot; stops take allocations out, placements put them in. An allocation and its successor on the same
//! node are a pair that counts once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use baton_model::{Allocation, Node};

use crate::snapshot::Snapshot;

#[derive(Clone)]
pub(crate) struct Ledger<'a> {
    by_node: BTreeMap<&'a str, Vec<Cow<'a, Allocation>>>,
    /// Not wanted any more, but their processes may still hold their ports.
    lingering: BTreeMap<&'a str, Vec<&'a Allocation>>,
}

impl<'a> Ledger<'a> {
    pub(crate) fn of(snapshot: &Snapshot<'a>) -> Self {
        // This job's own list is the newer truth where both have an allocation.
        Self::of_allocs(snapshot.nodes, snapshot.allocs.iter().chain(snapshot.node_allocs))
    }

    /// Where an id comes twice the first one counts.
    pub(crate) fn of_allocs(nodes: &'a [Node], allocs: impl Iterator<Item = &'a Allocation>) -> Self {
        let mut ledger = Self { by_node: BTreeMap::new(), lingering: BTreeMap::new() };
        for node in nodes {
            ledger.by_node.insert(&node.id, Vec::new());
        }
        let mut seen = BTreeSet::new();
        for alloc in allocs {
            if !seen.insert(alloc.id.as_str()) || alloc.client_terminal() {
                continue;
            }
            if alloc.server_terminal() {
                ledger.lingering.entry(&alloc.node_id).or_default().push(alloc);
            } else {
                ledger.by_node.entry(&alloc.node_id).or_default().push(Cow::Borrowed(alloc));
            }
        }
        ledger
    }

    pub(crate) fn on_node(&self, node_id: &str) -> impl Iterator<Item = &Allocation> {
        self.by_node.get(node_id).into_iter().flatten().map(AsRef::as_ref)
    }

    pub(crate) fn lingering_on(&self, node_id: &str) -> impl Iterator<Item = &'a Allocation> {
        self.lingering.get(node_id).into_iter().flatten().copied()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Allocation> {
        self.by_node.values().flatten().map(AsRef::as_ref)
    }

    pub(crate) fn remove(&mut self, alloc: &'a Allocation) {
        let Some(list) = self.by_node.get_mut(alloc.node_id.as_str()) else { return };
        let before = list.len();
        list.retain(|other| other.id != alloc.id);
        if list.len() < before && !alloc.client_terminal() {
            self.lingering.entry(&alloc.node_id).or_default().push(alloc);
        }
    }

    /// The same with one allocation gone.
    pub(crate) fn without(&self, alloc_id: &str) -> Self {
        let mut ledger = self.clone();
        for list in ledger.by_node.values_mut() {
            list.retain(|alloc| alloc.id != alloc_id);
        }
        ledger
    }

    pub(crate) fn add(&mut self, alloc: &Allocation) {
        if let Some(list) = self.by_node.get_mut(alloc.node_id.as_str()) {
            list.push(Cow::Owned(alloc.clone()));
        }
    }

    /// Puts an existing allocation's new version in place of the old one.
    pub(crate) fn replace(&mut self, alloc: &Allocation) {
        if let Some(slot) = self
            .by_node
            .get_mut(alloc.node_id.as_str())
            .and_then(|list| list.iter_mut().find(|other| other.id == alloc.id))
        {
            *slot = Cow::Owned(alloc.clone());
        }
    }
}
