//! Nodes: they register, live, vanish.

use std::collections::BTreeMap;

use baton_model::Node;
use baton_model::eval::trigger;
use baton_model::node::{Eligibility, NodeEvent, NodeStatus};

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;

/// Newest events kept per node.
const EVENTS_MAX: usize = 10;

/// The pool of nodes that name none.
const DEFAULT_POOL: &str = "default";

pub(crate) fn not_found() -> ServerError {
    ServerError::not_found("node not found")
}

pub(crate) fn note(node: &mut Node, draft: &Draft, subsystem: &str, message: &str) {
    node.events.push(NodeEvent {
        message: message.to_owned(),
        subsystem: subsystem.to_owned(),
        details: BTreeMap::new(),
        timestamp: draft.now,
        create_index: draft.next_index(),
    });
    let surplus = node.events.len().saturating_sub(EVENTS_MAX);
    node.events.drain(..surplus);
}

fn seconds(draft: &Draft) -> i64 {
    draft.now.0 / 1_000_000_000
}

/// A client says what it is. What operators set (drain, eligibility) stays.
pub(crate) fn register(draft: &mut Draft, mut node: Node) -> Result<(), ServerError> {
    if uuid::Uuid::try_parse(&node.id).is_err() {
        return Err(ServerError::invalid(format!("node id {:?} is not a UUID", node.id)));
    }
    node.id = node.id.to_ascii_lowercase();
    if node.name.is_empty() || node.datacenter.is_empty() {
        return Err(ServerError::invalid("a node needs a name and a datacenter"));
    }
    if let Some(other) = draft.nodes().find(|other| other.name == node.name && other.id != node.id)
        && other.status != NodeStatus::Down
    {
        return Err(ServerError::Invalid(format!("node name {:?} is in use by node {}", node.name, other.id)));
    }
    if node.node_pool.is_empty() {
        node.node_pool = DEFAULT_POOL.to_owned();
    }
    node.status = NodeStatus::Ready;
    let old = draft.node(&node.id).cloned();
    match &old {
        Some(old) => {
            node.drain = old.drain;
            node.drain_strategy = old.drain_strategy.clone();
            node.last_drain = old.last_drain.clone();
            node.scheduling_eligibility = old.scheduling_eligibility;
            node.events = old.events.clone();
            node.create_index = old.create_index;
            node.modify_index = old.modify_index;
            node.status_updated_at = old.status_updated_at;
            node.status_description = String::new();
            if node == **old {
                return Ok(());
            }
            if old.status != NodeStatus::Ready {
                node.status_updated_at = seconds(draft);
                note(&mut node, draft, "Cluster", "Node re-registered");
            }
        }
        None => {
            node.events.clear();
            node.drain_strategy = None;
            node.drain = false;
            node.create_index = 0;
            node.status_updated_at = seconds(draft);
            note(&mut node, draft, "Cluster", "Node registered");
        }
    }
    let id = node.id.clone();
    draft.put_node(node, "NodeRegistration");
    draft.capacity_changed = true;
    eval::create_for_node(draft, &id, trigger::NODE_UPDATE);
    Ok(())
}

/// A sign of life of a node that counted as gone.
pub(crate) fn revive(draft: &mut Draft, node_id: &str) -> Result<(), ServerError> {
    let node = draft.node(node_id).ok_or_else(not_found)?;
    if node.status == NodeStatus::Ready {
        return Ok(());
    }
    set_status(draft, node_id, NodeStatus::Ready, "", "Node heartbeat received again")
}

/// A node was silent for too long.
pub(crate) fn expire(draft: &mut Draft, node_id: &str) -> Result<(), ServerError> {
    let Some(node) = draft.node(node_id) else { return Ok(()) };
    if node.status != NodeStatus::Ready && node.status != NodeStatus::Initializing {
        return Ok(());
    }
    let tolerant = draft.allocs_of_node(node_id).filter(|alloc| !alloc.terminal()).any(|alloc| {
        let group = alloc.job.as_ref().and_then(|job| job.group(&alloc.task_group));
        group.and_then(|group| group.disconnect.as_ref()).is_some_and(|disconnect| disconnect.lost_after.0 > 0)
    });
    let status = if tolerant { NodeStatus::Disconnected } else { NodeStatus::Down };
    set_status(draft, node_id, status, "", "Node heartbeat missed")
}

fn set_status(
    draft: &mut Draft,
    node_id: &str,
    status: NodeStatus,
    description: &str,
    event: &str,
) -> Result<(), ServerError> {
    let mut node = Node::clone(draft.node(node_id).ok_or_else(not_found)?);
    node.status = status;
    node.status_description = description.to_owned();
    node.status_updated_at = seconds(draft);
    note(&mut node, draft, "Cluster", event);
    draft.put_node(node, "NodeEvent");
    if status == NodeStatus::Ready {
        draft.capacity_changed = true;
    }
    eval::create_for_node(draft, node_id, trigger::NODE_UPDATE);
    Ok(())
}

/// The answer to anything that changes a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAnswer {
    pub node_modify_index: u64,
    pub eval_ids: Vec<String>,
    pub eval_create_index: u64,
}

pub(crate) fn answer(draft: &Draft, eval_ids: Vec<String>) -> NodeAnswer {
    let index = draft.next_index();
    let eval_create_index = if eval_ids.is_empty() { 0 } else { index };
    NodeAnswer { node_modify_index: index, eval_ids, eval_create_index }
}

pub(crate) fn set_eligibility(
    draft: &mut Draft,
    node_id: &str,
    wanted: Eligibility,
) -> Result<NodeAnswer, ServerError> {
    let mut node = Node::clone(draft.node(node_id).ok_or_else(not_found)?);
    if node.drain_strategy.is_some() && wanted == Eligibility::Eligible {
        return Err(ServerError::invalid("can not set node's scheduling eligibility to eligible while it is draining"));
    }
    if node.scheduling_eligibility == wanted {
        let index = node.modify_index;
        return Ok(NodeAnswer { node_modify_index: index, ..NodeAnswer::default() });
    }
    node.scheduling_eligibility = wanted;
    let text = match wanted {
        Eligibility::Eligible => "Node marked as eligible for scheduling",
        Eligibility::Ineligible => "Node marked as ineligible for scheduling",
    };
    note(&mut node, draft, "Cluster", text);
    draft.put_node(node, "NodeEvent");
    let mut evals = Vec::new();
    if wanted == Eligibility::Eligible {
        draft.capacity_changed = true;
        evals = eval::create_for_node(draft, node_id, trigger::NODE_UPDATE);
    }
    Ok(answer(draft, evals))
}

/// Looks at every job of a node again.
pub(crate) fn evaluate(draft: &mut Draft, node_id: &str) -> Result<NodeAnswer, ServerError> {
    draft.node(node_id).ok_or_else(not_found)?;
    let evals = eval::create_for_node(draft, node_id, trigger::NODE_UPDATE);
    Ok(answer(draft, evals))
}

/// Forgets a node; what ran on it counts as lost.
pub(crate) fn purge(draft: &mut Draft, node_id: &str) -> Result<NodeAnswer, ServerError> {
    draft.node(node_id).ok_or_else(not_found)?;
    draft.remove_node(node_id);
    let evals = eval::create_for_node(draft, node_id, trigger::NODE_UPDATE);
    Ok(answer(draft, evals))
}
