//! Failed allocations: which are placed anew, now or later, and what their successor remembers.

use std::collections::BTreeSet;

use baton_model::alloc::{RescheduleEvent, RescheduleTracker};
use baton_model::job::ReschedulePolicy;
use baton_model::{AllocClientStatus, Allocation, Nanos, TaskGroup, Timestamp};

/// What is due this soon is done now.
const DUE_SOON: Nanos = Nanos::secs(1);
/// How many events an unlimited policy remembers.
const UNLIMITED_EVENTS: usize = 5;

/// What to do about a failed allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Now,
    Later(Timestamp),
    /// Its attempts are used up, or somebody else decides.
    Never,
}

/// Decides for an allocation that failed and has no successor yet. `in_deployment`: the present deployment has it, so only
/// the deployment's watcher may ask for a replacement.
pub(super) fn when(alloc: &Allocation, group: &TaskGroup, eval_id: &str, in_deployment: bool, now: Timestamp) -> When {
    if alloc.desired_transition.force_reschedule == Some(true) {
        return When::Now;
    }
    let Some(policy) = group.reschedule_policy.as_ref().filter(|policy| policy.enabled()) else { return When::Never };
    if in_deployment && alloc.desired_transition.reschedule != Some(true) {
        return When::Never;
    }
    let failed_at = failed_at(alloc);
    if !eligible(alloc, policy, failed_at) {
        return When::Never;
    }
    let due = failed_at.plus(next_delay(alloc, policy, failed_at));
    if alloc.followup_eval_id == eval_id || due <= now.plus(DUE_SOON) { When::Now } else { When::Later(due) }
}

/// Attempts are left, so that a watcher may wait for a replacement.
pub(crate) fn may_reschedule(alloc: &Allocation, group: &TaskGroup) -> bool {
    group.reschedule_policy.as_ref().is_some_and(|policy| policy.enabled() && eligible(alloc, policy, failed_at(alloc)))
}

fn eligible(alloc: &Allocation, policy: &ReschedulePolicy, failed_at: Timestamp) -> bool {
    let recent = events(alloc).iter().filter(|event| failed_at.since(event.reschedule_time) < policy.interval);
    policy.unlimited || (recent.count() as i64) < policy.attempts
}

fn events(alloc: &Allocation) -> &[RescheduleEvent] {
    alloc.reschedule_tracker.as_ref().map_or(&[], |tracker| &tracker.events)
}

/// When the last task ended; the last change where no task ever ran. The client's clock says when; where that is off, the
/// server's own times bound it, so that nobody waits for hours or is tried again without a pause.
fn failed_at(alloc: &Allocation) -> Timestamp {
    let last = alloc.task_states.values().map(|state| state.finished_at).max().unwrap_or_default();
    if last.is_never() {
        return alloc.modify_time;
    }
    let last = if alloc.modify_time.is_never() { last } else { last.min(alloc.modify_time) };
    last.max(alloc.create_time)
}

fn next_delay(alloc: &Allocation, policy: &ReschedulePolicy, failed_at: Timestamp) -> Nanos {
    let events = events(alloc);
    let Some(last) = events.last() else { return policy.delay };
    let capped = |delay: Nanos| if policy.max_delay.is_zero() { delay } else { delay.min(policy.max_delay) };
    let grown = match policy.delay_function.as_str() {
        "exponential" => Nanos(last.delay.0.saturating_mul(2)),
        "fibonacci" => match events {
            [.., before, last] => Nanos(before.delay.0.saturating_add(last.delay.0)),
            _ => policy.delay,
        },
        _ => return policy.delay,
    };
    // It had reached the ceiling and then lived longer than that: the series starts again.
    let survived = failed_at.since(last.reschedule_time);
    if !policy.max_delay.is_zero() && last.delay >= policy.max_delay && survived > policy.max_delay {
        return policy.delay;
    }
    capped(grown)
}

