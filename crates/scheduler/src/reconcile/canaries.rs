//! Canaries: allocations of the new version beside the old ones until somebody promotes them.

use std::collections::BTreeSet;

use baton_model::Allocation;
use baton_model::deployment::DeploymentState;

use super::names::Names;
use super::{Changes, Current, StopChange, description};

/// Takes the canaries out that nobody waits for: of earlier deployments that did not promote them, and of a failed one.
pub(super) fn stop_obsolete<'a>(
    current: &Current<'_>,
    state: &DeploymentState,
    allocs: Vec<&'a Allocation>,
    changes: &mut Changes<'a>,
) -> (Vec<&'a Allocation>, u64) {
    let mut stopped = 0;
    let kept = allocs
        .into_iter()
        .filter(|alloc| {
            let obsolete = alloc.is_canary()
                && !alloc.server_terminal()
                && (!current.has(alloc) || (current.failed() && !state.promoted));
            if obsolete {
                stopped += 1;
                changes.stops.push(StopChange { alloc, description: description::NOT_NEEDED, client_status: None });
            }
            !obsolete
        })
        .collect();
    (kept, stopped)
}

/// The ids of the present deployment's canaries.
pub(super) fn present<'a>(
    current: &Current<'_>,
    state: &DeploymentState,
    allocs: &[&'a Allocation],
) -> BTreeSet<&'a str> {
    allocs
        .iter()
        .filter(|alloc| current.has(alloc) && (alloc.is_canary() || state.placed_canaries.contains(&alloc.id)))
        .map(|alloc| alloc.id.as_str())
        .collect()
}

/// Names for `missing` canaries: those of the allocations that they will replace, then free ones. They stand beside the
/// others' names and take none of them away.
pub(super) fn names(
    missing: usize,
    destructive: &[&Allocation],
    canaries: &[&Allocation],
    names: &Names<'_>,
) -> Vec<String> {
    let taken: BTreeSet<&str> = canaries.iter().map(|alloc| alloc.name.as_str()).collect();
    let mut chosen: Vec<String> = destructive
        .iter()
        .map(|alloc| alloc.name.clone())
        .filter(|name| !taken.contains(name.as_str()))
        .take(missing)
        .collect();
    let mut names = names.clone();
    while chosen.len() < missing {
        chosen.push(names.next());
    }
    chosen
}
