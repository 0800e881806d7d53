//! Forgetting what is finished and old.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use baton_model::deployment::DeploymentStatus;
use baton_model::eval::EvalStatus;
use baton_model::node::NodeStatus;
use baton_model::{AllocClientStatus, Allocation, Deployment, Job, Nanos, Timestamp};

use crate::config::GcThresholds;
use crate::draft::Draft;
use crate::error::ServerError;
use crate::job::status::DEAD;

/// How much one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcAnswer {
    pub jobs: usize,
    pub evals: usize,
    pub allocs: usize,
    pub deployments: usize,
    pub nodes: usize,
}

pub(crate) fn collect(draft: &mut Draft, limits: &GcThresholds) -> Result<GcAnswer, ServerError> {
    let now = draft.now;
    let old = |since: Timestamp, limit: Duration| now.since(since) >= Nanos::from_std(limit);
    let mut answer = GcAnswer::default();

    // An allocation goes with its evaluation, and only when neither side wants it and nothing refers to it as the past of
    // something that runs.
    let kept: BTreeSet<String> = draft
        .allocs()
        .filter(|alloc| !alloc.terminal())
        .flat_map(|alloc| [alloc.previous_allocation.clone(), alloc.succeeds.clone()])
        .collect();
    let gone: Vec<String> = draft
        .allocs()
        .filter(|alloc| alloc.client_terminal() || draft.node(&alloc.node_id).is_none())
        .filter(|alloc| alloc.terminal() && !kept.contains(&alloc.id))
        .filter(|alloc| {
            let job = draft.job(&alloc.job_id);
            let batch = job.is_some_and(|job| job.job_type.is_batch() && !job.stop);
            // A running batch job knows by its finished allocations what is done.
            let needed = batch && job.is_some_and(|job| job.create_index <= alloc.create_index && job.status != "dead");
            !needed
                && !remembers(alloc, job, now)
                && old(alloc.modify_time, if batch { limits.batch_eval } else { limits.eval })
        })
        .map(|alloc| alloc.id.clone())
        .collect();
    for id in gone {
        draft.remove_alloc(&id);
        answer.allocs += 1;
    }

    let used: BTreeSet<String> =
        draft.allocs().flat_map(|alloc| [alloc.eval_id.clone(), alloc.followup_eval_id.clone()]).collect();
    let gone: Vec<String> = draft
        .evals()
        .filter(|eval| eval.status.is_terminal() && !used.contains(&eval.id))
        .filter(|eval| {
            let limit = if eval.job_type.is_batch() { limits.batch_eval } else { limits.eval };
            old(eval.modify_time, limit)
        })
        .map(|eval| eval.id.clone())
        .collect();
    for id in gone {
        draft.remove_eval(&id);
        answer.evals += 1;
    }

    let gone: Vec<String> = draft
        .deployments()
        .filter(|deployment| !deployment.status.is_active() && old(deployment.modify_time, limits.deployment))
        .filter(|deployment| draft.allocs_of_deployment(deployment).all(|alloc| alloc.terminal()))
        .filter(|deployment| !holds(deployment, draft.job(&deployment.job_id)))
        .map(|deployment| deployment.id.clone())
        .collect();
    for id in gone {
        draft.remove_deployment(&id);
        answer.deployments += 1;
    }

    let gone: Vec<String> = draft
        .jobs()
        .filter(|job| job.status == "dead" && (job.stop || !job.is_periodic() && !job.is_parameterized()))
        .filter(|job| old(newest_trace(draft, &job.id).max(job.submit_time), limits.job))
        .filter(|job| draft.allocs_of_job(&job.id).next().is_none())
        .filter(|job| draft.evals_of_job(&job.id).all(|eval| eval.status == EvalStatus::Complete))
        .map(|job| job.id.clone())
        .collect();
    for id in gone {
        let evals: Vec<String> = draft.evals_of_job(&id).map(|eval| eval.id.clone()).collect();
        for eval in evals {
            draft.remove_eval(&eval);
        }
        draft.remove_job(&id);
        answer.jobs += 1;
    }

    let gone: Vec<String> = draft
        .nodes()
        .filter(|node| node.status == NodeStatus::Down)
        .filter(|node| old(Timestamp(node.status_updated_at.saturating_mul(1_000_000_000)), limits.node))
        .filter(|node| draft.allocs_of_node(&node.id).all(|alloc| alloc.terminal()))
        .map(|node| node.id.clone())
        .collect();
    for id in gone {
        draft.remove_node(&id);
        answer.nodes += 1;
    }
    Ok(answer)
}

/// A failed deployment of the present version keeps it from being tried again by chance.
fn holds(deployment: &Deployment, job: Option<&Arc<Job>>) -> bool {
    deployment.status == DeploymentStatus::Failed
        && job.is_some_and(|job| {
            !job.stop && job.version == deployment.job_version && job.create_index == deployment.job_create_index
        })
}

/// A failed allocation that is not replaced yet says how often and when its job was rescheduled. Without it the job would
/// have all its attempts again.
fn remembers(alloc: &Allocation, job: Option<&Arc<Job>>, now: Timestamp) -> bool {
    let waits = alloc.client_status == AllocClientStatus::Failed
        && !alloc.server_terminal()
        && alloc.next_allocation.is_empty();
    let Some(job) = job.filter(|job| waits && !job.stop && job.status != DEAD) else { return false };
    let Some(policy) = job.group(&alloc.task_group).and_then(|group| group.reschedule_policy.as_ref()) else {
        return false;
    };
    if policy.unlimited || policy.attempts == 0 {
        return policy.unlimited;
    }
    let newest = alloc.reschedule_tracker.as_ref().and_then(|tracker| tracker.events.last());
    newest.is_none_or(|event| now.since(event.reschedule_time) <= policy.interval)
}

fn newest_trace(draft: &Draft, job_id: &str) -> Timestamp {
    draft.evals_of_job(job_id).map(|eval| eval.modify_time).max().unwrap_or(Timestamp::NEVER)
}
