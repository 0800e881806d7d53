//! Nodes that fall silent and come back: the `disconnect` block.

use baton_model::alloc::AllocState;
use baton_model::eval::{EvalStatus, trigger};
use baton_model::{AllocClientStatus, Allocation, Evaluation, Job, TaskGroup, Timestamp};

use super::description;
use crate::snapshot::Snapshot;

/// The field name in an allocation's recorded states.
const CLIENT_STATUS: &str = "client_status";

/// Which of an allocation and its replacement stays.
pub(super) enum Keep {
    Original,
    Replacement,
}

/// The allocation as it is kept while its node is silent.
pub(super) fn mark_unknown(alloc: &Allocation, followup: &str, now: Timestamp) -> Allocation {
    Allocation {
        client_status: AllocClientStatus::Unknown,
        client_description: description::UNKNOWN.to_owned(),
        followup_eval_id: followup.to_owned(),
        ..with_state(alloc, AllocClientStatus::Unknown, now)
    }
}

/// The allocation with its return on record.
pub(super) fn mark_reconnected(alloc: &Allocation, now: Timestamp) -> Allocation {
    Allocation { followup_eval_id: String::new(), ..with_state(alloc, alloc.client_status, now) }
}

fn with_state(alloc: &Allocation, status: AllocClientStatus, now: Timestamp) -> Allocation {
    let mut alloc = alloc.clone();
    let value = status.as_str().to_owned();
    alloc.alloc_states.push(AllocState { field: CLIENT_STATUS.to_owned(), value, time: now });
    alloc
}

/// The evaluation that declares silent allocations lost.
pub(super) fn timeout_eval(snapshot: &mut Snapshot<'_>, job: &Job, at: Timestamp) -> Evaluation {
    follow_up(snapshot, job, trigger::MAX_DISCONNECT_TIMEOUT, at)
}

/// An evaluation of this job that waits until `at`.
pub(super) fn follow_up(snapshot: &mut Snapshot<'_>, job: &Job, why: &str, at: Timestamp) -> Evaluation {
    Evaluation {
        id: (snapshot.ids)(),
        namespace: job.namespace.clone(),
        priority: job.priority,
        job_type: job.job_type,
        triggered_by: why.to_owned(),
        job_id: job.id.clone(),
        job_modify_index: job.modify_index,
        status: EvalStatus::Pending,
        wait_until: at,
        previous_eval: snapshot.eval.id.clone(),
        create_time: snapshot.now,
        modify_time: snapshot.now,
        ..Evaluation::default()
    }
}

/// Chooses between an allocation that came back and the one that stood in for it.
pub(super) fn choose(group: &TaskGroup, original: &Allocation, replacement: &Allocation) -> Keep {
    if original.client_terminal() {
        return Keep::Replacement;
    }
    if replacement.client_terminal() {
        return Keep::Original;
    }
    let rule = group.disconnect.as_ref().map_or("", |rules| rules.reconcile.as_str());
    let original_stays = match rule {
        "keep_original" => true,
        "keep_replacement" => false,
        "longest_running" => started(original) <= started(replacement),
        _ => score(original) >= score(replacement),
    };
    if original_stays { Keep::Original } else { Keep::Replacement }
}

/// The latest start of its tasks; an allocation that never ran started last.
fn started(alloc: &Allocation) -> Timestamp {
    let latest = alloc.task_states.values().map(|state| state.started_at).max().unwrap_or_default();
    if latest.is_never() { Timestamp(i64::MAX) } else { latest }
}

fn score(alloc: &Allocation) -> f64 {
    let own = alloc.metrics.score_meta.iter().find(|score| score.node_id == alloc.node_id);
    own.map_or(0.0, |score| score.norm_score)
}
