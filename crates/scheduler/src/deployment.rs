//! Watches a deployment: counts health, moves the progress deadline, promotes, fails, reverts.
//!
//! Input: the deployment, its job, the job's allocations, the time. Output: the deployment with fresh counters and what the
//! server has to do. Success is not decided here: the scheduler sees in an evaluation that nothing is left to do and puts it
//! into the plan; a [`DeploymentAction::Evaluate`] asks for that evaluation.

use baton_model::deployment::{Deployment, DeploymentState, DeploymentStatus, description};
use baton_model::{Allocation, Job, Timestamp};

use crate::reconcile::may_reschedule;

/// What the server does next.
#[derive(Clone, Debug, PartialEq)]
pub enum DeploymentAction {
    /// Set `DesiredTransition.Reschedule` on these allocations, then evaluate.
    Reschedule(Vec<String>),
    /// Make an evaluation of the job (trigger `deployment-watcher`).
    Evaluate,
    /// The canaries of all groups are promoted; the counters are in the deployment already. Clear the canary flag of these
    /// allocations, then evaluate.
    Promote { canaries: Vec<String> },
    /// The deployment failed; its status and description are set already. Evaluate afterwards.
    Fail,
    /// Register this version's specification again as a new version.
    Revert { version: u64 },
}

/// The outcome of one look.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentStep {
    /// As it is to be stored; equal to the input when nothing changed.
    pub deployment: Deployment,
    pub actions: Vec<DeploymentAction>,
    /// When to look again if nothing else happens.
    pub next_deadline: Option<Timestamp>,
}

/// Looks at a deployment. Call it whenever an allocation of the job changed, and at `next_deadline`. `job` is the version that
/// is rolled out, `allocs` are all of the job, `latest_stable` is the newest other version that is stable.
pub fn step(
    deployment: &Deployment,
    job: &Job,
    allocs: &[Allocation],
    now: Timestamp,
    latest_stable: Option<&Job>,
) -> DeploymentStep {
    let mut next = recount(deployment, allocs, now);
    if !next.status.is_active() {
        return DeploymentStep { deployment: next, actions: Vec::new(), next_deadline: None };
    }
    let mut actions = Vec::new();
    let paused = next.status == DeploymentStatus::Paused;

    if let Some(reason) = failure(&next, job, allocs, now, paused) {
        actions.extend(fail(&mut next, job, reason, latest_stable));
        return DeploymentStep { deployment: next, actions, next_deadline: None };
    }
    let rescheduled: Vec<String> = unhealthy(&next, allocs)
        .filter(|alloc| alloc.desired_transition.reschedule != Some(true))
        .map(|alloc| alloc.id.clone())
        .collect();
    if !rescheduled.is_empty() {
        actions.push(DeploymentAction::Reschedule(rescheduled));
    }
    if next.has_auto_promote() && canaries_healthy(&next, allocs) {
        actions.extend(promote_groups(&mut next, allocs, now, |_| true));
    }
    if actions.is_empty() && moved(deployment, &next) {
        actions.push(DeploymentAction::Evaluate);
    }
    let next_deadline = next_deadline(&next, paused);
    DeploymentStep { deployment: next, actions, next_deadline }
}

/// Promotes canaries by hand: all groups, or those named. Refused with a reason while a canary is not healthy.
pub fn promote(
    deployment: &Deployment,
    allocs: &[Allocation],
    groups: Option<&[String]>,
    now: Timestamp,
) -> Result<DeploymentStep, String> {
    let mut next = recount(deployment, allocs, now);
    if !next.status.is_active() {
        return Err(format!("deployment is {}", next.status.as_str()));
    }
    let wanted = |name: &str| groups.is_none_or(|groups| groups.iter().any(|group| group == name));
    for (name, state) in next.task_groups.iter().filter(|(name, _)| wanted(name)) {
        let healthy = healthy_canaries(&next.id, state, allocs);
        if state.desired_canaries > 0 && !state.promoted && healthy < state.desired_canaries {
            return Err(format!("task group {name:?} has {healthy}/{} healthy allocations", state.desired_canaries));
        }
    }
    let actions: Vec<_> = promote_groups(&mut next, allocs, now, wanted).into_iter().collect();
    if actions.is_empty() {
        return Err("no canaries to promote".to_owned());
    }
    let next_deadline = next_deadline(&next, false);
    Ok(DeploymentStep { deployment: next, actions, next_deadline })
}

