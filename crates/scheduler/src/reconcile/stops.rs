//! What ends without a replacement: a stopped job, a removed group, a lower count.

use std::collections::BTreeSet;

use baton_model::node::NodeStatus;
use baton_model::{AllocClientStatus, Allocation, TaskGroup};

use super::names::Names;
use super::{Changes, StopChange, description};
use crate::snapshot::Snapshot;

/// Stops everything of a group that the job has no more.
pub(super) fn stop_all<'a>(snapshot: &Snapshot<'a>, group: &str, allocs: &[&'a Allocation], changes: &mut Changes<'a>) {
    let mut stopped = 0;
    for alloc in allocs.iter().filter(|alloc| !alloc.server_terminal()) {
        // A batch allocation that ended keeps its record; there is nothing to stop.
        if alloc.client_terminal() {
            continue;
        }
        stopped += 1;
        let gone = snapshot.node(&alloc.node_id).is_none_or(|node| node.status == NodeStatus::Down);
        changes.stops.push(if gone {
            StopChange { alloc, description: description::LOST, client_status: Some(AllocClientStatus::Lost) }
        } else {
            StopChange { alloc, description: description::NOT_NEEDED, client_status: None }
        });
    }
    if stopped > 0 {
        changes.desired.entry(group.to_owned()).or_default().stop += stopped;
    }
}

/// The surplus over `count`, in this order: old ones whose name a promoted canary has, leaving ones with the highest index,
/// the highest indices, doubles. What is chosen is taken out of the lists.
pub(super) fn surplus<'a>(
    group: &TaskGroup,
    untainted: &mut Vec<&'a Allocation>,
    migrate: &mut Vec<&'a Allocation>,
    names: &mut Names<'_>,
    canaries: &BTreeSet<&str>,
    canarying: bool,
) -> Vec<&'a Allocation> {
    let counted = |alloc: &Allocation| {
        alloc.client_status != AllocClientStatus::Unknown && !(canarying && canaries.contains(alloc.id.as_str()))
    };
    let present = untainted.iter().filter(|alloc| counted(alloc)).count() + migrate.len();
    let mut remove = present.saturating_sub(usize::try_from(group.count).unwrap_or(0));
    let mut chosen = Vec::new();
    let mut take = |list: &mut Vec<&'a Allocation>, remove: &mut usize, wanted: &dyn Fn(&Allocation) -> bool| {
        list.retain(|alloc| {
            let goes = *remove > 0 && wanted(alloc);
            if goes {
                *remove -= 1;
                chosen.push(*alloc);
            }
            !goes
        });
    };
    if !canarying && !canaries.is_empty() {
        let taken: BTreeSet<&str> = untainted
            .iter()
            .filter(|alloc| canaries.contains(alloc.id.as_str()))
            .map(|alloc| alloc.name.as_str())
            .collect();
        take(untainted, &mut remove, &|alloc| {
            !canaries.contains(alloc.id.as_str()) && taken.contains(alloc.name.as_str())
        });
    }
    if remove > 0 && !migrate.is_empty() {
        let highest = Names::of("", "", migrate.iter().copied()).highest(remove);
        let indices: BTreeSet<Option<usize>> = highest.iter().map(|name| index_of(name)).collect();
        take(migrate, &mut remove, &|alloc| indices.contains(&alloc.index()));
    }
    if remove > 0 {
        let highest = names.highest(remove);
        take(untainted, &mut remove, &|alloc| counted(alloc) && highest.contains(&alloc.name));
    }
    if remove > 0 {
        untainted.reverse();
        take(untainted, &mut remove, &|alloc| counted(alloc));
        untainted.reverse();
    }
    chosen
}

fn index_of(name: &str) -> Option<usize> {
    name.strip_suffix(']')?.rsplit_once('[')?.1.parse().ok()
}
