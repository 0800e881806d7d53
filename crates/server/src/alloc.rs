//! Allocations after they were placed: what clients report, what operators ask.

use std::collections::BTreeMap;

use baton_model::alloc::{AllocDeploymentStatus, NetworkStatus};
use baton_model::eval::trigger;
use baton_model::task::TaskState;
use baton_model::{AllocClientStatus, Allocation, Evaluation, Timestamp};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;

/// Most reports accepted in one request.
pub const UPDATES_MAX: usize = 1024;

/// What a client may say about an allocation. Nothing else of it changes by a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AllocReport {
    #[serde(rename = "ID")]
    pub id: String,
    pub client_status: AllocClientStatus,
    pub client_description: String,
    pub task_states: BTreeMap<String, TaskState>,
    pub deployment_status: Option<AllocDeploymentStatus>,
    pub network_status: Option<NetworkStatus>,
    /// Baton: the task stored its listeners and can hand them to a successor.
    pub handover: bool,
    /// Baton: every task re-reads its whole configuration when it is told to.
    pub reload_full: bool,
}

impl From<&Allocation> for AllocReport {
    fn from(alloc: &Allocation) -> Self {
        Self {
            id: alloc.id.clone(),
            client_status: alloc.client_status,
            client_description: alloc.client_description.clone(),
            task_states: alloc.task_states.clone(),
            deployment_status: alloc.deployment_status.clone(),
            network_status: alloc.network_status.clone(),
            handover: alloc.handover,
            reload_full: alloc.reload_full,
        }
    }
}

/// Takes the reports of one node. Reports about allocations that are gone, or not of this node, are passed over.
pub(crate) fn report(draft: &mut Draft, node_id: &str, reports: Vec<AllocReport>) -> Result<(), ServerError> {
    if draft.node(node_id).is_none() {
        return Err(ServerError::not_found("node not found"));
    }
    if reports.len() > UPDATES_MAX {
        return Err(ServerError::invalid(format!(
            "{} reports in one request, the limit is {UPDATES_MAX}",
            reports.len()
        )));
    }
    let mut evaluate: BTreeMap<String, &'static str> = BTreeMap::new();
    for report in reports {
        let Some(old) = draft.alloc(&report.id).cloned() else { continue };
        if old.node_id != node_id {
            continue;
        }
        let alloc = merge(&old, report, draft.now);
        if alloc == *old {
            continue;
        }
        if !old.client_terminal() && alloc.client_terminal() && !alloc.server_terminal() && wants_replacement(&alloc) {
            evaluate.insert(alloc.job_id.clone(), trigger::ALLOC_FAILURE);
        }
        if old.client_status == AllocClientStatus::Unknown && alloc.client_status == AllocClientStatus::Running {
            evaluate.insert(alloc.job_id.clone(), trigger::RECONNECT);
        }
        let watched = draft.deployment(&alloc.deployment_id).is_some_and(|one| one.status.is_active());
        if !watched && took_over(&alloc) && !took_over(&old) {
            evaluate.insert(alloc.job_id.clone(), trigger::ALLOC_STOP);
        }
        draft.put_alloc(alloc, "AllocationUpdated");
    }
    for (job_id, why) in evaluate {
        eval::create(draft, &job_id, why);
    }
    Ok(())
}

fn merge(old: &Allocation, report: AllocReport, now: Timestamp) -> Allocation {
    let mut alloc = old.clone();
    alloc.client_status = report.client_status;
    alloc.client_description = report.client_description;
    alloc.task_states = report.task_states;
    alloc.network_status = report.network_status.or(alloc.network_status);
    alloc.handover = report.handover;
    alloc.reload_full = report.reload_full;
    if let Some(reported) = report.deployment_status.filter(|reported| reported.healthy.is_some()) {
        let canary = old.is_canary();
        let status = alloc.deployment_status.get_or_insert_default();
        if status.healthy != reported.healthy {
            status.healthy = reported.healthy;
            // Deadlines are counted from it: a client's clock may be off.
            status.timestamp = now;
        }
        status.canary = canary;
    }
    alloc
}

/// A successor is healthy, or has the listeners where nobody judges its health: its predecessor may end. A running
/// deployment sees that by itself.
fn took_over(alloc: &Allocation) -> bool {
    let runs = alloc.deployment_id.is_empty() && alloc.client_status == AllocClientStatus::Running && alloc.handover;
    !alloc.succeeds.is_empty() && (runs || alloc.deployment_health() == Some(true))
}

/// A finished batch task is done; anything else that ended is missed.
fn wants_replacement(alloc: &Allocation) -> bool {
    let batch = alloc.job.as_ref().is_some_and(|job| job.job_type.is_batch());
    !(batch && alloc.client_status == AllocClientStatus::Complete)
}

/// `alloc stop`: its place is taken by another one.
pub(crate) fn stop(draft: &mut Draft, alloc_id: &str, no_shutdown_delay: bool) -> Result<Evaluation, ServerError> {
    let mut alloc = Allocation::clone(draft.alloc(alloc_id).ok_or_else(|| ServerError::not_found("alloc not found"))?);
    alloc.desired_transition.migrate = Some(true);
    if no_shutdown_delay {
        alloc.desired_transition.no_shutdown_delay = Some(true);
    }
    let job = draft.job(&alloc.job_id).cloned().or_else(|| alloc.job.clone());
    let job = job.ok_or_else(|| ServerError::not_found("job not found"))?;
    draft.put_alloc(alloc, "AllocationUpdateDesiredStatus");
    let eval = eval::of_job(&job, trigger::ALLOC_STOP);
    draft.put_eval(eval.clone());
    Ok(eval)
}