/// Fails a deployment by an operator's word.
pub fn fail_by_user(deployment: &Deployment, job: &Job, latest_stable: Option<&Job>) -> DeploymentStep {
    let mut next = deployment.clone();
    let actions = fail(&mut next, job, description::FAILED_BY_USER, latest_stable);
    DeploymentStep { deployment: next, actions, next_deadline: None }
}

/// The deployment with counters as its allocations show them, and the progress deadline that follows.
pub fn recount(deployment: &Deployment, allocs: &[Allocation], now: Timestamp) -> Deployment {
    let mut next = deployment.clone();
    for (name, state) in &mut next.task_groups {
        let own = || allocs.iter().filter(|alloc| alloc.deployment_id == deployment.id && alloc.task_group == *name);
        let healthy = |alloc: &&Allocation| alloc.deployment_health() == Some(true) && !alloc.terminal();
        let before = state.healthy_allocs;
        state.placed_allocs = own().count() as i64;
        state.healthy_allocs = own().filter(healthy).count() as i64;
        state.unhealthy_allocs = own().filter(|alloc| alloc.deployment_health() == Some(false)).count() as i64;
        let mut canaries: Vec<&Allocation> = own().filter(|alloc| alloc.is_canary()).collect();
        canaries.sort_by_key(|alloc| (alloc.index(), &alloc.id));
        for canary in canaries {
            if !state.placed_canaries.contains(&canary.id) {
                state.placed_canaries.push(canary.id.clone());
            }
        }
        if state.progress_deadline.is_zero() || state.placed_allocs == 0 {
            continue;
        }
        if state.require_progress_by.is_never() {
            // Allocations that it took over in place are older than itself.
            let since = |alloc: &Allocation| alloc.create_time.max(deployment.create_time);
            let first = own().map(since).min().unwrap_or(now);
            state.require_progress_by = first.plus(state.progress_deadline);
        }
        if state.healthy_allocs > before {
            let newest = own()
                .filter(healthy)
                .filter_map(|alloc| alloc.deployment_status.as_ref().map(|status| status.timestamp))
                .max()
                .filter(|time| !time.is_never())
                .unwrap_or(now);
            state.require_progress_by = state.require_progress_by.max(newest.plus(state.progress_deadline));
        }
    }
    next
}

/// Why the deployment fails now, if it does.
fn failure(
    deployment: &Deployment,
    job: &Job,
    allocs: &[Allocation],
    now: Timestamp,
    paused: bool,
) -> Option<&'static str> {
    let hopeless = unhealthy(deployment, allocs).any(|alloc| {
        let state = &deployment.task_groups[&alloc.task_group];
        let group = job.group(&alloc.task_group);
        state.progress_deadline.is_zero() || !group.is_some_and(|group| may_reschedule(alloc, group))
    });
    if hopeless {
        return Some(description::FAILED_ALLOCATIONS);
    }
    let late = !paused
        && deployment.task_groups.values().any(|state| {
            due(state).is_some_and(|deadline| now >= deadline) && !satisfied(&deployment.id, state, allocs)
        });
    late.then_some(description::PROGRESS_DEADLINE)
}

/// Live allocations of the deployment that were reported unhealthy. One that merely could not take over is not among them:
/// its place is given back and tried again stop-first.
fn unhealthy<'a>(deployment: &'a Deployment, allocs: &'a [Allocation]) -> impl Iterator<Item = &'a Allocation> {
    allocs.iter().filter(|alloc| {
        alloc.deployment_id == deployment.id
            && deployment.task_groups.contains_key(&alloc.task_group)
            && alloc.deployment_health() == Some(false)
            && !alloc.server_terminal()
            && !alloc.succession_failed()
    })
}

