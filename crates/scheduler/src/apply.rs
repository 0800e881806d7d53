//! What the reconciler wants, put on nodes.

use std::sync::Arc;

use baton_model::alloc::{AllocDeploymentStatus, AllocMetric};
use baton_model::plan::{Plan, Stop};
use baton_model::{AllocClientStatus, AllocDesiredStatus, Allocation, Job, TaskGroup};

use crate::ledger::Ledger;
use crate::place::{Request, place};
use crate::planner::Planner;
use crate::reconcile::{
    Changes, InPlace, PlaceChange, ReplaceChange, carried_tracker, description, failed_nodes, reconcile,
};
use crate::snapshot::Snapshot;
use crate::update;

pub(crate) fn plan(mut snapshot: Snapshot<'_>) -> Plan {
    let ledger = Ledger::of(&snapshot);
    let check = Check { nodes: snapshot.nodes, ledger: &ledger, algorithm: snapshot.config.algorithm };
    let changes = reconcile(&mut snapshot, &check);
    let mut planner = Planner::new(snapshot, ledger);
    apply(&mut planner, changes);
    planner.finish()
}

struct Check<'n, 'l> {
    nodes: &'n [baton_model::Node],
    ledger: &'l Ledger<'n>,
    algorithm: crate::Algorithm,
}

impl InPlace for Check<'_, '_> {
    fn fits(&self, alloc: &Allocation, beside: Option<&Allocation>, job: &Job, group: &TaskGroup) -> bool {
        let without = beside.map(|beside| self.ledger.without(&beside.id));
        let request = Request {
            replaces: Some(alloc),
            stays: true,
            only: Some(&alloc.node_id),
            keep_ports_of: Some(alloc),
            ..Request::new(job, group, self.algorithm, &alloc.id)
        };
        place(self.nodes, without.as_ref().unwrap_or(self.ledger), &request).is_ok()
    }
}

fn apply<'a>(planner: &mut Planner<'a>, changes: Changes<'a>) {
    planner.plan.desired = changes.desired;
    planner.plan.annotations = changes.annotations;
    planner.plan.follow_ups = changes.follow_ups;
    planner.plan.deployment_updates = changes.deployment_updates;
    planner.start_deployment(changes.deployment);
    for stop in changes.stops {
        planner.stop(stop.alloc, stop.description, stop.client_status);
    }
    let Some(job) = planner.snapshot.active_job() else { return };
    let shared = Arc::new(job.clone());
    for (alloc, group) in changes.in_place {
        planner.update_in_place(alloc, &shared, group);
    }
    // Replacements free what they need; everything else takes what is left.
    for change in changes.replacements {
        replace(planner, job, &shared, change);
    }
    for change in changes.placements {
        fill(planner, job, &shared, change);
    }
}

/// Stops the old one and places the new one, or leaves both.
fn replace<'a>(planner: &mut Planner<'a>, job: &'a Job, shared: &Arc<Job>, change: ReplaceChange<'a>) {
    let ReplaceChange { group, old, name, former, succeeds, canary, same_node } = change;
    let id = planner.new_id();
    if let Some(former) = former {
        planner.ledger.remove(former);
    }
    let base = Request { replaces: Some(old), ..Request::new(job, group, planner.snapshot.config.algorithm, &id) };
    let beside = || Request { overlaps: true, only: Some(&old.node_id), keep_ports_of: Some(old), ..base.clone() };
    let stop_first = || Request {
        prefer: preferred_node(group, old),
        only: same_node.then_some(old.node_id.as_str()),
        ..base.clone()
    };
    let nodes = planner.snapshot.nodes;
    let (found, succeeds) = match succeeds.then(|| place(nodes, &planner.ledger, &beside())) {
        Some(Ok(found)) => (Ok(found), true),
        // Its own node cannot take the new version beside it: as any other update.
        _ => (place(nodes, &planner.ledger, &stop_first()), false),
    };
    let found = match found {
        Ok(found) => found,
        Err(metrics) => {
            planner.fail(&group.name, *metrics);
            if let Some(former) = former.filter(|former| !former.terminal()) {
                planner.ledger.add(former);
            }
            return;
        }
    };
    let mut alloc = planner.new_alloc(id, shared, group, name, found);
    alloc.previous_allocation.clone_from(&old.id);
    alloc.deployment_status = canary_status(canary);
    if let Some(former) = former {
        // A failure of the version counts; the mere inability to take over does not.
        if former.client_status == AllocClientStatus::Failed && !former.succession_failed() {
            alloc.reschedule_tracker = carried_tracker(former, group, planner.snapshot.now);
        }
        let text = if former.client_terminal() { description::RESCHEDULED } else { description::UPDATING };
        planner.plan.stops.push(stop_of(former, text));
    }
    if succeeds {
        alloc.succeeds.clone_from(&old.id);
        planner.plan.stops.push(Stop { after: Some(alloc.id.clone()), ..stop_of(old, description::UPDATING) });
    } else {
        planner.stop(old, description::UPDATING, None);
    }
    planner.add(alloc);
}

