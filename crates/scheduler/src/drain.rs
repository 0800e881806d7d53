//! Moves allocations off draining nodes, a few at a time, and says what it waits for.
//!
//! Input: the whole cluster and the time. Output: which allocations to mark with `DesiredTransition.Migrate` now (the
//! scheduler then stops and replaces them), which drains are complete, when to look again. [`preview`] says before a drain
//! starts what would be left without a healthy allocation.

use std::collections::{BTreeMap, BTreeSet};

use baton_model::{Allocation, Job, JobType, Node, Timestamp};

use crate::ledger::Ledger;
use crate::place::{Request, Verdict, verdicts};
use crate::snapshot::SchedulerConfig;

/// What the drainer sees.
#[derive(Clone, Copy, Debug)]
pub struct DrainView<'a> {
    pub nodes: &'a [Node],
    /// All allocations that are not terminal on both sides.
    pub allocs: &'a [Allocation],
    pub jobs: &'a [Job],
    /// Nodes behind a failover address; they are drained last when several drain at once.
    pub holds: &'a BTreeSet<String>,
    pub now: Timestamp,
}

/// An allocation to mark now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub alloc_id: String,
    pub job_id: String,
    /// Also set `MigrateDisablePlacement`: it ends for good (batch at the deadline).
    pub no_placement: bool,
}

/// Why an allocation still stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub alloc_id: String,
    pub alloc_name: String,
    pub reason: String,
}

/// How far one node's drain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDrain {
    pub node_id: String,
    /// Clear the strategy; the node stays ineligible.
    pub done: bool,
    /// The deadline ended it.
    pub forced: bool,
    pub waiting: Vec<Waiting>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainStep {
    pub mark: Vec<Mark>,
    pub nodes: Vec<NodeDrain>,
    pub next_deadline: Option<Timestamp>,
}

/// Looks at all draining nodes. Call it when an allocation or a node changes and at `next_deadline`.
pub fn step(view: &DrainView<'_>) -> DrainStep {
    let mut draining: Vec<&Node> = view.nodes.iter().filter(|node| node.drain_strategy.is_some()).collect();
    draining.sort_by_key(|node| (view.holds.contains(&node.id), &node.name, &node.id));
    let mut step = DrainStep::default();
    let mut budgets = Budgets::of(view);
    for node in draining {
        let Some(strategy) = &node.drain_strategy else { continue };
        let deadline =
            (strategy.deadline.0 > 0 && !strategy.force_deadline.is_never()).then_some(strategy.force_deadline);
        let forced = strategy.deadline.0 < 0 || deadline.is_some_and(|deadline| view.now >= deadline);
        let drain = NodeDrainer { view, node, ignore_system: strategy.ignore_system_jobs, deadline };
        let drained = if forced { drain.force(&mut step.mark) } else { drain.advance(&mut budgets, &mut step.mark) };
        if !drained.done {
            step.next_deadline = step.next_deadline.into_iter().chain(deadline).min();
        }
        step.nodes.push(drained);
    }
    step
}

struct NodeDrainer<'a> {
    view: &'a DrainView<'a>,
    node: &'a Node,
    ignore_system: bool,
    deadline: Option<Timestamp>,
}

impl<'a> NodeDrainer<'a> {
    /// What still runs here, services before batch before system jobs.
    fn remaining(&self) -> Vec<(&'a Allocation, JobType)> {
        let mut remaining: Vec<_> = self
            .view
            .allocs
            .iter()
            .filter(|alloc| alloc.node_id == self.node.id && !alloc.client_terminal())
            .map(|alloc| (alloc, job_type(self.view, alloc)))
            .filter(|(_, job_type)| !(self.ignore_system && job_type.is_system()))
            .collect();
        remaining.sort_by_key(|(alloc, job_type)| (job_type.is_system(), &alloc.name, &alloc.id));
        remaining
    }

    fn force(&self, mark: &mut Vec<Mark>) -> NodeDrain {
        for (alloc, job_type) in self.remaining() {
            if !leaves(alloc) {
                mark.push(mark_of(alloc, job_type.is_batch()));
            }
        }
        NodeDrain { node_id: self.node.id.clone(), done: true, forced: true, waiting: Vec::new() }
    }

