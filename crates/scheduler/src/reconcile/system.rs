//! System and sysbatch jobs: one allocation of each group on every node that may have it.
//!
//! Nodes that merely take nothing new keep what they run until the job changes. Updates go node by node, limited by
//! `max_parallel` and health as for services; `canary` is a percentage of the nodes to update.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use baton_model::node::NodeStatus;
use baton_model::plan::DesiredUpdates;
use baton_model::{AllocClientStatus, Allocation, Deployment, Job, JobType, Node, TaskGroup};

use super::older::Before;
use super::{
    Changes, Current, InPlace, PlaceChange, ReplaceChange, StopChange, copy_state, deployment, description, limits,
    older, succession,
};
use crate::feasible;
use crate::snapshot::Snapshot;
use crate::update::{self, Change};

pub(super) struct SystemReconciler<'s, 'a, 'c> {
    pub(super) snapshot: &'s mut Snapshot<'a>,
    pub(super) job: &'a Job,
    pub(super) group: &'a TaskGroup,
    pub(super) current: &'c Current<'a>,
    pub(super) draft: &'c mut Option<Deployment>,
    pub(super) changes: &'c mut Changes<'a>,
}

impl<'a> SystemReconciler<'_, 'a, '_> {
    /// True when nothing is left to do for the group's deployment.
    pub(super) fn run(&mut self, allocs: Vec<&'a Allocation>, in_place: &dyn InPlace) -> bool {
        let (job, group) = (self.job, self.group);
        let mut desired = DesiredUpdates::default();
        let eligible = self.eligible_nodes();
        let has_this_version = allocs.iter().any(|alloc| alloc.job.as_ref().is_some_and(|j| j.version == job.version));
        let live: Vec<&'a Allocation> = allocs.iter().copied().filter(|alloc| !alloc.server_terminal()).collect();
        let pairs = succession::resolve(self.snapshot, job, group, live, in_place, self.changes);

        let mut covered: BTreeSet<&str> = BTreeSet::new();
        let (mut destructive, mut updated) = (Vec::new(), Vec::new());
        for alloc in &pairs.remaining {
            if let Some(stop) = self.stop_of(alloc, &eligible) {
                desired.stop += 1;
                self.changes.stops.push(stop);
                continue;
            }
            if alloc.client_terminal() {
                // Finished work is done until the job changes; anything else that ended is started again.
                let done = job.job_type == JobType::Sysbatch && alloc.client_status == AllocClientStatus::Complete;
                if done && update::change(alloc, job, group) == Change::None {
                    covered.insert(&alloc.node_id);
                    desired.ignore += 1;
                }
                continue;
            }
            // One per node: a double (left over from an older placement) ends.
            if !covered.insert(&alloc.node_id) {
                desired.stop += 1;
                self.changes.stops.push(StopChange {
                    alloc,
                    description: description::NOT_NEEDED,
                    client_status: None,
                });
                continue;
            }
            match update::change(alloc, job, group) {
                Change::None => desired.ignore += 1,
                Change::InPlace | Change::TemplateReload
                    if in_place.fits(alloc, pairs.other_half(alloc), job, group) =>
                {
                    updated.push(*alloc);
                    if let Some(former) = pairs.former.get(alloc.id.as_str()) {
                        desired.stop += 1;
                        self.changes.stops.push(StopChange {
                            alloc: former,
                            description: description::NOT_NEEDED,
                            client_status: None,
                        });
                    }
                }
                _ => destructive.push(*alloc),
            }
        }
        // A node whose allocation was stopped by the server may still run it; the record is enough to tell.
        let missing: Vec<&'a Node> =
            eligible.values().copied().filter(|node| !covered.contains(node.id.as_str())).collect();

        desired.in_place_update += updated.len() as u64;
        self.changes.in_place.extend(updated.iter().map(|alloc| (*alloc, group)));
        let (mut state, in_deployment) = copy_state(self.current, group);
        let held = self.current.held();
        let strategy = group.update.as_ref().filter(|update| !update.is_empty() && job.job_type == JobType::System);
        if let Some(strategy) = strategy.filter(|strategy| strategy.canary > 0 && !in_deployment) {
            state.desired_canaries = canaries_wanted(strategy.canary, destructive.len(), strategy.max_parallel);
        }
        let canarying = state.desired_canaries > 0 && !state.promoted;
        let stays = |alloc: &&&Allocation| !self.changes.stops.iter().any(|stop| stop.alloc.id == alloc.id);
        let tracked: Vec<&Allocation> = pairs.remaining.iter().filter(stays).copied().collect();
        let allowed = if strategy.is_none() {
            destructive.len()
        } else if canarying && !held {
            let out = tracked.iter().filter(|alloc| self.current.has(alloc) && alloc.is_canary()).count();
            usize::try_from(state.desired_canaries).unwrap_or(0).saturating_sub(out)
        } else {
            limits::limit(self.current, group, &tracked, true, canarying)
        };
        // Where one runs there is room for another; a node that lacks one may lack the room.
        let now = allowed.min(destructive.len());
        let canaries = if canarying && !held { (allowed - now).min(missing.len()) } else { 0 };
        desired.destructive_update += now as u64;
        desired.ignore += (destructive.len() - now) as u64;
        if canarying {
            desired.canary += now as u64;
        }
        destructive.sort_by_key(|alloc| (self.snapshot.holds.contains(&alloc.node_id), &alloc.node_name, &alloc.id));
        for old in destructive.iter().take(now) {
            let former = pairs.former.get(old.id.as_str()).copied();
            let succeeds = succession::possible(job, old, former);
            let canary = canarying;
            self.changes.replacements.push(ReplaceChange {
                group,
                old,
                name: old.name.clone(),
                former,
                succeeds,
                canary,
                same_node: true,
            });
        }
        let mut place_now = 0;
        for node in missing.iter().take(canaries) {
            place_now += 1;
            desired.canary += 1;
            self.place(Some(&node.id), true, None);
        }
        // Beside waiting canaries, or after a failure, nodes get what the group ran before.
        let before = if held || canarying { older::before(self.snapshot, job, group) } else { Before::Same };
        let refills = !held || (self.current.failed() && before.is_known());
        for node in missing.iter().skip(canaries).filter(|_| refills) {
            let before = before.version();
            if before.is_none_or(|older| may_have(node, older, &group.name)) {
                place_now += 1;
                desired.place += 1;
                self.place(Some(&node.id), false, before);
            }
        }
        if eligible.is_empty() && covered.is_empty() && !held {
            // Nowhere to run: asking for any node gives the reasons.
            self.place(None, false, None);
        }

        let total = destructive.len() + updated.len() + place_now;
        if !in_deployment {
            state.desired_total = total as i64;
        }
        let changes_spec = !destructive.is_empty() || !updated.is_empty();
        if strategy.is_some() && !in_deployment && total > 0 && (changes_spec || !has_this_version) && !held {
            deployment::join(self.draft, self.snapshot, self.current, job, group, state.clone());
        }
        succession::end_together(&pairs, self.changes);
        self.changes.desired.insert(group.name.clone(), desired);
        total == 0 && (!in_deployment || deployment::group_complete(self.current, &state, &allocs))
    }

