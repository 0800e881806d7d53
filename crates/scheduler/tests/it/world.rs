//! A small cluster in memory: applies plans as the server does, and plays the clients.

use std::collections::BTreeSet;
use std::sync::Arc;

use baton_model::alloc::AllocDeploymentStatus;
use baton_model::deployment::DeploymentStatus;
use baton_model::eval::{EvalStatus, trigger};
use baton_model::node::{DrainStrategy, Eligibility, NodeStatus};
use baton_model::plan::Plan;
use baton_model::task::{TaskRunState, TaskState};
use baton_model::{AllocClientStatus, Allocation, Deployment, Evaluation, Job, Nanos, Node, Timestamp};
use baton_scheduler::deployment::{self, DeploymentAction};
use baton_scheduler::{SchedulerConfig, Snapshot, check, drain, effect, schedule};

const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) nodes: Vec<Node>,
    /// The latest version of each job.
    pub(crate) jobs: Vec<Job>,
    /// Every version ever registered.
    pub(crate) versions: Vec<Job>,
    pub(crate) allocs: Vec<Allocation>,
    pub(crate) deployments: Vec<Deployment>,
    /// Pending ones with their time, and at most one blocked one per job.
    pub(crate) evals: Vec<Evaluation>,
    pub(crate) holds: BTreeSet<String>,
    pub(crate) config: SchedulerConfig,
    next_id: u64,
    index: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: START,
            nodes: Vec::new(),
            jobs: Vec::new(),
            versions: Vec::new(),
            allocs: Vec::new(),
            deployments: Vec::new(),
            evals: Vec::new(),
            holds: BTreeSet::new(),
            config: SchedulerConfig::default(),
            next_id: 0,
            index: 0,
        }
    }

    pub(crate) fn since_start(&self, time: Timestamp) -> i64 {
        time.since(START).0 / 1_000_000_000
    }

    fn new_index(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    pub(crate) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    pub(crate) fn node_mut(&mut self, name: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.name == name).unwrap_or_else(|| panic!("no node {name}"))
    }

    pub(crate) fn alloc_mut(&mut self, id: &str) -> &mut Allocation {
        self.allocs.iter_mut().find(|alloc| alloc.id == id).unwrap_or_else(|| panic!("no allocation {id}"))
    }

    /// As the server does it: a new version only when the specification changed.
    pub(crate) fn register(&mut self, mut job: Job) {
        let index = self.new_index();
        job.modify_index = index;
        job.create_index = index;
        job.job_modify_index = index;
        if let Some(old) = self.jobs.iter().find(|old| old.id == job.id) {
            job.create_index = old.create_index;
            job.version = old.version + 1;
            if old.same_specification(&Job { stop: old.stop, ..job.clone() }) && !old.stop {
                job.version = old.version;
                job.job_modify_index = old.job_modify_index;
            }
        }
        self.jobs.retain(|old| old.id != job.id);
        self.versions.push(job.clone());
        self.jobs.push(job);
    }

    pub(crate) fn evaluation(&mut self, job_id: &str, triggered_by: &str) -> Evaluation {
        self.next_id += 1;
        let job = self.job(job_id);
        Evaluation {
            id: format!("e{}", self.next_id),
            job_id: job_id.to_owned(),
            job_type: job.map(|job| job.job_type).unwrap_or_default(),
            priority: job.map_or(50, |job| job.priority),
            triggered_by: triggered_by.to_owned(),
            create_time: self.now,
            ..Evaluation::default()
        }
    }

    /// Plans without committing.
    pub(crate) fn plan(&mut self, eval: &Evaluation) -> Plan {
        let live: Vec<Allocation> = self.allocs.iter().filter(|alloc| !alloc.client_terminal()).cloned().collect();
        let own: Vec<Allocation> = self.allocs.iter().filter(|alloc| alloc.job_id == eval.job_id).cloned().collect();
        let deployments: Vec<Arc<Deployment>> =
            self.deployments.iter().filter(|one| one.job_id == eval.job_id).cloned().map(Arc::new).collect();
        let latest = deployments.last();
        let mut versions: Vec<Arc<Job>> = Vec::new();
        for version in self.versions.iter().rev().filter(|job| job.id == eval.job_id) {
            if versions.last().is_none_or(|newer| newer.version != version.version) {
                versions.push(Arc::new(version.clone()));
            }
        }
        let job = self.job(&eval.job_id).cloned();
        let first_id = self.next_id;
        let ids_from = |mut next: u64| {
            move || {
                next += 1;
                format!("x{next}")
            }
        };
        let (mut once, mut again, mut none) = (ids_from(first_id), ids_from(first_id), String::new);
        let snapshot = |ids| Snapshot {
            job: job.as_ref(),
            job_id: &eval.job_id,
            allocs: &own,
            nodes: &self.nodes,
            node_allocs: &live,
            versions: &versions,
            deployment: latest.map(|one| &**one),
            deployments: &deployments,
            eval,
            now: self.now,
            config: &self.config,
            holds: &self.holds,
            ids,
        };
        let plan = schedule(snapshot(&mut once));
        assert_eq!(plan, schedule(snapshot(&mut again)), "the same snapshot, another plan");
        let violations = check::check(&snapshot(&mut none), &plan);
        assert!(violations.is_empty(), "{violations:?}\n{plan:#?}");
        // More than any plan draws.
        self.next_id += 1_000;
        plan
    }

    pub(crate) fn commit(&mut self, eval: &Evaluation, plan: &Plan) {
        effect::commit(&mut self.allocs, plan, self.now);
        if let Some(new) = &plan.deployment {
            self.deployments.retain(|old| old.id != new.id);
            self.deployments.push(new.clone());
        }
        for update in &plan.deployment_updates {
            let found = self.deployments.iter_mut().find(|deployment| deployment.id == update.deployment_id);
            let deployment = found.expect("updates a known deployment");
            deployment.status = update.status;
            deployment.status_description.clone_from(&update.status_description);
            if update.status == DeploymentStatus::Successful {
                let (job_id, version) = (deployment.job_id.clone(), deployment.job_version);
                for job in self.jobs.iter_mut().chain(&mut self.versions) {
                    job.stable |= job.id == job_id && job.version == version;
                }
            }
        }
        self.evals.retain(|old| old.id != eval.id);
        for follow_up in &plan.follow_ups {
            if follow_up.status == EvalStatus::Blocked {
                self.evals.retain(|old| old.status != EvalStatus::Blocked || old.job_id != follow_up.job_id);
            }
            self.evals.push(follow_up.clone());
        }
        if plan.eval_outcome.status == EvalStatus::Blocked {
            self.evals.push(Evaluation { status: EvalStatus::Blocked, ..eval.clone() });
        } else if plan.failed.is_empty() {
            self.evals.retain(|old| old.status != EvalStatus::Blocked || old.job_id != eval.job_id);
        }
    }

    /// Clients end what is not wanted, on nodes that are there.
    pub(crate) fn settle_clients(&mut self) -> bool {
        let mut changed = false;
        let up: BTreeSet<String> =
            self.nodes.iter().filter(|node| node.status == NodeStatus::Ready).map(|node| node.id.clone()).collect();
        let now = self.now;
        for alloc in &mut self.allocs {
            if alloc.server_terminal() && !alloc.client_terminal() && up.contains(&alloc.node_id) {
                finish(alloc, AllocClientStatus::Complete, now);
                changed = true;
            }
        }
        changed
    }

    pub(crate) fn set_running(&mut self, id: &str) {
        let now = self.now;
        let alloc = self.alloc_mut(id);
        alloc.client_status = AllocClientStatus::Running;
        let group = alloc.job.as_ref().and_then(|job| job.group(&alloc.task_group)).expect("its group").clone();
        for task in &group.tasks {
            let state = TaskState { state: TaskRunState::Running, started_at: now, ..TaskState::default() };
            alloc.task_states.entry(task.name.clone()).or_insert(state);
        }
    }

    pub(crate) fn set_health(&mut self, id: &str, healthy: bool) {
        let now = self.now;
        let alloc = self.alloc_mut(id);
        let canary = alloc.is_canary();
        alloc.deployment_status =
            Some(AllocDeploymentStatus { healthy: Some(healthy), timestamp: now, canary, ..Default::default() });
    }

    pub(crate) fn end(&mut self, id: &str, status: AllocClientStatus) {
        self.set_running(id);
        let now = self.now;
        finish(self.alloc_mut(id), status, now);
    }

    pub(crate) fn drain_node(&mut self, name: &str, deadline: Nanos) {
        let now = self.now;
        let node = self.node_mut(name);
        node.scheduling_eligibility = Eligibility::Ineligible;
        let force_deadline = if deadline.0 > 0 { now.plus(deadline) } else { Timestamp::NEVER };
        node.drain_strategy =
            Some(DrainStrategy { deadline, force_deadline, started_at: now, ..DrainStrategy::default() });
    }

    pub(crate) fn drain_view(&self) -> drain::DrainView<'_> {
        drain::DrainView {
            nodes: &self.nodes,
            allocs: &self.allocs,
            jobs: &self.jobs,
            holds: &self.holds,
            now: self.now,
        }
    }

    /// One look of the drainer; the jobs to evaluate, and its words.
    pub(crate) fn step_drains(&mut self) -> (BTreeSet<String>, drain::DrainStep) {
        let step = drain::step(&self.drain_view());
        let mut jobs = BTreeSet::new();
        for mark in &step.mark {
            let alloc = self.alloc_mut(&mark.alloc_id);
            alloc.desired_transition.migrate = Some(true);
            if mark.no_placement {
                alloc.desired_transition.migrate_disable_placement = Some(true);
            }
            jobs.insert(mark.job_id.clone());
        }
        for drained in step.nodes.iter().filter(|node| node.done) {
            let node = self.nodes.iter_mut().find(|node| node.id == drained.node_id).expect("a known node");
            node.drain_strategy = None;
        }
        (jobs, step)
    }

    /// One look at every deployment; the jobs to evaluate, and what happened.
    pub(crate) fn step_deployments(&mut self) -> (BTreeSet<String>, Vec<String>) {
        let (mut jobs, mut words) = (BTreeSet::new(), Vec::new());
        for index in 0..self.deployments.len() {
            let deployment = self.deployments[index].clone();
            if !deployment.status.is_active() {
                continue;
            }
            let Some(job) = self
                .versions
                .iter()
                .rev()
                .find(|job| job.id == deployment.job_id && job.version == deployment.job_version)
            else {
                continue;
            };
            let stable = self
                .versions
                .iter()
                .rev()
                .find(|other| other.id == job.id && other.stable && other.version != job.version)
                .cloned();
            let step = deployment::step(&deployment, &job.clone(), &self.allocs, self.now, stable.as_ref());
            let job_id = deployment.job_id.clone();
            self.apply_deployment(step, &job_id, stable.as_ref(), &mut jobs, &mut words);
        }
        (jobs, words)
    }

    pub(crate) fn apply_deployment(
        &mut self,
        step: deployment::DeploymentStep,
        job_id: &str,
        stable: Option<&Job>,
        jobs: &mut BTreeSet<String>,
        words: &mut Vec<String>,
    ) {
        let slot = self.deployments.iter_mut().find(|old| old.id == step.deployment.id).expect("a known deployment");
        *slot = step.deployment.clone();
        for action in step.actions {
            jobs.insert(job_id.to_owned());
            match action {
                DeploymentAction::Evaluate => {}
                DeploymentAction::Reschedule(ids) => {
                    for id in ids {
                        self.alloc_mut(&id).desired_transition.reschedule = Some(true);
                    }
                }
                DeploymentAction::Promote { canaries } => {
                    words.push("deployment promoted".to_owned());
                    for id in canaries {
                        self.alloc_mut(&id).deployment_status.as_mut().expect("a canary").canary = false;
                    }
                }
                DeploymentAction::Fail => {
                    words.push(format!("deployment failed: {}", step.deployment.status_description));
                }
                DeploymentAction::Revert { version } => {
                    let target = stable.expect("a stable version").clone();
                    assert_eq!(target.version, version);
                    self.register(Job { stable: false, ..target });
                }
            }
        }
    }

    /// Jobs with a successor that is ready while the old one is still wanted: its client's report makes an evaluation.
    pub(crate) fn proven_successions(&self) -> BTreeSet<String> {
        let ready = |new: &&Allocation| {
            !new.terminal()
                && (new.deployment_health() == Some(true)
                    || (new.deployment_id.is_empty() && new.deployment_health().is_none() && new.handover))
                && self.allocs.iter().any(|old| old.id == new.succeeds && !old.terminal())
        };
        self.allocs.iter().filter(ready).map(|alloc| alloc.job_id.clone()).collect()
    }

    /// Evaluations that are due.
    pub(crate) fn take_due(&mut self) -> Vec<Evaluation> {
        let now = self.now;
        let (due, rest) = std::mem::take(&mut self.evals)
            .into_iter()
            .partition(|eval| eval.status == EvalStatus::Pending && eval.wait_until <= now);
        self.evals = rest;
        due
    }

    /// Blocked evaluations get another chance.
    pub(crate) fn take_blocked(&mut self) -> Vec<Evaluation> {
        let (blocked, rest) =
            std::mem::take(&mut self.evals).into_iter().partition(|eval| eval.status == EvalStatus::Blocked);
        self.evals = rest;
        blocked
    }

    /// The jobs that have something on the node.
    pub(crate) fn jobs_on(&self, node_id: &str) -> BTreeSet<String> {
        self.allocs.iter().filter(|alloc| alloc.node_id == node_id).map(|alloc| alloc.job_id.clone()).collect()
    }

    /// System jobs look at every new node.
    pub(crate) fn system_jobs(&self) -> BTreeSet<String> {
        self.jobs.iter().filter(|job| job.job_type.is_system()).map(|job| job.id.clone()).collect()
    }

    pub(crate) fn register_evaluation(&mut self, job_id: &str) -> Evaluation {
        self.evaluation(job_id, trigger::JOB_REGISTER)
    }
}

fn finish(alloc: &mut Allocation, status: AllocClientStatus, now: Timestamp) {
    alloc.client_status = status;
    for state in alloc.task_states.values_mut() {
        state.state = TaskRunState::Dead;
        state.failed = status == AllocClientStatus::Failed;
        state.finished_at = now;
    }
    alloc.modify_time = now;
}