    fn advance(&self, budgets: &mut Budgets<'a>, mark: &mut Vec<Mark>) -> NodeDrain {
        let remaining = self.remaining();
        let only_system = remaining.iter().all(|(_, job_type)| job_type.is_system());
        let mut waiting = Vec::new();
        for (alloc, job_type) in &remaining {
            let reason = if leaves(alloc) {
                Some("is stopping".to_owned())
            } else {
                match job_type {
                    JobType::Service => budgets.take(alloc),
                    JobType::Batch | JobType::Sysbatch => Some(match self.deadline {
                        Some(deadline) => format!("runs to its end, at most until {}", deadline.to_rfc3339()),
                        None => "runs to its end".to_owned(),
                    }),
                    JobType::System if only_system => None,
                    JobType::System => Some("stops after everything else".to_owned()),
                }
            };
            match reason {
                Some(reason) => {
                    waiting.push(Waiting { alloc_id: alloc.id.clone(), alloc_name: alloc.name.clone(), reason })
                }
                None => mark.push(mark_of(alloc, false)),
            }
        }
        NodeDrain { node_id: self.node.id.clone(), done: remaining.is_empty(), forced: false, waiting }
    }
}

/// How many healthy allocations each group can spare now.
struct Budgets<'a> {
    view: &'a DrainView<'a>,
    spare: BTreeMap<(&'a str, &'a str), i64>,
}

impl<'a> Budgets<'a> {
    fn of(view: &'a DrainView<'a>) -> Self {
        Self { view, spare: BTreeMap::new() }
    }

    /// Takes one from the group's budget: `None` when it may go, else what it waits for.
    fn take(&mut self, alloc: &'a Allocation) -> Option<String> {
        // One that is not healthy serves nobody: it may always go.
        if alloc.deployment_health() == Some(false) {
            return None;
        }
        let job = self.view.jobs.iter().find(|job| job.id == alloc.job_id)?;
        let group = job.group(&alloc.task_group)?;
        let max_parallel = group.migrate.as_ref().map_or(1, |migrate| migrate.max_parallel);
        let must_stay = (group.count - max_parallel).max(0);
        let healthy = members(self.view, &job.id, &group.name).filter(|alloc| is_healthy(alloc)).count() as i64;
        let spare = self.spare.entry((&job.id, &group.name)).or_insert(healthy - must_stay);
        if *spare > 0 && is_healthy(alloc) {
            *spare -= 1;
            return None;
        }
        if !is_healthy(alloc) {
            return Some("its health is not known yet".to_owned());
        }
        Some(self.explain(&job.id, &group.name, healthy, must_stay, group.count))
    }

    fn explain(&self, job: &str, group: &str, healthy: i64, must_stay: i64, count: i64) -> String {
        let mut text = format!("{healthy} of {count} {job}.{group} healthy, {must_stay} must stay");
        let mut elsewhere: Vec<String> = members(self.view, job, group)
            .filter(|alloc| !is_healthy(alloc))
            .map(|alloc| format!("{} on {} is {}", alloc.name, alloc.node_name, condition(alloc)))
            .collect();
        let missing = count - members(self.view, job, group).filter(|alloc| !leaves(alloc)).count() as i64;
        if missing > 0 {
            let blocked: Vec<String> = self
                .view
                .nodes
                .iter()
                .filter_map(|node| crate::place::not_ready(node).map(|reason| format!("{}: {reason}", node.name)))
                .collect();
            elsewhere.push(format!("{missing} not placed ({})", blocked.join("; ")));
        }
        if !elsewhere.is_empty() {
            text.push_str(": ");
            text.push_str(&elsewhere.join(", "));
        }
        text
    }
}

/// A group that would have no healthy allocation left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    pub job_id: String,
    pub group: String,
    /// False: no other node could take a replacement, the group would be down for as long as the drain lasts. True: it is
    /// down until its replacement is healthy.
    pub replaceable: bool,
    pub text: String,
}

