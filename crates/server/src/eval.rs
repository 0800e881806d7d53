//! Evaluations: made for a reason, processed one after the other, blocked until there is room.

use std::sync::Arc;

use baton_model::eval::{EvalStatus, trigger};
use baton_model::plan::Plan;
use baton_model::{AllocDesiredStatus, Allocation, Evaluation, Job, JobType, Timestamp};

use crate::draft::Draft;
use crate::error::ServerError;
use crate::job::runs_itself;
use crate::planner;
use crate::state::State;

/// The text of an evaluation that was superseded by a newer blocked one.
const SUPERSEDED: &str = "cancelled because a newer evaluation of the job waits";

/// A pending evaluation of `job`, not yet stored.
pub(crate) fn of_job(job: &Job, triggered_by: &str) -> Evaluation {
    Evaluation {
        id: crate::id::new(),
        namespace: job.namespace.clone(),
        priority: job.priority,
        job_type: job.job_type,
        triggered_by: triggered_by.to_owned(),
        job_id: job.id.clone(),
        job_modify_index: job.modify_index,
        status: EvalStatus::Pending,
        ..Evaluation::default()
    }
}

/// Stores a pending evaluation of a job by id; nothing when the job is gone.
pub(crate) fn create(draft: &mut Draft, job_id: &str, triggered_by: &str) -> Option<Evaluation> {
    let job = draft.job(job_id)?;
    let eval = of_job(job, triggered_by);
    draft.put_eval(eval.clone());
    Some(eval)
}

/// Evaluations for everything that a change of a node concerns: jobs with allocations on it, and system jobs.
pub(crate) fn create_for_node(draft: &mut Draft, node_id: &str, triggered_by: &str) -> Vec<String> {
    let mut jobs: Vec<String> = draft
        .allocs_of_node(node_id)
        .filter(|alloc| !alloc.terminal() || alloc.client_status == baton_model::AllocClientStatus::Unknown)
        .map(|alloc| alloc.job_id.clone())
        .collect();
    let everywhere = |job: &&Arc<Job>| job.job_type.is_system() && !job.stop && runs_itself(job);
    jobs.extend(draft.jobs().filter(everywhere).map(|job| job.id.clone()));
    jobs.sort();
    jobs.dedup();
    let node_modify_index = draft.node(node_id).map_or(0, |node| node.modify_index);
    let mut ids = Vec::new();
    for job_id in jobs {
        let eval = draft.job(&job_id).map_or_else(
            || Evaluation {
                id: crate::id::new(),
                namespace: "default".to_owned(),
                priority: 50,
                job_type: JobType::Service,
                triggered_by: triggered_by.to_owned(),
                job_id: job_id.clone(),
                ..Evaluation::default()
            },
            |job| of_job(job, triggered_by),
        );
        ids.push(eval.id.clone());
        draft.put_eval(Evaluation { node_id: node_id.to_owned(), node_modify_index, ..eval });
    }
    ids
}

/// The evaluation to process next: due, most important first, then oldest.
pub(crate) fn next_due(state: &State, now: Timestamp) -> Option<String> {
    state
        .open_evals()
        .filter(|eval| eval.status == EvalStatus::Pending && eval.wait_until <= now)
        .min_by_key(|eval| (-eval.priority, eval.create_index, eval.job_id.clone(), eval.id.clone()))
        .map(|eval| eval.id.clone())
}

/// When the next waiting evaluation is due.
pub(crate) fn next_deadline(state: &State) -> Option<Timestamp> {
    state.open_evals().filter(|eval| eval.status == EvalStatus::Pending).map(|eval| eval.wait_until).min()
}

/// There is room again: blocked evaluations become pending.
pub(crate) fn unblock(draft: &mut Draft) {
    let blocked: Vec<_> = draft.open_evals().filter(|eval| eval.status == EvalStatus::Blocked).cloned().collect();
    for eval in blocked {
        draft.put_eval(Evaluation { status: EvalStatus::Pending, ..(*eval).clone() });
    }
}

/// Takes every evaluation of a job that has not run yet out of the way.
pub(crate) fn cancel_blocked(draft: &mut Draft, job_id: &str, but: Option<&str>, why: &str) {
    let blocked: Vec<_> = draft
        .evals_of_job(job_id)
        .filter(|eval| eval.status == EvalStatus::Blocked && Some(eval.id.as_str()) != but)
        .cloned()
        .collect();
    for eval in blocked {
        draft.put_eval(Evaluation {
            status: EvalStatus::Canceled,
            status_description: why.to_owned(),
            ..(*eval).clone()
        });
    }
}