    /// The nodes that should have an allocation, by name.
    fn eligible_nodes(&self) -> BTreeMap<(&'a str, &'a str), &'a Node> {
        self.snapshot
            .nodes
            .iter()
            .filter(|node| node.ready() && may_have(node, self.job, &self.group.name))
            .map(|node| ((node.name.as_str(), node.id.as_str()), node))
            .collect()
    }

    fn stop_of(&self, alloc: &'a Allocation, eligible: &BTreeMap<(&str, &str), &Node>) -> Option<StopChange<'a>> {
        if alloc.client_terminal() {
            return None;
        }
        let stop = |description, client_status| Some(StopChange { alloc, description, client_status });
        let node = self.snapshot.node(&alloc.node_id);
        let Some(node) = node.filter(|node| node.status != NodeStatus::Down) else {
            return stop(description::LOST, Some(AllocClientStatus::Lost));
        };
        if alloc.desired_transition.migrate == Some(true) {
            return stop(description::TAINTED, None);
        }
        let unchanged = update::change(alloc, self.job, self.group) == Change::None;
        if unchanged || eligible.contains_key(&(node.name.as_str(), node.id.as_str())) {
            return None;
        }
        stop(description::NOT_NEEDED, None)
    }

    fn place(&mut self, node: Option<&'a str>, canary: bool, older: Option<&'a Arc<Job>>) {
        self.changes.placements.push(PlaceChange {
            group: older.and_then(|job| job.group(&self.group.name)).unwrap_or(self.group),
            name: Allocation::make_name(&self.job.id, &self.group.name, 0),
            canary,
            previous: None,
            reschedules: false,
            node,
            older,
        });
    }
}

/// The job's constraints let the group onto the node.
fn may_have(node: &Node, job: &Job, group: &str) -> bool {
    feasible::in_pool(node, job)
        && feasible::in_datacenters(node, job)
        && job.group(group).is_some_and(|group| feasible::check(node, job, group).is_ok())
}

/// `percent` of the nodes to update, rounded up, at most `max_parallel`.
fn canaries_wanted(percent: i64, nodes: usize, max_parallel: i64) -> i64 {
    let nodes = nodes as i64;
    (percent.saturating_mul(nodes) + 99).div_euclid(100).min(max_parallel).min(nodes)
}

#[cfg(test)]
mod tests {
    use super::canaries_wanted;

    #[test]
    fn canaries_are_a_share_of_the_nodes() {
        for (percent, nodes, max_parallel, expected) in
            [(10, 5, 9, 1), (50, 5, 9, 3), (100, 5, 2, 2), (50, 0, 9, 0), (200, 3, 9, 3)]
        {
            assert_eq!(canaries_wanted(percent, nodes, max_parallel), expected);
        }
    }
}
