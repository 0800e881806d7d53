//! The short forms of things in lists.

use baton_model::{Allocation, Evaluation, Job, Node};
use baton_server::State;
use serde::Serialize;
use serde_json::{Value, json};

/// The model's types have string keys only, so encoding them cannot fail; `null` would be the visible sign of a defect.
pub(crate) fn value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

pub(crate) fn job(state: &State, job: &Job, with_meta: bool) -> Value {
    let mut stub = json!({
        "ID": job.id,
        "ParentID": job.parent_id,
        "Name": job.name,
        "Namespace": job.namespace,
        "Datacenters": job.datacenters,
        "NodePool": job.node_pool,
        "Multiregion": job.multiregion,
        "Type": job.job_type,
        "Priority": job.priority,
        "Periodic": job.is_periodic(),
        "ParameterizedJob": job.parameterized.is_some(),
        "Stop": job.stop,
        "Status": job.status,
        "StatusDescription": job.status_description,
        "JobSummary": state.summary(job),
        "CreateIndex": job.create_index,
        "ModifyIndex": job.modify_index,
        "JobModifyIndex": job.job_modify_index,
        "SubmitTime": job.submit_time,
        "Version": job.version,
    });
    if with_meta {
        stub["Meta"] = value(&job.meta);
    }
    stub
}

/// What a list of nodes shows besides the usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NodeExtras {
    pub os: bool,
    pub resources: bool,
}

pub(crate) fn node(node: &Node, extras: NodeExtras) -> Value {
    let address = node.http_addr.rsplit_once(':').map_or_else(
        || node.node_resources.networks.first().map_or_else(String::new, |network| network.ip.clone()),
        |(host, _)| host.trim_matches(['[', ']']).to_owned(),
    );
    let mut stub = json!({
        "ID": node.id,
        "Attributes": {},
        "Address": address,
        "Datacenter": node.datacenter,
        "Name": node.name,
        "NodeClass": node.node_class,
        "NodePool": node.node_pool,
        "Version": node.attributes.get("nomad.version").cloned().unwrap_or_default(),
        "Drain": node.drain_strategy.is_some(),
        "SchedulingEligibility": node.scheduling_eligibility,
        "Status": node.status,
        "StatusDescription": node.status_description,
        "Drivers": node.drivers,
        "HostVolumes": node.host_volumes,
        "LastDrain": node.last_drain,
        "CreateIndex": node.create_index,
        "ModifyIndex": node.modify_index,
    });
    if extras.os {
        let attributes = node.attributes.iter().filter(|(name, _)| name.starts_with("os."));
        stub["Attributes"] = attributes.map(|(name, text)| (name.clone(), json!(text))).collect();
    }
    if extras.resources {
        stub["NodeResources"] = value(&node.node_resources);
        stub["ReservedResources"] = value(&node.reserved_resources);
    }
    stub
}

/// What a list of allocations shows besides the usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AllocExtras {
    pub resources: bool,
    pub no_task_states: bool,
}

pub(crate) fn alloc(alloc: &Allocation, extras: AllocExtras) -> Value {
    let job = alloc.job.as_deref();
    let mut stub = json!({
        "ID": alloc.id,
        "EvalID": alloc.eval_id,
        "Name": alloc.name,
        "Namespace": alloc.namespace,
        "NodeID": alloc.node_id,
        "NodeName": alloc.node_name,
        "JobID": alloc.job_id,
        "JobType": job.map(|job| job.job_type).unwrap_or_default(),
        "JobVersion": job.map_or(0, |job| job.version),
        "TaskGroup": alloc.task_group,
        "DesiredStatus": alloc.desired_status,
        "DesiredDescription": alloc.desired_description,
        "ClientStatus": alloc.client_status,
        "ClientDescription": alloc.client_description,
        "DesiredTransition": alloc.desired_transition,
        "TaskStates": alloc.task_states,
        "DeploymentStatus": alloc.deployment_status,
        "FollowupEvalID": alloc.followup_eval_id,
        "NextAllocation": alloc.next_allocation,
        "RescheduleTracker": alloc.reschedule_tracker,
        "PreemptedAllocations": alloc.preempted_allocations,
        "PreemptedByAllocation": alloc.preempted_by_allocation,
        "CreateIndex": alloc.create_index,
        "ModifyIndex": alloc.modify_index,
        "CreateTime": alloc.create_time,
        "ModifyTime": alloc.modify_time,
    });
    if extras.resources {
        stub["AllocatedResources"] = value(&alloc.allocated_resources);
    }
    if extras.no_task_states {
        stub["TaskStates"] = json!({});
    }
    stub
}

/// An evaluation as others refer to it.
pub(crate) fn eval(eval: &Evaluation) -> Value {
    json!({
        "ID": eval.id,
        "Namespace": eval.namespace,
        "Priority": eval.priority,
        "Type": eval.job_type,
        "TriggeredBy": eval.triggered_by,
        "JobID": eval.job_id,
        "NodeID": eval.node_id,
        "DeploymentID": eval.deployment_id,
        "Status": eval.status,
        "StatusDescription": eval.status_description,
        "WaitUntil": eval.wait_until.to_rfc3339(),
        "NextEval": eval.next_eval,
        "PreviousEval": eval.previous_eval,
        "BlockedEval": eval.blocked_eval,
        "CreateIndex": eval.create_index,
        "ModifyIndex": eval.modify_index,
        "CreateTime": eval.create_time,
        "ModifyTime": eval.modify_time,
    })
}
