//! Earlier versions of the job: what is placed while the present one is not to spread.
//!
//! While canaries wait, or the deployment is held, whatever an older allocation leaves behind is filled with an older
//! version: its own where there is a predecessor, else the one that the group ran before. A version from which this one could
//! be made in place is as good as this one, and none of these.

use std::sync::Arc;

use baton_model::deployment::DeploymentStatus;
use baton_model::{Allocation, Job, TaskGroup};

use crate::snapshot::Snapshot;
use crate::update::{self, Change};

/// What the group ran before this version.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before<'a> {
    /// Nothing is known.
    Nothing,
    /// Something from which this version is made in place.
    Same,
    Other(&'a Arc<Job>),
}

impl<'a> Before<'a> {
    pub(super) fn is_known(self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// The version to place; `None` is the present one.
    pub(super) fn version(self) -> Option<&'a Arc<Job>> {
        match self {
            Self::Other(job) => Some(job),
            Self::Nothing | Self::Same => None,
        }
    }

    /// How many of `count` the version to place asked for: what this version adds waits with its canaries.
    pub(super) fn at_most(self, count: usize, group: &str) -> usize {
        let own =
            self.version().and_then(|older| older.group(group)).map(|older| usize::try_from(older.count).unwrap_or(0));
        own.map_or(count, |own| own.min(count))
    }

    /// The version for what replaces `alloc`: that of `alloc` itself.
    pub(super) fn version_of(self, alloc: &'a Allocation, job: &Job, group: &TaskGroup) -> Option<&'a Arc<Job>> {
        match alloc.job.as_ref().filter(|own| own.create_index == job.create_index && own.group(&group.name).is_some())
        {
            Some(_) => own(alloc, job, group),
            None => self.version(),
        }
    }
}

/// The newest version whose roll-out went through, or needed none; failing that, the newest that did not end with its
/// canaries.
pub(super) fn before<'a>(snapshot: &Snapshot<'a>, job: &Job, group: &TaskGroup) -> Before<'a> {
    let name = &group.name;
    let earlier = || {
        snapshot
            .versions
            .iter()
            .filter(|older| is_older(older, job))
            .take_while(|older| !older.stop)
            .filter(|older| older.group(name).is_some())
    };
    let done = earlier().find(|older| matches!(rollout(snapshot, older, name), Rollout::Done));
    match done {
        Some(older) if differs(older, job, group) => Before::Other(older),
        Some(_) => Before::Same,
        None => earlier()
            .filter(|older| differs(older, job, group))
            .find(|older| !matches!(rollout(snapshot, older, name), Rollout::Canaries))
            .map_or(Before::Nothing, Before::Other),
    }
}

/// The older version that this allocation runs, where it differs.
pub(super) fn own<'a>(alloc: &'a Allocation, job: &Job, group: &TaskGroup) -> Option<&'a Arc<Job>> {
    alloc.job.as_ref().filter(|own| is_older(own, job) && own.group(&group.name).is_some() && differs(own, job, group))
}

fn differs(older: &Job, job: &Job, group: &TaskGroup) -> bool {
    matches!(update::between(older, job, group, false), Change::Destructive(_))
}

fn is_older(one: &Job, job: &Job) -> bool {
    one.version < job.version && one.create_index == job.create_index
}

/// How far a version came in one group.
enum Rollout {
    Done,
    /// It had nothing but canaries.
    Canaries,
    Unknown,
}

fn rollout(snapshot: &Snapshot<'_>, version: &Job, group: &str) -> Rollout {
    if version.stable {
        return Rollout::Done;
    }
    let deployment = snapshot
        .deployments
        .iter()
        .find(|one| one.job_version == version.version && one.job_create_index == version.create_index);
    match deployment.and_then(|deployment| Some((deployment.status, deployment.task_groups.get(group)?))) {
        Some((_, state)) if state.desired_canaries > 0 && !state.promoted => Rollout::Canaries,
        Some((DeploymentStatus::Failed, _)) => Rollout::Unknown,
        Some(_) => Rollout::Done,
        // None is on record: it is forgotten, or there was nothing to watch.
        None if version.group(group).and_then(|group| group.update.as_ref()).is_none_or(|update| update.is_empty()) => {
            Rollout::Done
        }
        None => Rollout::Unknown,
    }
}