/// Runs the scheduler for one evaluation and stores what it decided, in the same command.
///
/// The scheduler works on the draft itself, so a plan can never be stale.
pub(crate) fn process(draft: &mut Draft, eval_id: &str) -> Result<(), ServerError> {
    let Some(eval) = draft.eval(eval_id).cloned() else { return Ok(()) };
    if eval.status != EvalStatus::Pending {
        return Ok(());
    }
    let plan = planner::plan(draft, draft.job(&eval.job_id).map(|job| &**job), &eval, draft.now);
    let mut done = (*eval).clone();
    done.snapshot_index = draft.next_index() - 1;
    done.status = plan.eval_outcome.status;
    done.status_description = plan.eval_outcome.status_description.clone();
    done.deployment_id = plan.eval_outcome.deployment_id.clone();
    done.blocked_eval = plan.eval_outcome.blocked_eval.clone();
    done.failed_tg_allocs = plan.failed.clone();
    done.queued_allocations = plan.queued.clone();
    if let Some(later) = plan.follow_ups.iter().find(|eval| eval.status == EvalStatus::Pending) {
        done.next_eval = later.id.clone();
    }
    let satisfied = plan.failed.is_empty();
    apply(draft, plan);
    draft.put_eval(done);
    if satisfied {
        cancel_blocked(draft, &eval.job_id, None, "");
    }
    Ok(())
}

/// The scheduler itself failed on an evaluation: it must not be tried for ever.
pub(crate) fn fail(draft: &mut Draft, eval_id: &str, why: &str) -> Result<(), ServerError> {
    if let Some(eval) = draft.eval(eval_id).cloned() {
        draft.put_eval(Evaluation {
            status: EvalStatus::Failed,
            status_description: why.to_owned(),
            ..(*eval).clone()
        });
    }
    Ok(())
}

/// Stores a plan.
fn apply(draft: &mut Draft, plan: Plan) {
    let index = draft.next_index();
    if let Some(deployment) = plan.deployment {
        draft.put_deployment(deployment, "DeploymentStatusUpdate");
    }
    for update in plan.deployment_updates {
        crate::deployment::set_status(draft, &update.deployment_id, update.status, &update.status_description);
    }
    for stop in plan.stops {
        let Some(old) = draft.alloc(&stop.alloc_id).cloned() else { continue };
        if stop.after.is_some() {
            // Both run until the successor is proven; a later plan has the plain stop.
            continue;
        }
        let mut alloc = Allocation {
            desired_status: AllocDesiredStatus::Stop,
            desired_description: stop.description,
            alloc_modify_index: index,
            ..(*old).clone()
        };
        if !stop.followup_eval_id.is_empty() {
            alloc.followup_eval_id = stop.followup_eval_id;
        }
        if let Some(status) = stop.client_status {
            alloc.client_status = status;
        }
        draft.put_alloc(alloc, "AllocationUpdated");
    }
    for alloc in plan.placements {
        if !alloc.previous_allocation.is_empty()
            && let Some(previous) = draft.alloc(&alloc.previous_allocation).cloned()
        {
            draft.put_alloc(
                Allocation { next_allocation: alloc.id.clone(), ..(*previous).clone() },
                "AllocationUpdated",
            );
        }
        draft.put_alloc(Allocation { create_index: 0, alloc_modify_index: index, ..alloc }, "AllocationCreated");
    }
    for alloc in plan.in_place {
        draft.put_alloc(Allocation { alloc_modify_index: index, ..alloc }, "AllocationUpdated");
    }
    // Only the bookkeeping: the same plan may have stopped or replaced it.
    for noted in plan.annotations {
        let Some(alloc) = draft.alloc(&noted.id).cloned() else { continue };
        let alloc = Allocation {
            followup_eval_id: noted.followup_eval_id,
            client_status: noted.client_status,
            client_description: noted.client_description,
            alloc_states: noted.alloc_states,
            alloc_modify_index: index,
            ..(*alloc).clone()
        };
        draft.put_alloc(alloc, "AllocationUpdated");
    }
    for eval in plan.follow_ups {
        if eval.status == EvalStatus::Blocked {
            cancel_blocked(draft, &eval.job_id, Some(&eval.id), SUPERSEDED);
        }
        draft.put_eval(Evaluation { create_index: 0, ..eval });
    }
}

/// Asks for one look at a job (`job eval`).
pub(crate) fn request(draft: &mut Draft, job_id: &str, force_reschedule: bool) -> Result<Evaluation, ServerError> {
    let job = draft.job(job_id).cloned().ok_or_else(|| ServerError::not_found("job not found"))?;
    if job.is_periodic() {
        return Err(ServerError::invalid("can't evaluate periodic job"));
    }
    if job.is_parameterized() {
        return Err(ServerError::invalid("can't evaluate parameterized job"));
    }
    if force_reschedule {
        let failed: Vec<_> = draft
            .allocs_of_job(job_id)
            .filter(|alloc| alloc.client_status == baton_model::AllocClientStatus::Failed && !alloc.server_terminal())
            .cloned()
            .collect();
        for alloc in failed {
            let mut alloc = (*alloc).clone();
            alloc.desired_transition.force_reschedule = Some(true);
            draft.put_alloc(alloc, "AllocationUpdateDesiredStatus");
        }
    }
    let eval = of_job(&job, trigger::JOB_REGISTER);
    draft.put_eval(eval.clone());
    Ok(eval)
}
