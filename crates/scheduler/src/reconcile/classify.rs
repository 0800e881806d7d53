//! Sorts a group's allocations by what became of their node and of themselves. The first rule that matches decides.

use baton_model::node::NodeStatus;
use baton_model::{AllocClientStatus, Allocation, Nanos, Node, TaskGroup, Timestamp};

use crate::snapshot::Snapshot;

/// A group's allocations by kind.
#[derive(Debug, Default)]
pub(super) struct Sets<'a> {
    /// Stay where they are, as far as their nodes are concerned.
    pub(super) untainted: Vec<&'a Allocation>,
    /// Asked to leave their node.
    pub(super) migrate: Vec<&'a Allocation>,
    pub(super) lost: Vec<&'a Allocation>,
    /// Their node stopped answering, but may come back.
    pub(super) disconnecting: Vec<&'a Allocation>,
    /// Their node came back.
    pub(super) reconnecting: Vec<&'a Allocation>,
}

pub(super) fn classify<'a>(
    snapshot: &Snapshot<'a>,
    group: &TaskGroup,
    allocs: impl Iterator<Item = &'a Allocation>,
) -> Sets<'a> {
    let mut sets = Sets::default();
    for alloc in allocs {
        let list = match kind(alloc, snapshot.node(&alloc.node_id), group, snapshot.now) {
            Kind::Untainted => &mut sets.untainted,
            Kind::Migrate => &mut sets.migrate,
            Kind::Lost => &mut sets.lost,
            Kind::Disconnecting => &mut sets.disconnecting,
            Kind::Reconnecting => &mut sets.reconnecting,
            Kind::Ignore => continue,
        };
        list.push(alloc);
    }
    sets
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Untainted,
    Migrate,
    Lost,
    Disconnecting,
    Reconnecting,
    Ignore,
}

fn kind(alloc: &Allocation, node: Option<&Node>, group: &TaskGroup, now: Timestamp) -> Kind {
    let came_back = needs_reconnect(alloc) && alloc.client_status != AllocClientStatus::Unknown;
    let (lost_after, replace) = disconnect_rules(group);
    if alloc.server_terminal() {
        // A batch allocation drained away, or one that finished its work, keeps its name.
        return if alloc.ran_successfully() || alloc.desired_transition.migrate_disable_placement == Some(true) {
            Kind::Untainted
        } else {
            Kind::Ignore
        };
    }
    if came_back && alloc.client_status == AllocClientStatus::Failed {
        return Kind::Reconnecting;
    }
    if alloc.client_terminal() {
        return if alloc.is_canary() && alloc.desired_transition.migrate == Some(true) {
            Kind::Migrate
        } else {
            Kind::Untainted
        };
    }
    let unknown = alloc.client_status == AllocClientStatus::Unknown;
    if unknown && unknown_since(alloc).is_some_and(|since| now >= since.plus(lost_after)) {
        return Kind::Lost;
    }
    let Some(node) = node else { return Kind::Lost };
    if node.status == NodeStatus::Disconnected {
        return match alloc.client_status {
            AllocClientStatus::Unknown => Kind::Untainted,
            AllocClientStatus::Running if !lost_after.is_zero() => Kind::Disconnecting,
            _ => Kind::Lost,
        };
    }
    if alloc.desired_transition.migrate == Some(true) {
        return Kind::Migrate;
    }
    if node.status == NodeStatus::Down {
        return match alloc.client_status {
            AllocClientStatus::Unknown if !replace => Kind::Untainted,
            AllocClientStatus::Running if !replace => Kind::Disconnecting,
            _ => Kind::Lost,
        };
    }
    if came_back { Kind::Reconnecting } else { Kind::Untainted }
}

/// How long a silent node's allocations are kept, and whether they are replaced meanwhile.
pub(super) fn disconnect_rules(group: &TaskGroup) -> (Nanos, bool) {
    group.disconnect.as_ref().map_or((Nanos::ZERO, true), |rules| (rules.lost_after, rules.replace))
}

/// The latest status change on record is that the node fell silent.
pub(super) fn needs_reconnect(alloc: &Allocation) -> bool {
    alloc.alloc_states.last().is_some_and(|state| state.value == AllocClientStatus::Unknown.as_str())
}

pub(super) fn unknown_since(alloc: &Allocation) -> Option<Timestamp> {
    alloc.alloc_states.iter().rev().find(|state| state.value == AllocClientStatus::Unknown.as_str()).map(|s| s.time)
}
