//! The deployment of the job's present version: which one it is, whether a new one starts, when it is done.

use std::collections::BTreeMap;

use baton_model::deployment::{DeploymentState, DeploymentStatus, description};
use baton_model::plan::DeploymentUpdate;
use baton_model::{Allocation, Deployment, Job, TaskGroup};

use super::Changes;
use crate::snapshot::Snapshot;

/// The deployment that the job's present version has, if any.
pub(crate) struct Current<'a> {
    pub(crate) deployment: Option<&'a Deployment>,
}

impl<'a> Current<'a> {
    /// Cancels a deployment that belongs to another version or to a stopped job.
    pub(crate) fn of(job: Option<&Job>, latest: Option<&'a Deployment>, changes: &mut Changes<'_>) -> Self {
        let Some(latest) = latest else { return Self { deployment: None } };
        let obsolete = match job {
            None => Some(description::STOPPED_JOB),
            Some(job) if latest.job_version != job.version || latest.job_create_index != job.create_index => {
                Some(description::NEWER_JOB)
            }
            Some(_) => None,
        };
        if let Some(reason) = obsolete {
            if latest.status.is_active() {
                changes.deployment_updates.push(DeploymentUpdate {
                    deployment_id: latest.id.clone(),
                    status: DeploymentStatus::Cancelled,
                    status_description: reason.to_owned(),
                });
            }
            return Self { deployment: None };
        }
        let over = matches!(latest.status, DeploymentStatus::Successful | DeploymentStatus::Cancelled);
        Self { deployment: Some(latest).filter(|_| !over) }
    }

    pub(crate) fn failed(&self) -> bool {
        self.deployment.is_some_and(|deployment| deployment.status == DeploymentStatus::Failed)
    }

    /// Nobody may place or replace for it now.
    pub(crate) fn held(&self) -> bool {
        self.deployment.is_some_and(|deployment| {
            !matches!(deployment.status, DeploymentStatus::Running | DeploymentStatus::Initializing)
        })
    }

    pub(crate) fn group(&self, name: &str) -> Option<&'a DeploymentState> {
        self.deployment?.task_groups.get(name)
    }

    pub(crate) fn has(&self, alloc: &Allocation) -> bool {
        self.deployment.is_some_and(|deployment| deployment.id == alloc.deployment_id)
    }
}

/// The state of a group that joins a deployment.
pub(crate) fn new_state(group: &TaskGroup) -> DeploymentState {
    let Some(update) = &group.update else { return DeploymentState::default() };
    DeploymentState {
        auto_revert: update.auto_revert,
        auto_promote: update.auto_promote,
        progress_deadline: update.progress_deadline,
        ..DeploymentState::default()
    }
}

/// A group's state in the present deployment, or a fresh one; the flag says which.
pub(crate) fn copy_state(current: &Current<'_>, group: &TaskGroup) -> (DeploymentState, bool) {
    match current.group(&group.name) {
        Some(state) => (state.clone(), true),
        None => (new_state(group), false),
    }
}

/// Puts a group into the deployment that this evaluation starts.
pub(crate) fn join(
    draft: &mut Option<Deployment>,
    snapshot: &mut Snapshot<'_>,
    current: &Current<'_>,
    job: &Job,
    group: &TaskGroup,
    state: DeploymentState,
) {
    let deployment = draft.get_or_insert_with(|| match current.deployment {
        Some(running) => running.clone(),
        None => Deployment {
            id: (snapshot.ids)(),
            namespace: job.namespace.clone(),
            job_id: job.id.clone(),
            job_version: job.version,
            job_modify_index: job.modify_index,
            job_spec_modify_index: job.job_modify_index,
            job_create_index: job.create_index,
            task_groups: BTreeMap::new(),
            status: DeploymentStatus::Running,
            status_description: description::RUNNING.to_owned(),
            eval_priority: snapshot.eval.priority,
            create_time: snapshot.now,
            modify_time: snapshot.now,
            ..Deployment::default()
        },
    });
    deployment.task_groups.insert(group.name.clone(), state);
}

/// Hands the new deployment over, or ends the present one when every group has what it wants.
pub(crate) fn finish(current: &Current<'_>, draft: Option<Deployment>, complete: bool, changes: &mut Changes<'_>) {
    if let Some(mut deployment) = draft {
        if deployment.requires_promotion() {
            deployment.status_description = if deployment.has_auto_promote() {
                description::RUNNING_AUTO_PROMOTION
            } else {
                description::RUNNING_NEEDS_PROMOTION
            }
            .to_owned();
        }
        changes.deployment = Some(deployment);
    } else if let Some(deployment) = current.deployment
        && complete
        && deployment.status == DeploymentStatus::Running
    {
        changes.deployment_updates.push(DeploymentUpdate {
            deployment_id: deployment.id.clone(),
            status: DeploymentStatus::Successful,
            status_description: description::SUCCESSFUL.to_owned(),
        });
    }
}

/// Has the group what the deployment wants for it: enough healthy allocations, none that is still on its way, canaries
/// promoted?
pub(crate) fn group_complete(current: &Current<'_>, state: &DeploymentState, allocs: &[&Allocation]) -> bool {
    let own = || allocs.iter().filter(|alloc| current.has(alloc) && !alloc.server_terminal());
    let good = |alloc: &&&Allocation| alloc.deployment_health() == Some(true) && !alloc.client_terminal();
    let healthy = own().filter(good).count() as i64;
    healthy >= state.desired_total.max(state.desired_canaries)
        && healthy == own().count() as i64
        && (state.desired_canaries == 0 || state.promoted)
}
