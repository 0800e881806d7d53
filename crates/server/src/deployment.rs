//! Deployments: their counters, and what operators ask of them.

use std::collections::BTreeSet;

use baton_model::deployment::{Deployment, DeploymentStatus, description};
use baton_model::eval::trigger;
use baton_model::{Allocation, Evaluation};

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;

/// The answer to anything that changes a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentAnswer {
    pub eval_id: String,
    pub eval_create_index: u64,
    pub deployment_modify_index: u64,
    pub reverted_job_version: Option<u64>,
}

/// Keeps a deployment's counters in step with one of its allocations. Called for every allocation that is stored.
pub(crate) fn count(draft: &mut Draft, old: Option<&Allocation>, new: &Allocation) {
    if new.deployment_id.is_empty() {
        return;
    }
    let Some(deployment) = draft.deployment(&new.deployment_id) else { return };
    let mut deployment = Deployment::clone(deployment);
    let now = draft.now;
    let Some(group) = deployment.task_groups.get_mut(&new.task_group) else { return };
    let before = old.filter(|old| old.deployment_id == new.deployment_id);
    let was = before.and_then(Allocation::deployment_health);
    let is = new.deployment_health();
    let placed = before.is_none();
    let canary = new.is_canary() && !group.placed_canaries.contains(&new.id);
    if !placed && was == is && !canary {
        return;
    }
    if placed {
        group.placed_allocs += 1;
        if group.require_progress_by.is_never() && group.progress_deadline.0 > 0 {
            group.require_progress_by = now.plus(group.progress_deadline);
        }
    }
    if canary {
        group.placed_canaries.push(new.id.clone());
    }
    let counted = |health: Option<bool>, value: bool| i64::from(health == Some(value));
    group.healthy_allocs += counted(is, true) - counted(was, true);
    group.unhealthy_allocs += counted(is, false) - counted(was, false);
    if is == Some(true) && was != Some(true) && group.progress_deadline.0 > 0 {
        let healthy_at = new.deployment_status.as_ref().map_or(now, |status| status.timestamp);
        group.require_progress_by = group.require_progress_by.max(healthy_at.plus(group.progress_deadline));
    }
    draft.put_deployment(deployment, "DeploymentAllocHealth");
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
    if pause {
        let deployment_modify_index = draft.next_index();
        return Ok(DeploymentAnswer { deployment_modify_index, ..DeploymentAnswer::default() });
    }
    Ok(evaluate(draft, &deployment))
}

pub(crate) fn fail(draft: &mut Draft, id: &str, region: &str) -> Result<DeploymentAnswer, ServerError> {
    let deployment = active(draft, id, "fail")?;
    let reverts = deployment.task_groups.values().any(|group| group.auto_revert);
    fail_with(draft, &deployment, description::FAILED_BY_USER, reverts, region)
}

/// Fails a deployment; with `reverts` the newest stable version is registered again.
pub(crate) fn fail_with(
    draft: &mut Draft,
    deployment: &Deployment,
    why: &str,
    reverts: bool,
    region: &str,
) -> Result<DeploymentAnswer, ServerError> {
    if !reverts {
        set_status(draft, &deployment.id, DeploymentStatus::Failed, why);
        return Ok(evaluate(draft, deployment));
    }
    let current = draft.job(&deployment.job_id).cloned();
    let stable = draft.job_record(&deployment.job_id).and_then(|record| {
        record.versions.iter().find(|job| job.stable && job.version != deployment.job_version).cloned()
    });
    let (text, target) = match (current, stable) {
        (Some(current), Some(stable)) if stable.same_specification(&current) => (
            format!(
                "{why} - not rolling back to stable job version {} as current job has same specification",
                stable.version
            ),
            None,
        ),
        (Some(_), Some(stable)) => (format!("{why} - rolling back to job version {}", stable.version), Some(stable)),
        _ => (format!("{why} - no stable job version to auto revert to"), None),
    };
    set_status(draft, &deployment.id, DeploymentStatus::Failed, &text);
    let Some(target) = target else { return Ok(evaluate(draft, deployment)) };
    let reverted_job_version = Some(target.version);
    crate::job::register::register_again(draft, &target, region)?;
    Ok(DeploymentAnswer { reverted_job_version, ..evaluate(draft, deployment) })
}

/// Promotes the canaries of `groups`, or of all.
pub(crate) fn promote(draft: &mut Draft, id: &str, groups: Option<&[String]>) -> Result<DeploymentAnswer, ServerError> {
    let mut deployment = active(draft, id, "promote")?;
    let chosen = |name: &str| groups.is_none_or(|groups| groups.iter().any(|group| group == name));
    let now = draft.now;
    let mut canaries: BTreeSet<String> = BTreeSet::new();
    let mut short = Vec::new();
    for (name, group) in deployment.task_groups.iter().filter(|(name, _)| chosen(name)) {
        if group.desired_canaries == 0 || group.promoted {
            continue;
        }
        let healthy = group.placed_canaries.iter().filter(|id| {
            draft.alloc(id).is_some_and(|alloc| !alloc.terminal() && alloc.deployment_health() == Some(true))
        });
        let healthy = i64::try_from(healthy.count()).unwrap_or(i64::MAX);
        if healthy < group.desired_canaries {
            short.push(format!("Task group {name:?} has {healthy}/{} healthy allocations", group.desired_canaries));
        }
        canaries.extend(group.placed_canaries.iter().cloned());
    }
    if !short.is_empty() {
        return Err(ServerError::invalid(short.join("; ")));
    }
    if canaries.is_empty() {
        return Err(ServerError::invalid("no canaries to promote"));
    }
    for (_, group) in deployment.task_groups.iter_mut().filter(|(name, _)| chosen(name)) {
        if group.desired_canaries > 0 {
            group.promoted = true;
            if group.progress_deadline.0 > 0 {
                group.require_progress_by = now.plus(group.progress_deadline);
            }
        }
    }
    deployment.status_description = if deployment.requires_promotion() {
        description::RUNNING_NEEDS_PROMOTION.to_owned()
    } else {
        description::RUNNING.to_owned()
    };
    draft.put_deployment(deployment.clone(), "DeploymentPromotion");
    for id in canaries {
        if let Some(alloc) = draft.alloc(&id).cloned() {
            let mut alloc = (*alloc).clone();
            if let Some(status) = &mut alloc.deployment_status {
                status.canary = false;
            }
            alloc.alloc_modify_index = draft.next_index();
            draft.put_alloc(alloc, "AllocationUpdateDesiredStatus");
        }
    }
    Ok(evaluate(draft, &deployment))
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
