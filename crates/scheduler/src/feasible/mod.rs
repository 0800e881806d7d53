//! Which nodes may take a group at all: everything but room.
//!
//! Input: a node, a job, a group, the allocations already counted on the cluster. Output: nothing, or the reason in the words
//! of failure metrics (`${meta.client_type} = edge`, `missing drivers`, `distinct_hosts`).

pub(crate) mod constraint;
mod distinct;
pub(crate) mod glob;
pub(crate) mod target;
mod version;

use baton_model::{Job, Node, TaskGroup};

pub(crate) use distinct::Distinct;

/// Is the node in the pool that the job asks for?
pub(crate) fn in_pool(node: &Node, job: &Job) -> bool {
    let pool = if job.node_pool.is_empty() { "default" } else { &job.node_pool };
    pool == "all" || target::pool_of(node) == pool
}

/// Is the node in one of the job's datacenters (patterns allowed)?
pub(crate) fn in_datacenters(node: &Node, job: &Job) -> bool {
    job.datacenters.is_empty() || job.datacenters.iter().any(|pattern| glob::matches(pattern, &node.datacenter))
}

/// Checks all that depends on the node alone, in the order in which reasons are counted.
pub(crate) fn check(node: &Node, job: &Job, group: &TaskGroup) -> Result<(), String> {
    let broken = |constraints: &[baton_model::job::Constraint]| {
        constraints.iter().find(|constraint| !constraint::holds(constraint, node)).map(ToString::to_string)
    };
    if let Some(reason) = broken(&job.constraints) {
        return Err(reason);
    }
    if group.tasks.iter().any(|task| !has_driver(node, &task.driver)) {
        return Err("missing drivers".to_owned());
    }
    let of_group = broken(&group.constraints);
    if let Some(reason) = of_group.or_else(|| group.tasks.iter().find_map(|task| broken(&task.constraints))) {
        return Err(reason);
    }
    if group.tasks.iter().any(|task| !task.resources.devices.is_empty()) {
        return Err("missing devices".to_owned());
    }
    if group.networks.iter().any(|network| !has_network(node, &network.mode)) {
        return Err("missing network".to_owned());
    }
    if group.volumes.values().any(|volume| !has_volume(node, volume)) {
        return Err("missing compatible host volumes".to_owned());
    }
    Ok(())
}

fn has_driver(node: &Node, driver: &str) -> bool {
    node.drivers.get(driver).is_some_and(|info| info.detected && info.healthy)
}

fn has_network(node: &Node, mode: &str) -> bool {
    matches!(mode, "" | "host" | "none") || node.node_resources.networks.iter().any(|network| network.mode == mode)
}

fn has_volume(node: &Node, volume: &baton_model::job::VolumeRequest) -> bool {
    if volume.volume_type != "host" {
        return false;
    }
    node.host_volumes.get(&volume.source).is_some_and(|offered| {
        let read_only = offered.get("ReadOnly").and_then(serde_json::Value::as_bool).unwrap_or(false);
        volume.read_only || !read_only
    })
}
