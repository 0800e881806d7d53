//! A plan under construction, with the ledger that shows its effect so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_model::alloc::AllocMetric;
use baton_model::eval::{EvalStatus, trigger};
use baton_model::plan::{Plan, Stop};
use baton_model::{AllocClientStatus, Allocation, Deployment, Evaluation, Job, TaskGroup};

use crate::ledger::Ledger;
use crate::place::Found;
use crate::snapshot::Snapshot;

pub(crate) struct Planner<'a> {
    pub(crate) snapshot: Snapshot<'a>,
    pub(crate) ledger: Ledger<'a>,
    pub(crate) plan: Plan,
    /// Groups, with the job's version, for which no node has room, and what the nodes said.
    pub(crate) no_room: BTreeMap<(String, u64), Box<AllocMetric>>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(snapshot: Snapshot<'a>, ledger: Ledger<'a>) -> Self {
        let plan = Plan { eval_id: snapshot.eval.id.clone(), ..Plan::default() };
        Self { snapshot, ledger, plan, no_room: BTreeMap::new() }
    }

    pub(crate) fn new_id(&mut self) -> String {
        (self.snapshot.ids)()
    }

    pub(crate) fn stop(&mut self, alloc: &'a Allocation, description: &str, client_status: Option<AllocClientStatus>) {
        self.ledger.remove(alloc);
        self.plan.stops.push(Stop {
            alloc_id: alloc.id.clone(),
            description: description.to_owned(),
            client_status,
            ..Stop::default()
        });
    }

    pub(crate) fn add(&mut self, alloc: Allocation) {
        self.ledger.add(&alloc);
        self.plan.placements.push(alloc);
    }

    pub(crate) fn fail(&mut self, group: &str, metrics: AllocMetric) {
        *self.plan.queued.entry(group.to_owned()).or_insert(0) += 1;
        self.plan.failed.entry(group.to_owned()).and_modify(|first| first.coalesced_failures += 1).or_insert(metrics);
    }

    pub(crate) fn start_deployment(&mut self, deployment: Option<Deployment>) {
        self.plan.deployment = deployment;
    }

    /// The deployment that a group's new allocations belong to; empty when there is none.
    pub(crate) fn deployment_id(&self, group: &str) -> String {
        let running = self.snapshot.deployment.filter(|deployment| {
            deployment.status.is_active()
                && self.snapshot.job.is_some_and(|job| {
                    job.version == deployment.job_version && job.create_index == deployment.job_create_index
                })
        });
        self.plan
            .deployment
            .as_ref()
            .or(running)
            .filter(|deployment| deployment.task_groups.contains_key(group))
            .map(|deployment| deployment.id.clone())
            .unwrap_or_default()
    }

    pub(crate) fn new_alloc(
        &self,
        id: String,
        job: &Arc<Job>,
        group: &TaskGroup,
        name: String,
        found: Found<'_>,
    ) -> Allocation {
        Allocation {
            id,
            namespace: job.namespace.clone(),
            eval_id: self.snapshot.eval.id.clone(),
            name,
            node_id: found.node.id.clone(),
            node_name: found.node.name.clone(),
            job_id: job.id.clone(),
            job: Some(Arc::clone(job)),
            task_group: group.name.clone(),
            allocated_resources: found.resources,
            deployment_id: self.deployment_id(&group.name),
            metrics: found.metrics,
            create_time: self.snapshot.now,
            modify_time: self.snapshot.now,
            ..Allocation::default()
        }
    }

    /// Settles the evaluation: complete, with a blocked one to follow when something found no room.
    pub(crate) fn finish(mut self) -> Plan {
        self.settle();
        self.plan
    }

    fn settle(&mut self) {
        for group in self.plan.desired.keys() {
            self.plan.queued.entry(group.clone()).or_insert(0);
        }
        let eval = self.snapshot.eval;
        let outcome = &mut self.plan.eval_outcome;
        outcome.status = EvalStatus::Complete;
        outcome.deployment_id = match (&self.plan.deployment, self.snapshot.deployment) {
            (Some(new), _) => new.id.clone(),
            (None, Some(latest)) if latest.status.is_active() && self.plan.deployment_updates.is_empty() => {
                latest.id.clone()
            }
            _ => String::new(),
        };
        if self.plan.failed.is_empty() {
            return;
        }
        if eval.triggered_by == trigger::QUEUED_ALLOCS {
            outcome.status = EvalStatus::Blocked;
            return;
        }
        let blocked = Evaluation {
            id: (self.snapshot.ids)(),
            status: EvalStatus::Blocked,
            status_description: "created to place remaining allocations".to_owned(),
            triggered_by: trigger::QUEUED_ALLOCS.to_owned(),
            previous_eval: eval.id.clone(),
            failed_tg_allocs: self.plan.failed.clone(),
            queued_allocations: self.plan.queued.clone(),
            create_time: self.snapshot.now,
            modify_time: self.snapshot.now,
            blocked_eval: String::new(),
            next_eval: String::new(),
            wait_until: baton_model::Timestamp::NEVER,
            annotate_plan: false,
            ..eval.clone()
        };
        outcome.blocked_eval.clone_from(&blocked.id);
        self.plan.follow_ups.push(blocked);
    }
}