fn due(state: &DeploymentState) -> Option<Timestamp> {
    (!state.progress_deadline.is_zero() && !state.require_progress_by.is_never()).then_some(state.require_progress_by)
}

/// The group has what it can get: all it wants, or canaries that wait for their promotion.
fn satisfied(deployment_id: &str, state: &DeploymentState, allocs: &[Allocation]) -> bool {
    if state.desired_canaries > 0 && !state.promoted {
        return healthy_canaries(deployment_id, state, allocs) >= state.desired_canaries;
    }
    state.healthy_allocs >= state.desired_total
}

fn healthy_canaries(deployment_id: &str, state: &DeploymentState, allocs: &[Allocation]) -> i64 {
    let healthy = |alloc: &&Allocation| {
        alloc.deployment_id == deployment_id
            && state.placed_canaries.contains(&alloc.id)
            && alloc.deployment_health() == Some(true)
            && !alloc.terminal()
    };
    allocs.iter().filter(healthy).count() as i64
}

fn canaries_healthy(deployment: &Deployment, allocs: &[Allocation]) -> bool {
    deployment
        .task_groups
        .values()
        .all(|state| healthy_canaries(&deployment.id, state, allocs) >= state.desired_canaries)
}

fn promote_groups(
    deployment: &mut Deployment,
    allocs: &[Allocation],
    now: Timestamp,
    wanted: impl Fn(&str) -> bool,
) -> Option<DeploymentAction> {
    let mut groups = Vec::new();
    for (name, state) in &mut deployment.task_groups {
        if state.desired_canaries > 0 && !state.promoted && wanted(name) {
            state.promoted = true;
            if !state.progress_deadline.is_zero() {
                state.require_progress_by = now.plus(state.progress_deadline);
            }
            groups.push(name.clone());
        }
    }
    if groups.is_empty() {
        return None;
    }
    if !deployment.requires_promotion() && deployment.status == DeploymentStatus::Running {
        deployment.status_description = description::RUNNING.to_owned();
    }
    let canaries = allocs
        .iter()
        .filter(|alloc| alloc.deployment_id == deployment.id && alloc.is_canary() && groups.contains(&alloc.task_group))
        .map(|alloc| alloc.id.clone())
        .collect();
    Some(DeploymentAction::Promote { canaries })
}

fn fail(deployment: &mut Deployment, job: &Job, reason: &str, latest_stable: Option<&Job>) -> Vec<DeploymentAction> {
    deployment.status = DeploymentStatus::Failed;
    let mut actions = vec![DeploymentAction::Fail];
    let reverts = deployment.task_groups.values().any(|state| state.auto_revert);
    deployment.status_description = match latest_stable {
        _ if !reverts => reason.to_owned(),
        None => format!("{reason} - no stable job version to auto revert to"),
        Some(stable) if stable.same_specification(job) => format!(
            "{reason} - not rolling back to stable job version {} as current job has same specification",
            stable.version
        ),
        Some(stable) => {
            actions.push(DeploymentAction::Revert { version: stable.version });
            format!("{reason} - rolling back to job version {}", stable.version)
        }
    };
    actions
}

/// Something happened that the scheduler should see.
fn moved(before: &Deployment, after: &Deployment) -> bool {
    after.task_groups.iter().any(|(name, state)| {
        before.task_groups.get(name).is_none_or(|old| {
            (old.healthy_allocs, old.unhealthy_allocs) != (state.healthy_allocs, state.unhealthy_allocs)
        })
    })
}

fn next_deadline(deployment: &Deployment, paused: bool) -> Option<Timestamp> {
    if paused {
        return None;
    }
    deployment.task_groups.values().filter_map(due).min()
}