/// What a drain of this node would leave without any healthy allocation.
pub fn preview(view: &DrainView<'_>, node_id: &str, config: &SchedulerConfig) -> Vec<Objection> {
    let groups: BTreeSet<(&str, &str)> = view
        .allocs
        .iter()
        .filter(|alloc| alloc.node_id == node_id && !alloc.terminal() && job_type(view, alloc) == JobType::Service)
        .map(|alloc| (alloc.job_id.as_str(), alloc.task_group.as_str()))
        .collect();
    let mut objections = Vec::new();
    for (job_id, group_name) in groups {
        let others = || members(view, job_id, group_name).filter(|alloc| alloc.node_id != node_id);
        if others().any(|alloc| is_healthy(alloc) && !on_draining_node(view, alloc)) {
            continue;
        }
        let Some(job) = view.jobs.iter().find(|job| job.id == job_id && !job.stop) else { continue };
        let Some(group) = job.group(group_name) else { continue };
        let ledger = Ledger::of_allocs(view.nodes, view.allocs.iter());
        let leaving = members(view, job_id, group_name).find(|alloc| alloc.node_id == node_id);
        let request = Request { replaces: leaving, ..Request::new(job, group, config.algorithm, node_id) };
        let opinions = verdicts(view.nodes, &ledger, &request);
        let replaceable = opinions.iter().any(|(id, verdict)| id != node_id && matches!(verdict, Verdict::Fits { .. }));
        let text = if replaceable {
            format!(
                "{job_id}.{group_name} has no other healthy allocation: it is down until its replacement is healthy"
            )
        } else {
            let reasons: Vec<String> = opinions
                .iter()
                .filter(|(id, verdict)| id != node_id && !matches!(verdict, Verdict::OutOfScope(_)))
                .map(|(id, verdict)| format!("{}: {verdict}", name_of(view, id)))
                .collect();
            let reasons = if reasons.is_empty() { "there is none".to_owned() } else { reasons.join("; ") };
            format!(
                "{job_id}.{group_name} would have no healthy allocation, and no other node can take one ({reasons})"
            )
        };
        objections.push(Objection { job_id: job_id.to_owned(), group: group_name.to_owned(), replaceable, text });
    }
    objections
}

fn name_of<'a>(view: &DrainView<'a>, id: &'a str) -> &'a str {
    view.nodes.iter().find(|node| node.id == id).map_or(id, |node| node.name.as_str())
}

/// The group's allocations that the cluster has or is to have.
fn members<'a>(view: &DrainView<'a>, job_id: &str, group: &str) -> impl Iterator<Item = &'a Allocation> {
    let (job_id, group) = (job_id.to_owned(), group.to_owned());
    view.allocs.iter().filter(move |alloc| alloc.job_id == job_id && alloc.task_group == group && !alloc.terminal())
}

fn on_draining_node(view: &DrainView<'_>, alloc: &Allocation) -> bool {
    view.nodes.iter().any(|node| node.id == alloc.node_id && node.drain_strategy.is_some())
}

/// Serves, and is to stay. One that belongs to no deployment and has no verdict counts as soon as it runs.
fn is_healthy(alloc: &Allocation) -> bool {
    let untracked = alloc.deployment_id.is_empty()
        && alloc.deployment_health().is_none()
        && alloc.client_status == baton_model::AllocClientStatus::Running;
    !alloc.terminal() && !leaves(alloc) && (alloc.deployment_health() == Some(true) || untracked)
}

fn leaves(alloc: &Allocation) -> bool {
    alloc.server_terminal() || alloc.desired_transition.migrate == Some(true)
}

fn condition(alloc: &Allocation) -> &'static str {
    if leaves(alloc) {
        "leaving"
    } else if alloc.deployment_health() == Some(false) {
        "unhealthy"
    } else {
        "not healthy yet"
    }
}

fn job_type(view: &DrainView<'_>, alloc: &Allocation) -> JobType {
    let registered = view.jobs.iter().find(|job| job.id == alloc.job_id);
    registered.or(alloc.job.as_deref()).map_or(JobType::Service, |job| job.job_type)
}

fn mark_of(alloc: &Allocation, no_placement: bool) -> Mark {
    Mark { alloc_id: alloc.id.clone(), job_id: alloc.job_id.clone(), no_placement }
}
