//! Deployments: looked at whenever something of their job changes, and what operators ask of them.

use std::sync::Arc;

use baton_model::deployment::{Deployment, DeploymentStatus, description};
use baton_model::eval::trigger;
use baton_model::{Allocation, Evaluation, Job, Timestamp};
use baton_scheduler::deployment::{DeploymentAction, DeploymentStep};

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;
use crate::state::State;

/// The answer to anything that changes a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentAnswer {
    pub eval_id: String,
    pub eval_create_index: u64,
    pub deployment_modify_index: u64,
    pub reverted_job_version: Option<u64>,
}

/// Looks at the deployment of a job's current version, after something of the job changed or a deadline passed.
pub(crate) fn observe(draft: &mut Draft, job_id: &str, region: &str) -> Result<(), ServerError> {
    let Some(job) = draft.job(job_id).cloned() else { return Ok(()) };
    let Some(deployment) = draft.latest_deployment(job_id).cloned() else { return Ok(()) };
    if !current(&deployment, &job) {
        return Ok(());
    }
    let step = look(draft, &deployment, &job, draft.now);
    enact(draft, &deployment, step, region)?;
    Ok(())
}

/// Belongs to the version that is wanted now; others are cancelled by the scheduler.
fn current(deployment: &Deployment, job: &Job) -> bool {
    deployment.status.is_active()
        && !job.stop
        && deployment.job_version == job.version
        && deployment.job_create_index == job.create_index
}

fn look(state: &State, deployment: &Deployment, job: &Job, now: Timestamp) -> DeploymentStep {
    let stable = latest_stable(state, deployment);
    baton_scheduler::deployment::step(deployment, job, &allocs(state, &job.id), now, stable.as_deref())
}

fn allocs(state: &State, job_id: &str) -> Vec<Allocation> {
    state.allocs_of_job(job_id).map(|alloc| (**alloc).clone()).collect()
}

/// The newest version that was once healthy, other than the one being deployed.
fn latest_stable(state: &State, deployment: &Deployment) -> Option<Arc<Job>> {
    let record = state.job_record(&deployment.job_id)?;
    record.versions.iter().find(|job| job.stable && job.version != deployment.job_version).cloned()
}

/// When each running deployment is to be looked at again if nothing happens before.
pub(crate) fn deadlines(state: &State, now: Timestamp) -> Vec<(String, Timestamp)> {
    let mut deadlines = Vec::new();
    for deployment in state.open_deployments() {
        if let Some(job) = state.job(&deployment.job_id).filter(|job| current(deployment, job))
            && let Some(deadline) = look(state, deployment, job, now).next_deadline
        {
            deadlines.push((job.id.clone(), deadline));
        }
    }
    deadlines
}

/// Stores what a look led to.
fn enact(
    draft: &mut Draft,
    before: &Deployment,
    step: DeploymentStep,
    region: &str,
) -> Result<DeploymentAnswer, ServerError> {
    let DeploymentStep { deployment, actions, .. } = step;
    if deployment != *before {
        draft.put_deployment(deployment.clone(), "DeploymentStatusUpdate");
    }
    let mut answer = DeploymentAnswer { deployment_modify_index: draft.next_index(), ..DeploymentAnswer::default() };
    let mut wants_evaluation = false;
    for action in actions {
        match action {
            DeploymentAction::Evaluate | DeploymentAction::Fail => wants_evaluation = true,
            DeploymentAction::Reschedule(ids) => {
                wants_evaluation = true;
                for id in ids {
                    amend(draft, &id, |alloc| alloc.desired_transition.reschedule = Some(true));
                }
            }
            DeploymentAction::Promote { canaries } => {
                wants_evaluation = true;
                let index = draft.next_index();
                for id in canaries {
                    amend(draft, &id, |alloc| {
                        alloc.alloc_modify_index = index;
                        if let Some(status) = &mut alloc.deployment_status {
                            status.canary = false;
                        }
                    });
                }
            }
            DeploymentAction::Revert { version } => {
                let Some(target) = draft.job_version(&deployment.job_id, version).cloned() else { continue };
                crate::job::register::register_again(draft, &Job { stop: false, ..(*target).clone() }, region)?;
                answer.reverted_job_version = Some(version);
            }
        }
    }
    if wants_evaluation {
        let evaluated = evaluate(draft, &deployment);
        answer.eval_id = evaluated.eval_id;
        answer.eval_create_index = evaluated.eval_create_index;
    }
    Ok(answer)
}

fn amend(draft: &mut Draft, alloc_id: &str, change: impl FnOnce(&mut Allocation)) {
    let Some(alloc) = draft.alloc(alloc_id) else { return };
    let mut alloc = Allocation::clone(alloc);
    change(&mut alloc);
    draft.put_alloc(alloc, "AllocationUpdateDesiredStatus");
}

