//! Pairs of an old allocation and the successor that takes over from it on the same node.
//!
//! While a successor lives, the pair counts as one and the old one is left alone; once the successor is proven, the old one
//! is stopped. A successor that failed gives the place back to the old one, which is then replaced stop-first.

use std::collections::{BTreeMap, BTreeSet};

use baton_model::{AllocClientStatus, Allocation, Job, TaskGroup};

use super::{Changes, InPlace, StopChange, description};
use crate::snapshot::Snapshot;
use crate::update::{self, Change};

/// A group's allocations with the pairs resolved.
pub(super) struct Successions<'a> {
    /// Those that the rest of the reconciliation looks at: one of each pair.
    pub(super) remaining: Vec<&'a Allocation>,
    /// By the id of an old allocation that still runs: the successor that failed or is outdated.
    pub(super) former: BTreeMap<&'a str, &'a Allocation>,
    /// By the id of a living successor: the old allocation beside it.
    pub(super) beside: BTreeMap<&'a str, &'a Allocation>,
}

impl<'a> Successions<'a> {
    /// The allocation beside this one that counts as one with it.
    pub(super) fn other_half(&self, alloc: &Allocation) -> Option<&'a Allocation> {
        self.former.get(alloc.id.as_str()).or_else(|| self.beside.get(alloc.id.as_str())).copied()
    }
}

/// Can a new allocation take over from `old` beside it? `former` is the successor that tried before. Batch work is not done
/// twice at a time.
pub(super) fn possible(job: &Job, old: &Allocation, former: Option<&Allocation>) -> bool {
    old.handover
        && !job.job_type.is_batch()
        && old.client_status == AllocClientStatus::Running
        && !former.is_some_and(Allocation::succession_failed)
}

/// Ends the other half of pairs of which one half ends for good.
pub(super) fn end_together<'a>(pairs: &Successions<'a>, changes: &mut Changes<'a>) {
    let olds = pairs.former.iter().map(|(old, former)| (*old, *former));
    let successors = pairs.beside.iter().map(|(successor, old)| (*successor, *old));
    for (one, other) in olds.chain(successors).collect::<Vec<_>>() {
        let stops = |id: &str| changes.stops.iter().any(|stop| stop.alloc.id == id);
        if stops(one) && !stops(&other.id) {
            changes.stops.push(StopChange { alloc: other, description: description::NOT_NEEDED, client_status: None });
        }
    }
}

pub(super) fn resolve<'a>(
    snapshot: &Snapshot<'a>,
    job: &Job,
    group: &TaskGroup,
    allocs: Vec<&'a Allocation>,
    in_place: &dyn InPlace,
    changes: &mut Changes<'a>,
) -> Successions<'a> {
    let (mut former, mut beside) = (BTreeMap::new(), BTreeMap::new());
    let mut set_aside = BTreeSet::new();
    for successor in &allocs {
        if successor.succeeds.is_empty() || successor.server_terminal() {
            continue;
        }
        let Some(old) = allocs.iter().find(|old| old.id == successor.succeeds && !old.server_terminal()) else {
            continue;
        };
        if old.client_terminal() {
            // It ended first: the successor has the place, whatever becomes of it.
            set_aside.insert(old.id.as_str());
            changes.stops.push(StopChange { alloc: old, description: description::UPDATING, client_status: None });
            continue;
        }
        let outdated = match update::change(successor, job, group) {
            Change::None => false,
            Change::InPlace | Change::TemplateReload => !in_place.fits(successor, Some(old), job, group),
            Change::Destructive(_) => true,
        };
        if successor.client_terminal() || (outdated && !proven(successor)) {
            former.insert(old.id.as_str(), *successor);
            set_aside.insert(successor.id.as_str());
        } else {
            set_aside.insert(old.id.as_str());
            beside.insert(successor.id.as_str(), *old);
            stop_old(snapshot, old, successor, changes);
        }
    }
    let remaining = allocs.into_iter().filter(|alloc| !set_aside.contains(alloc.id.as_str())).collect();
    Successions { remaining, former, beside }
}

fn stop_old<'a>(snapshot: &Snapshot<'a>, old: &'a Allocation, successor: &Allocation, changes: &mut Changes<'a>) {
    let node_up = snapshot.node(&old.node_id).is_some_and(|node| node.status != baton_model::node::NodeStatus::Down);
    let leaves = |alloc: &Allocation| alloc.desired_transition.migrate == Some(true);
    let stop = if !node_up {
        Some((description::LOST, Some(AllocClientStatus::Lost)))
    } else if leaves(old) || leaves(successor) {
        Some((description::MIGRATING, None))
    } else if proven(successor) {
        Some((description::UPDATING, None))
    } else {
        None
    };
    if let Some((description, client_status)) = stop {
        changes.stops.push(StopChange { alloc: old, description, client_status });
    }
}

/// Healthy by its deployment; without one, running with the listeners in its hands.
fn proven(successor: &Allocation) -> bool {
    match successor.deployment_health() {
        Some(healthy) => healthy,
        None => {
            successor.deployment_id.is_empty()
                && successor.client_status == AllocClientStatus::Running
                && successor.handover
        }
    }
}
