//! Does a plan keep the rules? Independent of how it was made.
//!
//! Tests check every plan they see; a server may do so in debug builds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use baton_model::plan::Plan;
use baton_model::{AllocDesiredStatus, Allocation, Job, JobType, Node};

use crate::feasible::{self, constraint};
use crate::fit::{self, Amount};
use crate::ports;
use crate::update::{self, Change};
use crate::{Snapshot, effect};

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that is wrong with the plan; empty when it is sound.
pub fn check(snapshot: &Snapshot<'_>, plan: &Plan) -> Vec<Violation> {
    let before = merged(snapshot);
    let mut after = before.clone();
    effect::commit(&mut after, plan, snapshot.now);
    let mut check = Check { snapshot, plan, before: &before, after: &after, violations: Vec::new() };
    check.references();
    check.placements();
    check.nodes();
    check.names();
    check.canaries();
    check.parallel();
    check.violations
}

fn merged(snapshot: &Snapshot<'_>) -> Vec<Allocation> {
    let mut seen = BTreeSet::new();
    snapshot.allocs.iter().chain(snapshot.node_allocs).filter(|alloc| seen.insert(alloc.id.as_str())).cloned().collect()
}

struct Check<'c, 'a> {
    snapshot: &'c Snapshot<'a>,
    plan: &'c Plan,
    before: &'c [Allocation],
    after: &'c [Allocation],
    violations: Vec<Violation>,
}

impl Check<'_, '_> {
    fn broken(&mut self, text: String) {
        self.violations.push(Violation(text));
    }

    /// Stops and changes are of known allocations, once each; new ids are new.
    fn references(&mut self) {
        let plan = self.plan;
        let known = |id: &str| self.before.iter().any(|alloc| alloc.id == id);
        let mut touched = BTreeSet::new();
        let mut broken = Vec::new();
        let stopped = plan.stops.iter().map(|stop| &stop.alloc_id);
        for id in stopped.chain(plan.in_place.iter().map(|alloc| &alloc.id)) {
            if !known(id) {
                broken.push(format!("changes {id}, which is unknown"));
            }
            if !touched.insert(id) {
                broken.push(format!("changes {id} twice"));
            }
        }
        for alloc in &plan.placements {
            if known(&alloc.id) || !touched.insert(&alloc.id) {
                broken.push(format!("places {}, which exists", alloc.id));
            }
        }
        for text in broken {
            self.broken(text);
        }
    }

    /// New allocations are on nodes that may have them, complete, and distinct where the job says so.
    fn placements(&mut self) {
        let snapshot = self.snapshot;
        for alloc in &self.plan.placements {
            let name = &alloc.name;
            let Some(node) = snapshot.node(&alloc.node_id) else {
                self.broken(format!("{name} is placed on an unknown node"));
                continue;
            };
            let own = alloc.job.as_deref().filter(|_| snapshot.active_job().is_some());
            let Some((job, group)) = own.and_then(|job| Some((job, job.group(&alloc.task_group)?))) else {
                self.broken(format!("{name} belongs to no group of the job"));
                continue;
            };
            if !node.ready() {
                self.broken(format!("{name} is placed on {}, which takes nothing new", node.name));
            }
            if !(feasible::in_pool(node, job) && feasible::in_datacenters(node, job)) {
                self.broken(format!("{name} is placed outside its datacenters or pool"));
            }
            if let Err(reason) = feasible::check(node, job, group) {
                self.broken(format!("{name} is placed against {reason:?}"));
            }
            if alloc.allocated_resources.tasks.len() != group.tasks.len() {
                self.broken(format!("{name} has not one share per task"));
            }
            let asked: usize = group
                .networks
                .iter()
                .chain(group.tasks.iter().flat_map(|task| &task.resources.networks))
                .map(|network| network.ports().count())
                .sum();
            let resources = &alloc.allocated_resources;
            let task_ports = resources.tasks.values().flat_map(|task| &task.networks).flat_map(|n| n.ports());
            let given = resources.shared.ports.iter().map(|port| port.value).chain(task_ports.map(|port| port.value));
            if given.filter(|value| *value > 0).count() != asked {
                self.broken(format!("{name} has not all its ports"));
            }
            self.distinct(job, alloc);
        }
    }

    fn distinct(&mut self, job: &Job, alloc: &Allocation) {
        let of_job = job.constraints.iter().any(constraint::distinct_hosts_on);
        let of_group = job
            .group(&alloc.task_group)
            .is_some_and(|group| group.constraints.iter().any(constraint::distinct_hosts_on));
        if !of_job && !of_group {
            return;
        }
        let version = |alloc: &Allocation| alloc.job.as_ref().map(|job| job.version);
        // One of another version that comes at the same time has rules of its own.
        let other_rules = |other: &Allocation| {
            version(other) != version(alloc) && self.plan.placements.iter().any(|placed| placed.id == other.id)
        };
        let beside = self.after.iter().any(|other| {
            other.id != alloc.id
                && !other_rules(other)
                && other.id != alloc.succeeds
                && other.node_id == alloc.node_id
                && other.job_id == alloc.job_id
                && (of_job || other.task_group == alloc.task_group)
                && !other.terminal()
        });
        if beside {
            self.broken(format!("{} is not alone on its node", alloc.name));
        }
    }

    /// Nodes that get something have room for it, and give no port twice.
    fn nodes(&mut self) {
        let snapshot = self.snapshot;
        let touched: BTreeSet<&str> = self.plan.placements.iter().map(|alloc| alloc.node_id.as_str()).collect();
        for node in snapshot.nodes.iter().filter(|node| touched.contains(node.id.as_str())) {
            let here = || self.after.iter().filter(|alloc| alloc.node_id == node.id && !alloc.terminal());
            if let Some(dimension) = fit::used(here()).exceeds(Amount::of_node(node)) {
                self.broken(format!("{} has not enough {dimension}", node.name));
            }
            self.ports(node);
        }
    }

