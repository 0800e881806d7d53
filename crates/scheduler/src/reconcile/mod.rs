//! What should change for a job, before anybody asks where.
//!
//! Compares the job with its allocations group by group and says what to stop, place, replace, update in place, look at again
//! later. It knows nothing of resources; whether an in-place change still fits is asked through [`InPlace`].
//!
//! Invariants: a name index is used once per group (canaries apart); never more than `max_parallel` allocations of a
//! deployment are replaced and unhealthy at a time; nothing of a failed or paused deployment goes on; a version whose canaries
//! wait has nothing but canaries.

mod canaries;
mod classify;
mod deployment;
mod disconnect;
mod fill;
mod group;
mod limits;
mod names;
mod older;
mod recover;
mod reschedule;
mod stops;
mod succession;
mod system;

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_model::plan::{DeploymentUpdate, DesiredUpdates};
use baton_model::{AllocClientStatus, Allocation, Deployment, Evaluation, Job, TaskGroup};

use crate::snapshot::Snapshot;

pub(crate) use deployment::{Current, copy_state};
pub(crate) use reschedule::{carried_tracker, failed_nodes, may_reschedule};

/// The descriptions that users and tools look for.
pub(crate) mod description {
    pub(crate) const NOT_NEEDED: &str = "alloc not needed due to job update";
    pub(crate) const MIGRATING: &str = "alloc is being migrated";
    pub(crate) const UPDATING: &str = "alloc is being updated due to job update";
    pub(crate) const LOST: &str = "alloc is lost since its node is down";
    pub(crate) const UNKNOWN: &str = "alloc is unknown since its node is disconnected";
    pub(crate) const IN_PLACE: &str = "alloc updating in-place";
    pub(crate) const TAINTED: &str = "alloc not needed as node is tainted";
    pub(crate) const RESCHEDULED: &str = "alloc was rescheduled because it failed";
    pub(crate) const RECONNECTED: &str = "alloc not needed due to disconnected client reconnect";
}

/// An allocation that is to end.
#[derive(Clone, Debug)]
pub(crate) struct StopChange<'a> {
    pub(crate) alloc: &'a Allocation,
    pub(crate) description: &'static str,
    pub(crate) client_status: Option<AllocClientStatus>,
}

/// A new allocation.
#[derive(Clone, Debug)]
pub(crate) struct PlaceChange<'a> {
    pub(crate) group: &'a TaskGroup,
    pub(crate) name: String,
    pub(crate) canary: bool,
    pub(crate) previous: Option<&'a Allocation>,
    /// It replaces one that failed: counted by the reschedule policy, the old node is avoided.
    pub(crate) reschedules: bool,
    /// System jobs: this node and no other.
    pub(crate) node: Option<&'a str>,
    /// This version of the job instead of the present one.
    pub(crate) older: Option<&'a Arc<Job>>,
}

/// A running allocation with its replacement: both happen or neither.
#[derive(Clone, Debug)]
pub(crate) struct ReplaceChange<'a> {
    pub(crate) group: &'a TaskGroup,
    pub(crate) old: &'a Allocation,
    pub(crate) name: String,
    /// An earlier successor of `old` that failed or is outdated; it ends too.
    pub(crate) former: Option<&'a Allocation>,
    /// The new one takes over from `old` beside it.
    pub(crate) succeeds: bool,
    pub(crate) canary: bool,
    /// System jobs: the new one is on the old one's node.
    pub(crate) same_node: bool,
}

/// All that is to be done.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    pub(crate) stops: Vec<StopChange<'a>>,
    pub(crate) placements: Vec<PlaceChange<'a>>,
    pub(crate) replacements: Vec<ReplaceChange<'a>>,
    pub(crate) in_place: Vec<(&'a Allocation, &'a TaskGroup)>,
    pub(crate) annotations: Vec<Allocation>,
    pub(crate) follow_ups: Vec<Evaluation>,
    /// The deployment to create.
    pub(crate) deployment: Option<Deployment>,
    pub(crate) deployment_updates: Vec<DeploymentUpdate>,
    pub(crate) desired: BTreeMap<String, DesiredUpdates>,
}

/// Asks whether an allocation could stay on its node under the new job.
pub(crate) trait InPlace {
    /// `beside` counts as one with it: its predecessor, or a successor that ends.
    fn fits(&self, alloc: &Allocation, beside: Option<&Allocation>, job: &Job, group: &TaskGroup) -> bool;
}

/// Decides what changes. Allocations that the result does not mention stay as they are.
pub(crate) fn reconcile<'a>(snapshot: &mut Snapshot<'a>, in_place: &dyn InPlace) -> Changes<'a> {
    let mut changes = Changes::default();
    let job = snapshot.active_job();
    let current = Current::of(job, snapshot.deployment, &mut changes);

    let mut by_group: BTreeMap<&str, Vec<&'a Allocation>> = BTreeMap::new();
    for alloc in snapshot.allocs {
        by_group.entry(&alloc.task_group).or_default().push(alloc);
    }
    for list in by_group.values_mut() {
        list.sort_by_key(|alloc| (alloc.index(), &alloc.name, &alloc.id));
    }
    for (name, allocs) in &by_group {
        if job.is_none_or(|job| job.group(name).is_none()) {
            stops::stop_all(snapshot, name, allocs, &mut changes);
        }
    }
    let Some(job) = job else { return changes };

    let mut complete = true;
    let mut draft = None;
    for group in &job.task_groups {
        let allocs = by_group.remove(group.name.as_str()).unwrap_or_default();
        let (current, draft, changes) = (&current, &mut draft, &mut changes);
        complete &= if job.job_type.is_system() {
            system::SystemReconciler { snapshot, job, group, current, draft, changes }.run(allocs, in_place)
        } else {
            group::GroupReconciler { snapshot, job, group, current, draft, changes }.run(allocs, in_place)
        };
    }
    deployment::finish(&current, draft, complete, &mut changes);
    changes
}