/// What the replacement of `failed` remembers.
pub(crate) fn carried_tracker(failed: &Allocation, group: &TaskGroup, now: Timestamp) -> Option<RescheduleTracker> {
    let policy = group.reschedule_policy.as_ref()?;
    let mut kept: Vec<RescheduleEvent> = events(failed).to_vec();
    if policy.unlimited {
        let surplus = (kept.len() + 1).saturating_sub(UNLIMITED_EVENTS);
        kept.drain(..surplus.min(kept.len()));
    } else {
        kept.retain(|event| now.since(event.reschedule_time) < policy.interval);
    }
    kept.push(RescheduleEvent {
        reschedule_time: now,
        prev_alloc_id: failed.id.clone(),
        prev_node_id: failed.node_id.clone(),
        delay: next_delay(failed, policy, failed_at(failed)),
    });
    Some(RescheduleTracker { events: kept })
}

/// The nodes where this allocation and its predecessors failed.
pub(crate) fn failed_nodes(failed: &Allocation) -> BTreeSet<String> {
    let own = (failed.client_status == AllocClientStatus::Failed).then(|| failed.node_id.clone());
    events(failed).iter().map(|event| event.prev_node_id.clone()).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(function: &str, max_secs: i64) -> ReschedulePolicy {
        ReschedulePolicy {
            delay: Nanos::secs(10),
            delay_function: function.into(),
            max_delay: Nanos::secs(max_secs),
            unlimited: true,
            ..ReschedulePolicy::default()
        }
    }

    fn failed(delays: &[i64], at: i64) -> Allocation {
        let events = delays
            .iter()
            .map(|delay| RescheduleEvent {
                reschedule_time: Timestamp(1),
                delay: Nanos::secs(*delay),
                ..RescheduleEvent::default()
            })
            .collect();
        Allocation {
            client_status: AllocClientStatus::Failed,
            reschedule_tracker: Some(RescheduleTracker { events }),
            modify_time: Timestamp(at * 1_000_000_000),
            ..Allocation::default()
        }
    }

    #[test]
    fn delays_grow_as_their_function_says() {
        for (function, before, at, expected) in [
            ("constant", vec![10, 10], 5, 10),
            ("exponential", vec![10], 5, 20),
            ("exponential", vec![10, 20, 40], 5, 60),
            ("exponential", vec![10, 20, 60], 100, 10),
            ("exponential", vec![10, 20, 60], 30, 60),
            ("fibonacci", vec![10], 5, 10),
            ("fibonacci", vec![10, 10], 5, 20),
            ("fibonacci", vec![10, 20], 5, 30),
            ("fibonacci", vec![30, 50], 5, 60),
        ] {
            let alloc = failed(&before, at);
            let delay = next_delay(&alloc, &policy(function, 60), alloc.modify_time);
            assert_eq!(delay, Nanos::secs(expected), "{function} {before:?} {at}");
        }
    }

    #[test]
    fn attempts_within_the_interval_are_counted() {
        let limited =
            ReschedulePolicy { attempts: 2, interval: Nanos::secs(100), unlimited: false, ..policy("constant", 0) };
        let group = TaskGroup { reschedule_policy: Some(limited), ..TaskGroup::default() };
        assert!(may_reschedule(&failed(&[10], 50), &group));
        assert!(!may_reschedule(&failed(&[10, 10], 50), &group));
        assert!(may_reschedule(&failed(&[10, 10], 200), &group));
    }

    #[test]
    fn an_unlimited_tracker_keeps_the_last_five() {
        let group = TaskGroup { reschedule_policy: Some(policy("constant", 0)), ..TaskGroup::default() };
        let tracker = carried_tracker(&failed(&[1, 2, 3, 4, 5, 6], 5), &group, Timestamp(7)).unwrap();
        let delays: Vec<i64> = tracker.events.iter().map(|event| event.delay.0 / 1_000_000_000).collect();
        assert_eq!(delays, [3, 4, 5, 6, 10]);
    }
}