fn fill<'a>(planner: &mut Planner<'a>, job: &'a Job, shared: &Arc<Job>, change: PlaceChange<'a>) {
    let PlaceChange { group, name, canary, previous, reschedules, node, older } = change;
    let (job, shared) = older.map_or((job, shared), |older| (older.as_ref(), older));
    let id = planner.new_id();
    let request = Request {
        prefer: previous.and_then(|previous| preferred_node(group, previous)),
        penalty: previous.map(failed_nodes).unwrap_or_default(),
        only: node,
        ..Request::new(job, group, planner.snapshot.config.algorithm, &id)
    };
    // Placements only take room away: where one that could go anywhere found none, the next one finds none either.
    let room = (group.name.clone(), job.version);
    let found = match planner.no_room.get(&room).filter(|_| node.is_none()) {
        Some(metrics) => Err(metrics.clone()),
        None => place(planner.snapshot.nodes, &planner.ledger, &request),
    };
    match found {
        Err(metrics) => {
            if node.is_none() {
                planner.no_room.entry(room).or_insert_with(|| metrics.clone());
            }
            planner.fail(&group.name, *metrics);
            // A failed allocation is stopped only when its replacement has a place.
            if let Some(failed) = previous.filter(|_| reschedules) {
                planner.plan.stops.retain(|stop| stop.alloc_id != failed.id);
            }
        }
        Ok(found) => {
            let mut alloc = planner.new_alloc(id, shared, group, name, found);
            if older.is_some() {
                // It is no part of what the present version's deployment watches.
                alloc.deployment_id = String::new();
            }
            if let Some(previous) = previous {
                alloc.previous_allocation.clone_from(&previous.id);
                alloc.reschedule_tracker = if reschedules {
                    carried_tracker(previous, group, planner.snapshot.now)
                } else {
                    previous.reschedule_tracker.clone()
                };
            }
            alloc.deployment_status = canary_status(canary);
            planner.add(alloc);
        }
    }
}

fn canary_status(canary: bool) -> Option<AllocDeploymentStatus> {
    canary.then(|| AllocDeploymentStatus { canary: true, ..AllocDeploymentStatus::default() })
}

/// Sticky disks go back to their node.
fn preferred_node<'a>(group: &TaskGroup, previous: &'a Allocation) -> Option<&'a str> {
    group.ephemeral_disk.sticky.then_some(previous.node_id.as_str())
}

fn stop_of(alloc: &Allocation, description: &str) -> Stop {
    Stop { alloc_id: alloc.id.clone(), description: description.to_owned(), ..Stop::default() }
}

impl Planner<'_> {
    fn update_in_place(&mut self, alloc: &Allocation, job: &Arc<Job>, group: &TaskGroup) {
        let mut updated = alloc.clone();
        let old = alloc.job.as_deref();
        let reloads = old.is_some() && update::change(alloc, job, group) == update::Change::TemplateReload;
        updated.job = Some(Arc::clone(job));
        updated.eval_id.clone_from(&self.snapshot.eval.id);
        updated.desired_status = AllocDesiredStatus::Run;
        updated.desired_description = if reloads {
            format!("{}: template reload", description::IN_PLACE)
        } else {
            description::IN_PLACE.to_owned()
        };
        let deployment_id = self.deployment_id(&group.name);
        if updated.deployment_id != deployment_id {
            updated.deployment_id = deployment_id;
            updated.deployment_status = None;
        }
        updated.followup_eval_id = String::new();
        updated.metrics = AllocMetric { nodes_evaluated: 1, ..alloc.metrics.clone() };
        updated.modify_time = self.snapshot.now;
        self.ledger.replace(&updated);
        self.plan.in_place.push(updated);
    }
}
