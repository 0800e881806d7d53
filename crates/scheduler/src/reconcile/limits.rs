//! How many allocations of a group may be replaced now.

use baton_model::{Allocation, TaskGroup};

use super::Current;

/// `busy`: something destructive or migrating is there. `canarying`: canaries are out and not promoted.
pub(super) fn limit(
    current: &Current<'_>,
    group: &TaskGroup,
    allocs: &[&Allocation],
    busy: bool,
    canarying: bool,
) -> usize {
    let count = usize::try_from(group.count).unwrap_or(0);
    let Some(update) = group.update.as_ref().filter(|update| !update.is_empty()) else { return count };
    if !busy {
        return count;
    }
    if current.held() || canarying {
        return 0;
    }
    let mut limit = usize::try_from(update.max_parallel).unwrap_or(0);
    for alloc in allocs.iter().filter(|alloc| current.has(alloc)) {
        match alloc.deployment_health() {
            Some(true) => {}
            // One that could not take over only gave its place back.
            _ if alloc.succession_failed() => {}
            Some(false) => return 0,
            None if alloc.terminal() => {}
            None => limit = limit.saturating_sub(1),
        }
    }
    limit
}