    fn ports(&mut self, node: &Node) {
        let new: BTreeSet<&str> = self.plan.placements.iter().map(|alloc| alloc.id.as_str()).collect();
        let mut holders: BTreeMap<(String, u16), Vec<&Allocation>> = BTreeMap::new();
        for alloc in self.after.iter().filter(|alloc| alloc.node_id == node.id && !alloc.terminal()) {
            for port in ports::ports_of(alloc) {
                holders.entry(port).or_default().push(alloc);
            }
        }
        let mut doubles = Vec::new();
        for ((ip, port), holders) in holders {
            let pair = |a: &Allocation, b: &Allocation| a.succeeds == b.id || b.succeeds == a.id;
            let clash = holders.iter().enumerate().any(|(index, a)| {
                holders[index + 1..]
                    .iter()
                    .any(|b| !pair(a, b) && (new.contains(a.id.as_str()) || new.contains(b.id.as_str())))
            });
            if clash {
                doubles.push(format!("{} gives {ip}:{port} twice", node.name));
            }
        }
        for text in doubles {
            self.broken(text);
        }
    }

    /// No new allocation has the name of another one that stays, and no group grows beyond its count.
    fn names(&mut self) {
        let Some(job) = self.snapshot.active_job().filter(|job| job.job_type == JobType::Service) else { return };
        for group in &job.task_groups {
            let succeeded: BTreeSet<&str> = self
                .after
                .iter()
                .filter(|alloc| !alloc.terminal())
                .map(|alloc| alloc.succeeds.as_str())
                .filter(|id| !id.is_empty())
                .collect();
            let wanted: Vec<&Allocation> = self
                .after
                .iter()
                .filter(|alloc| alloc.job_id == job.id && alloc.task_group == group.name)
                .filter(|alloc| !alloc.terminal() && !alloc.is_canary() && !succeeded.contains(alloc.id.as_str()))
                .filter(|alloc| alloc.client_status != baton_model::AllocClientStatus::Unknown)
                .collect();
            let new: BTreeSet<&str> = self.plan.placements.iter().map(|alloc| alloc.id.as_str()).collect();
            let added = wanted.iter().filter(|alloc| new.contains(alloc.id.as_str())).count();
            if added > 0 && wanted.len() as i64 > group.count {
                self.broken(format!("{} has {} allocations, {} are asked for", group.name, wanted.len(), group.count));
            }
            let mut names = BTreeSet::new();
            for alloc in &wanted {
                if !names.insert(&alloc.name) && new.contains(alloc.id.as_str()) {
                    self.broken(format!("{} is there twice", alloc.name));
                }
            }
        }
    }

    /// While canaries wait, nothing else of their version is placed for something older that needs a new process for it.
    fn canaries(&mut self) {
        let Some(job) = self.snapshot.active_job() else { return };
        let deployment = self.plan.deployment.as_ref().or(self.snapshot.deployment);
        let Some(deployment) = deployment.filter(|one| one.job_version == job.version) else { return };
        for alloc in self.plan.placements.iter().filter(|alloc| !alloc.is_canary()) {
            let state = deployment.task_groups.get(&alloc.task_group);
            let waits = state.is_some_and(|state| state.desired_canaries > 0 && !state.promoted);
            let previous = self.before.iter().find(|other| other.id == alloc.previous_allocation);
            let older = |old: &Allocation| {
                let group = job.group(&old.task_group);
                group.is_some_and(|group| matches!(update::change(old, job, group), Change::Destructive(_)))
            };
            let new = alloc.job.as_ref().is_some_and(|own| own.version == job.version);
            if waits && new && previous.is_some_and(older) {
                self.broken(format!("{} is new while canaries wait", alloc.name));
            }
        }
    }

    /// Under an update strategy at most `max_parallel` of a group are replaced or not healthy yet.
    fn parallel(&mut self) {
        let Some(job) = self.snapshot.active_job().filter(|job| job.job_type == JobType::Service) else { return };
        for group in &job.task_groups {
            let Some(update) = group.update.as_ref().filter(|update| !update.is_empty()) else { continue };
            let placed = |previous: &str| {
                self.plan.placements.iter().any(|alloc| alloc.previous_allocation == previous && !alloc.is_canary())
            };
            let replaced = self
                .before
                .iter()
                .filter(|alloc| alloc.job_id == job.id && alloc.task_group == group.name)
                .filter(|alloc| !alloc.terminal() && alloc.desired_transition.migrate != Some(true))
                .filter(|alloc| {
                    placed(&alloc.id)
                        && self.plan.stops.iter().any(|stop| stop.alloc_id == alloc.id && stop.client_status.is_none())
                })
                .count() as i64;
            let deployment = self.snapshot.deployment.filter(|deployment| deployment.job_version == job.version);
            let settling = self
                .before
                .iter()
                .filter(|alloc| {
                    deployment.is_some_and(|deployment| deployment.id == alloc.deployment_id)
                        && alloc.task_group == group.name
                        && alloc.desired_status == AllocDesiredStatus::Run
                        && !alloc.client_terminal()
                        && alloc.deployment_health().is_none()
                        && !self.plan.stops.iter().any(|stop| stop.alloc_id == alloc.id)
                })
                .count() as i64;
            if replaced > 0 && replaced + settling > update.max_parallel {
                self.broken(format!(
                    "{}: {replaced} replaced while {settling} are not healthy yet, max_parallel is {}",
                    group.name, update.max_parallel
                ));
            }
        }
    }
}
