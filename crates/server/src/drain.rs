//! Drains: ordered by operators, carried out whenever an allocation or a node changes.

use std::collections::{BTreeMap, BTreeSet};

use baton_model::eval::trigger;
use baton_model::node::{DrainStrategy, Eligibility};
use baton_model::{Allocation, Job, Nanos, Node, Timestamp};
use baton_scheduler::drain::{DrainStep, DrainView, step};
use serde_json::json;

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;
use crate::node::{NodeAnswer, answer, not_found, note};
use crate::state::State;

/// What `node drain` asks for.
#[derive(Clone, Debug, Default)]
pub struct DrainRequest {
    pub node_id: String,
    /// `None` ends a drain.
    pub spec: Option<DrainSpec>,
    /// Ending a drain: may the node get allocations again?
    pub mark_eligible: bool,
    pub meta: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainSpec {
    /// Positive: bounded; 0: none; negative: force now.
    pub deadline: Nanos,
    pub ignore_system_jobs: bool,
}

pub(crate) fn set(draft: &mut Draft, request: &DrainRequest) -> Result<NodeAnswer, ServerError> {
    let mut node = Node::clone(draft.node(&request.node_id).ok_or_else(not_found)?);
    let now = draft.now;
    let status = if let Some(spec) = request.spec {
        let started_at = node.drain_strategy.as_ref().map_or(now, |running| running.started_at);
        let force_deadline = if spec.deadline.0 > 0 { now.plus(spec.deadline) } else { Default::default() };
        node.drain = true;
        node.drain_strategy = Some(DrainStrategy {
            deadline: spec.deadline,
            ignore_system_jobs: spec.ignore_system_jobs,
            force_deadline,
            started_at,
        });
        node.scheduling_eligibility = Eligibility::Ineligible;
        note(&mut node, draft, "Drain", "Node drain strategy set");
        "draining"
    } else {
        if node.drain_strategy.is_some() {
            note(&mut node, draft, "Drain", "Node drain disabled");
        }
        node.drain = false;
        node.drain_strategy = None;
        if request.mark_eligible {
            node.scheduling_eligibility = Eligibility::Eligible;
        }
        "canceled"
    };
    node.last_drain = Some(last_drain(&node, status, draft, &request.meta));
    let freed = node.ready();
    draft.put_node(node, "NodeDrain");
    if freed {
        draft.capacity_changed = true;
    }
    let evals = eval::create_for_node(draft, &request.node_id, trigger::NODE_DRAIN);
    Ok(answer(draft, evals))
}

fn last_drain(node: &Node, status: &str, draft: &Draft, meta: &BTreeMap<String, String>) -> serde_json::Value {
    let now = draft.now.to_rfc3339();
    let started = match &node.drain_strategy {
        Some(strategy) => strategy.started_at.to_rfc3339(),
        None => node
            .last_drain
            .as_ref()
            .and_then(|last| last["StartedAt"].as_str())
            .map_or_else(|| now.clone(), ToOwned::to_owned),
    };
    json!({ "StartedAt": started, "UpdatedAt": now, "Status": status, "Meta": meta, "AccessorID": "" })
}

/// Everything that had to leave has left; the node stays ineligible.
fn complete(draft: &mut Draft, node_id: &str) {
    let Some(node) = draft.node(node_id) else { return };
    let mut node = Node::clone(node);
    node.drain = false;
    node.drain_strategy = None;
    note(&mut node, draft, "Drain", "Node drain complete");
    let meta = BTreeMap::new();
    node.last_drain = Some(last_drain(&node, "complete", draft, &meta));
    draft.put_node(node, "NodeDrain");
}

/// Moves every drain on as far as it goes now.
pub(crate) fn advance(draft: &mut Draft) {
    let DrainStep { mark, nodes, .. } = look(draft, draft.now);
    let mut jobs = BTreeSet::new();
    for mark in mark {
        let Some(alloc) = draft.alloc(&mark.alloc_id) else { continue };
        let mut alloc = Allocation::clone(alloc);
        alloc.desired_transition.migrate = Some(true);
        if mark.no_placement {
            alloc.desired_transition.migrate_disable_placement = Some(true);
        }
        draft.put_alloc(alloc, "AllocationUpdateDesiredStatus");
        jobs.insert(mark.job_id);
    }
    for job_id in jobs {
        eval::create(draft, &job_id, trigger::NODE_DRAIN);
    }
    for node in nodes.iter().filter(|node| node.done) {
        complete(draft, &node.node_id);
    }
}

/// When a drain's deadline passes.
pub(crate) fn next_deadline(state: &State, now: Timestamp) -> Option<Timestamp> {
    look(state, now).next_deadline
}

fn look(state: &State, now: Timestamp) -> DrainStep {
    if state.nodes().all(|node| node.drain_strategy.is_none()) {
        return DrainStep::default();
    }
    let nodes: Vec<Node> = state.nodes().map(|node| (**node).clone()).collect();
    let live = state.allocs().filter(|alloc| !(alloc.server_terminal() && alloc.client_terminal()));
    let allocs: Vec<Allocation> = live.map(|alloc| (**alloc).clone()).collect();
    let jobs: Vec<Job> = state.jobs().map(|job| (**job).clone()).collect();
    step(&DrainView { nodes: &nodes, allocs: &allocs, jobs: &jobs, holds: &BTreeSet::new(), now })
}
