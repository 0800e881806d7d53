//! What a plan makes of the allocations when it is committed.
//!
//! The server writes the same into its store; the checker and the tests use this form.

use baton_model::plan::Plan;
use baton_model::{AllocDesiredStatus, Allocation, Timestamp};

/// Applies stops, placements, in-place changes and annotations.
///
/// A stop with `after` leaves the old allocation wanted: its client ends it once the successor is proven. An annotation
/// carries only the server's bookkeeping: follow-up evaluation, `unknown` status, recorded states. Each placement is entered
/// in its predecessor as `next_allocation`.
pub fn commit(allocs: &mut Vec<Allocation>, plan: &Plan, now: Timestamp) {
    for stop in plan.stops.iter().filter(|stop| stop.after.is_none()) {
        if let Some(alloc) = find(allocs, &stop.alloc_id) {
            alloc.desired_status = AllocDesiredStatus::Stop;
            alloc.desired_description.clone_from(&stop.description);
            if let Some(status) = stop.client_status {
                alloc.client_status = status;
            }
            alloc.followup_eval_id.clone_from(&stop.followup_eval_id);
            alloc.modify_time = now;
        }
    }
    for updated in &plan.in_place {
        if let Some(alloc) = find(allocs, &updated.id) {
            *alloc = updated.clone();
        }
    }
    for annotated in &plan.annotations {
        if let Some(alloc) = find(allocs, &annotated.id) {
            alloc.followup_eval_id.clone_from(&annotated.followup_eval_id);
            alloc.client_status = annotated.client_status;
            alloc.client_description.clone_from(&annotated.client_description);
            alloc.alloc_states.clone_from(&annotated.alloc_states);
            alloc.modify_time = now;
        }
    }
    for placed in &plan.placements {
        if let Some(previous) = find(allocs, &placed.previous_allocation) {
            previous.next_allocation.clone_from(&placed.id);
        }
        allocs.push(placed.clone());
    }
}

fn find<'a>(allocs: &'a mut [Allocation], id: &str) -> Option<&'a mut Allocation> {
    allocs.iter_mut().find(|alloc| alloc.id == id)
}