/// Gives a deployment a status; a success makes its job version the one to return to.
pub(crate) fn set_status(draft: &mut Draft, id: &str, status: DeploymentStatus, text: &str) {
    let Some(deployment) = draft.deployment(id) else { return };
    let deployment = Deployment { status, status_description: text.to_owned(), ..(**deployment).clone() };
    if status == DeploymentStatus::Successful {
        draft.set_stable(&deployment.job_id.clone(), deployment.job_version, true);
    }
    draft.put_deployment(deployment, "DeploymentStatusUpdate");
}

fn active(draft: &Draft, id: &str, verb: &str) -> Result<Deployment, ServerError> {
    let deployment = draft.deployment(id).ok_or_else(|| ServerError::not_found("deployment not found"))?;
    if !deployment.status.is_active() {
        return Err(ServerError::invalid(format!("can't {verb} terminal deployment")));
    }
    Ok((**deployment).clone())
}

/// An evaluation in the name of a deployment, and the answer that tells of it.
pub(crate) fn evaluate(draft: &mut Draft, deployment: &Deployment) -> DeploymentAnswer {
    let index = draft.next_index();
    let mut answer = DeploymentAnswer { deployment_modify_index: index, ..DeploymentAnswer::default() };
    if let Some(job) = draft.job(&deployment.job_id).cloned() {
        let eval =
            Evaluation { deployment_id: deployment.id.clone(), ..eval::of_job(&job, trigger::DEPLOYMENT_WATCHER) };
        answer.eval_id = eval.id.clone();
        answer.eval_create_index = index;
        draft.put_eval(eval);
    }
    answer
}

pub(crate) fn pause(draft: &mut Draft, id: &str, pause: bool) -> Result<DeploymentAnswer, ServerError> {
    let deployment = active(draft, id, if pause { "pause" } else { "resume" })?;
    let (status, text) = match (pause, deployment.has_auto_promote(), deployment.requires_promotion()) {
        (true, ..) => (DeploymentStatus::Paused, description::PAUSED),
        (false, true, _) => (DeploymentStatus::Running, description::RUNNING_AUTO_PROMOTION),
        (false, _, true) => (DeploymentStatus::Running, description::RUNNING_NEEDS_PROMOTION),
        _ => (DeploymentStatus::Running, description::RUNNING),
    };
    set_status(draft, id, status, text);
    if !pause && deployment.status == DeploymentStatus::Paused {
        restart_deadlines(draft, id);
    }
    if pause {
        let deployment_modify_index = draft.next_index();
        return Ok(DeploymentAnswer { deployment_modify_index, ..DeploymentAnswer::default() });
    }
    Ok(evaluate(draft, &deployment))
}

/// The time that a deployment was paused does not count as time without progress.
fn restart_deadlines(draft: &mut Draft, id: &str) {
    let Some(deployment) = draft.deployment(id) else { return };
    let mut deployment = Deployment::clone(deployment);
    for group in deployment.task_groups.values_mut().filter(|group| !group.require_progress_by.is_never()) {
        group.require_progress_by = group.require_progress_by.max(draft.now.plus(group.progress_deadline));
    }
    draft.put_deployment(deployment, "DeploymentStatusUpdate");
}

pub(crate) fn fail(draft: &mut Draft, id: &str, region: &str) -> Result<DeploymentAnswer, ServerError> {
    let deployment = active(draft, id, "fail")?;
    let job = draft.job(&deployment.job_id).cloned().ok_or_else(|| ServerError::not_found("job not found"))?;
    let stable = latest_stable(draft, &deployment);
    let step = baton_scheduler::deployment::fail_by_user(&deployment, &job, stable.as_deref());
    enact(draft, &deployment, step, region)
}

/// Promotes the canaries of `groups`, or of all.
pub(crate) fn promote(
    draft: &mut Draft,
    id: &str,
    groups: Option<&[String]>,
    region: &str,
) -> Result<DeploymentAnswer, ServerError> {
    let deployment = active(draft, id, "promote")?;
    let allocs = allocs(draft, &deployment.job_id);
    let step = baton_scheduler::deployment::promote(&deployment, &allocs, groups, draft.now);
    enact(draft, &deployment, step.map_err(ServerError::Invalid)?, region)
}

/// Says for a client which allocations are healthy (`health_check = "manual"`).
pub(crate) fn set_health(
    draft: &mut Draft,
    id: &str,
    healthy: &[String],
    unhealthy: &[String],
) -> Result<DeploymentAnswer, ServerError> {
    let deployment = active(draft, id, "set health of")?;
    let verdicts = healthy.iter().map(|id| (id, true)).chain(unhealthy.iter().map(|id| (id, false)));
    for (alloc_id, verdict) in verdicts {
        let alloc = draft.alloc(alloc_id).cloned();
        let Some(alloc) = alloc.filter(|alloc| alloc.deployment_id == deployment.id) else {
            return Err(ServerError::invalid(format!("alloc {alloc_id:?} is not part of deployment {id:?}")));
        };
        let mut alloc = (*alloc).clone();
        let now = draft.now;
        let status = alloc.deployment_status.get_or_insert_default();
        status.healthy = Some(verdict);
        status.timestamp = now;
        draft.put_alloc(alloc, "AllocationUpdated");
    }
    Ok(evaluate(draft, &deployment))
}
