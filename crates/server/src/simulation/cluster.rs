//! The server's commands, the duties' timing and the clients' doings, without threads, clocks and sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use baton_model::alloc::AllocDeploymentStatus;
use baton_model::deployment::DeploymentStatus;
use baton_model::node::{DriverInfo, Eligibility, NodeCpu, NodeDisk, NodeMemory, NodeStatus};
use baton_model::resources::NetworkResource;
use baton_model::task::{TaskRunState, TaskState};
use baton_model::{AllocClientStatus, Allocation, JobType, Nanos, Node, Timestamp};
use baton_store::{MemoryStore, Store};

use super::{jobs, rules};
use crate::alloc::AllocReport;
use crate::config::GcThresholds;
use crate::draft::Draft;
use crate::drain::{DrainRequest, DrainSpec};
use crate::error::ServerError;
use crate::job::{DispatchRequest, RegisterRequest, ScaleRequest, StopRequest};
use crate::state::State;
use crate::{alloc, deployment, drain, eval, gc, job, node, planner};

const REGION: &str = "global";
const NODES: usize = 4;
/// More evaluations than this without anything from outside never end.
const EVALUATIONS_MAX: usize = 400;
/// Rounds of peace after which everything must be at rest.
const ROUNDS_MAX: usize = 120;

/// xorshift: the same seed gives the same history.
pub(super) struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

pub(super) struct Cluster {
    pub(super) seed: u64,
    pub(super) state: State,
    pub(super) now: Timestamp,
    store: MemoryStore,
    random: Random,
    /// Nodes that answer.
    up: BTreeSet<String>,
    /// What happened, for whoever reads a failure.
    log: Vec<String>,
}

impl Cluster {
    pub(super) fn new(seed: u64) -> Self {
        crate::id::repeat_from(seed << 32);
        let catalog = baton_catalog::State::new("dc1");
        let mut cluster = Self {
            seed,
            state: State::empty(catalog),
            now: Timestamp(1_700_000_000_000_000_000),
            store: MemoryStore::new(),
            random: Random::new(seed),
            up: BTreeSet::new(),
            log: Vec::new(),
        };
        for number in 0..NODES {
            cluster.join(number);
        }
        cluster
    }

    /// Ends the test with everything that led here.
    pub(super) fn fail(&self, why: &str) -> ! {
        let shown = if std::env::var_os("BATON_SEED").is_some() { usize::MAX } else { 40 };
        let from = self.log.len().saturating_sub(shown);
        panic!("seed {}: {why}\n… {}", self.seed, self.log[from..].join("\n  "));
    }

    /// One transaction, and sometimes a crash after it.
    fn command<T>(
        &mut self,
        what: &'static str,
        command: impl FnOnce(&mut Draft) -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        let mut draft = Draft::new(self.state.clone(), REGION.into(), self.now);
        let outcome = draft.attempt(what, self.now, command);
        let (state, batch, _) = draft.into_parts();
        self.store.commit(&batch).expect("memory is never full");
        if state.index() != self.state.index() {
            self.log.push(format!("[{}] {what}: {:?}", state.index(), outcome.as_ref().err().map(ToString::to_string)));
        }
        self.state = state;
        if let Err(ServerError::Internal(what)) = &outcome {
            self.fail(&format!("a defect while {what}"));
        }
        if self.random.chance(5) {
            self.crash();
        }
        outcome
    }

    /// The state is read from the store again; nothing may be missing, nothing too much.
    fn crash(&mut self) {
        let loaded = State::load(&self.store, "dc1", Duration::ZERO).expect("the store is readable");
        if let Some(difference) = rules::difference(&self.state, &loaded) {
            self.fail(&format!("after a crash: {difference}"));
        }
        self.state = loaded;
    }

    fn join(&mut self, number: usize) {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let mut node = Node {
            name: format!("node-{number}"),
            datacenter: "dc1".to_owned(),
            meta: BTreeMap::from([("rack".to_owned(), ["a", "b"][number % 2].to_owned())]),
            ..Node::default()
        };
        node.id.clone_from(&id);
        node.drivers
            .insert("raw_exec".to_owned(), DriverInfo { detected: true, healthy: true, ..DriverInfo::default() });
        node.attributes.insert("consul.version".to_owned(), "1.8.7".to_owned());
        node.attributes.insert("os.signals".to_owned(), "SIGHUP,SIGTERM".to_owned());
        let resources = &mut node.node_resources;
        resources.cpu = NodeCpu { cpu_shares: 2000, ..NodeCpu::default() };
        resources.memory = NodeMemory { memory_mb: 1000 };
        resources.disk = NodeDisk { disk_mb: 10_000 };
        resources.networks = vec![NetworkResource { ip: "127.0.0.1".to_owned(), ..NetworkResource::default() }];
        resources.min_dynamic_port = 20_000;
        resources.max_dynamic_port = 20_009;
        self.command("registering a node", move |draft| node::register(draft, node)).expect("a node");
        self.up.insert(id);
    }

    fn some_node(&mut self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.random.below(NODES))
    }

    fn some_alloc(&mut self) -> Option<Allocation> {
        let mut live: Vec<_> = self.state.allocs().filter(|alloc| !alloc.client_terminal()).collect();
        live.sort_by_key(|alloc| (alloc.create_index, &alloc.name));
        (!live.is_empty()).then(|| (**live[self.random.below(live.len())]).clone())
    }

    fn some_deployment(&mut self) -> Option<String> {
        let mut open: Vec<_> = self.state.open_deployments().collect();
        open.sort_by_key(|one| one.create_index);
        (!open.is_empty()).then(|| open[self.random.below(open.len())].id.clone())
    }

    /// Something happens.
    pub(super) fn step(&mut self) {
        match self.random.below(100) {
            0..=11 => self.run_a_job(),
            12..=13 => self.stop_a_job(),
            14..=19 => self.touch_a_job(),
            20..=29 => self.touch_a_node(),
            30..=35 => self.touch_a_deployment(),
            36..=38 => {
                if let Some(one) = self.some_alloc() {
                    let delay = self.random.chance(50);
                    let _ = self.command("stopping an allocation", |draft| alloc::stop(draft, &one.id, delay));
                }
            }
            39..=41 => {
                let limits = if self.random.chance(50) { GcThresholds::everything() } else { GcThresholds::default() };
                self.command("collecting garbage", |draft| gc::collect(draft, &limits)).expect("garbage goes");
            }
            42..=54 => {
                let seconds = *self.random.of(&[1, 5, 40, 700, 4000, 90_000]);
                self.now = self.now.plus(Nanos::secs(seconds));
                self.log.push(format!("{seconds} s pass"));
            }
            _ => self.clients(false),
        }
        if self.random.chance(85) {
            self.duties();
        }
    }

    fn some_job(&mut self) -> String {
        let mut ids: Vec<String> = self.state.jobs().map(|job| job.id.clone()).collect();
        ids.push("missing".to_owned());
        self.random.of(&ids).clone()
    }

    fn run_a_job(&mut self) {
        let id = *self.random.of(&jobs::IDS);
        let job = jobs::some(id, &mut self.random);
        let group = &job.task_groups[0];
        self.log.push(format!(
            "{id}: {} {:?} {:?} {:?}",
            group.count, group.update, group.reschedule_policy, group.disconnect
        ));
        let preserve_counts = self.random.chance(20);
        let request = RegisterRequest { job, preserve_counts, ..RegisterRequest::default() };
        let _ = self.command("registering a job", |draft| {
            job::register::register(draft, request, REGION, baton_model::eval::trigger::JOB_REGISTER)
        });
    }

    fn stop_a_job(&mut self) {
        let request = StopRequest {
            job_id: self.some_job(),
            purge: self.random.chance(40),
            no_shutdown_delay: self.random.chance(20),
            eval_priority: 0,
        };
        self.log.push(format!("{request:?}"));
        let _ = self.command("stopping a job", |draft| job::stop::stop(draft, &request));
    }

    fn touch_a_job(&mut self) {
        let job_id = self.some_job();
        let number = self.random.below(5);
        let flag = self.random.chance(50);
        self.log.push(format!("job {job_id}, {number}"));
        match self.random.below(5) {
            0 => {
                let request = ScaleRequest { job_id, group: "group".to_owned(), count: Some(number as i64) };
                let _ = self.command("scaling a job", |draft| job::scale::scale(draft, &request, REGION));
            }
            1 => {
                let version = number as u64;
                let _ =
                    self.command("reverting a job", |draft| job::revert::revert(draft, &job_id, version, None, REGION));
            }
            2 => drop(self.command("evaluating a job", |draft| eval::request(draft, &job_id, flag))),
            3 => drop(self.command("launching a periodic job", |draft| job::periodic::force(draft, &job_id))),
            _ => {
                let request = DispatchRequest { job_id, ..DispatchRequest::default() };
                let _ = self.command("dispatching a job", |draft| job::dispatch::dispatch(draft, request));
            }
        }
    }

    fn touch_a_node(&mut self) {
        let id = self.some_node();
        let flag = self.random.chance(50);
        match self.random.below(8) {
            0 | 1 => self.down(&id),
            2 | 3 => self.revive(&id),
            4 => {
                let spec = DrainSpec {
                    deadline: *self.random.of(&[Nanos::secs(3600), Nanos::ZERO, Nanos::secs(-1)]),
                    ignore_system_jobs: flag,
                };
                let request = DrainRequest { node_id: id, spec: Some(spec), ..DrainRequest::default() };
                let _ = self.command("draining a node", |draft| drain::set(draft, &request));
            }
            5 => {
                let request = DrainRequest { node_id: id, mark_eligible: flag, ..DrainRequest::default() };
                let _ = self.command("ending a drain", |draft| drain::set(draft, &request));
            }
            6 => {
                let wanted = if flag { Eligibility::Eligible } else { Eligibility::Ineligible };
                let _ = self.command("changing eligibility", |draft| node::set_eligibility(draft, &id, wanted));
            }
            _ if !self.up.contains(&id) => drop(self.command("forgetting a node", |draft| node::purge(draft, &id))),
            _ => {}
        }
    }

    fn down(&mut self, id: &str) {
        if self.up.remove(id) {
            self.command("marking a node as down", |draft| node::expire(draft, id)).expect("a node expires");
        }
    }

    fn revive(&mut self, id: &str) {
        if self.state.node(id).is_none() {
            let number = id.rsplit('-').next().and_then(|digits| digits.parse().ok());
            return self.join(number.expect("its number"));
        }
        if self.up.insert(id.to_owned()) {
            self.command("reviving a node", |draft| node::revive(draft, id)).expect("a node comes back");
        }
    }

    fn touch_a_deployment(&mut self) {
        let Some(id) = self.some_deployment() else { return };
        match self.random.below(5) {
            0 => drop(self.command("pausing", |draft| deployment::pause(draft, &id, true))),
            1 | 2 => drop(self.command("resuming", |draft| deployment::pause(draft, &id, false))),
            3 => drop(self.command("promoting", |draft| deployment::promote(draft, &id, None, REGION))),
            _ => drop(self.command("failing", |draft| deployment::fail(draft, &id, REGION))),
        }
    }

    /// Clients do what they were told and tell what happened. `calm`: everything goes well.
    fn clients(&mut self, calm: bool) {
        let ids: Vec<String> = if calm { self.up.iter().cloned().collect() } else { vec![self.some_node()] };
        for id in ids.iter().filter(|id| self.up.contains(*id)).cloned().collect::<Vec<_>>() {
            let mut allocs: Vec<Allocation> = self.state.allocs_of_node(&id).map(|alloc| (**alloc).clone()).collect();
            allocs.sort_by_key(|alloc| (alloc.create_index, alloc.name.clone()));
            let reports: Vec<AllocReport> = allocs.iter().filter_map(|alloc| self.news(alloc, calm)).collect();
            if !reports.is_empty() {
                self.command("taking reports", |draft| alloc::report(draft, &id, reports)).expect("reports are taken");
            }
        }
    }

    /// What a client has to say about one of its allocations.
    fn news(&mut self, alloc: &Allocation, calm: bool) -> Option<AllocReport> {
        if alloc.client_terminal() || (!calm && self.random.chance(40)) {
            return None;
        }
        let mut report = AllocReport::from(alloc);
        if alloc.server_terminal() {
            self.end(&mut report, AllocClientStatus::Complete);
            return Some(report);
        }
        let job_type = alloc.job.as_ref().map_or(JobType::Service, |job| job.job_type);
        match alloc.client_status {
            AllocClientStatus::Pending | AllocClientStatus::Unknown => {
                report.client_status = AllocClientStatus::Running;
                let state = TaskState { state: TaskRunState::Running, started_at: self.now, ..TaskState::default() };
                report.task_states.entry("main".to_owned()).or_insert(state);
                report.handover = self.seed.is_multiple_of(3) && !job_type.is_batch();
            }
            _ if !calm && self.random.chance(15) => {
                self.end(&mut report, AllocClientStatus::Failed);
                if !alloc.deployment_id.is_empty() {
                    self.judge(&mut report, false);
                }
                if !alloc.succeeds.is_empty() && self.random.chance(30) {
                    report.client_description = "succession failed: address in use".to_owned();
                }
            }
            _ if job_type.is_batch() && (calm || self.random.chance(50)) => {
                self.end(&mut report, AllocClientStatus::Complete);
            }
            _ if alloc.deployment_health().is_none() && !job_type.is_batch() => {
                let healthy = calm || self.random.chance(85);
                self.judge(&mut report, healthy);
            }
            _ => return None,
        }
        Some(report)
    }

    fn end(&self, report: &mut AllocReport, status: AllocClientStatus) {
        report.client_status = status;
        let state = report.task_states.entry("main".to_owned()).or_default();
        state.state = TaskRunState::Dead;
        state.failed = status == AllocClientStatus::Failed;
        state.finished_at = self.now;
    }

    fn judge(&self, report: &mut AllocReport, healthy: bool) {
        let canary = report.deployment_status.as_ref().is_some_and(|status| status.canary);
        report.deployment_status =
            Some(AllocDeploymentStatus { healthy: Some(healthy), timestamp: self.now, canary, modify_index: 0 });
    }

    /// What the server does by itself until nothing is due.
    fn duties(&mut self) {
        for _ in 0..EVALUATIONS_MAX {
            if drain::next_deadline(&self.state, self.now).is_some_and(|deadline| deadline <= self.now) {
                self.command("ending a drain", |_| Ok(())).expect("a drain ends");
            }
            for (id, deadline) in deployment::deadlines(&self.state, self.now) {
                if deadline <= self.now {
                    let look = |draft: &mut Draft| {
                        draft.touch_job(&id);
                        Ok(())
                    };
                    self.command("looking at a deployment", look).expect("a look");
                }
            }
            let due: Vec<_> =
                job::periodic::launches(&self.state, self.now).filter(|(_, at)| *at <= self.now).collect();
            for (id, at) in due {
                self.command("launching", |draft| job::periodic::launch(draft, &id, at)).expect("a launch");
            }
            let Some(id) = eval::next_due(&self.state, self.now) else { return };
            self.judge_plan(&id);
            self.command("processing an evaluation", |draft| eval::process(draft, &id)).expect("a plan");
        }
        self.fail("evaluations without end");
    }

    fn judge_plan(&mut self, eval_id: &str) {
        let Some(eval) = self.state.eval(eval_id).cloned() else { return };
        let eval = &*eval;
        let job = self.state.job(&eval.job_id).map(|job| &**job);
        let plan = planner::plan(&self.state, job, eval, self.now);
        self.log.push(format!(
            "{} for {}: stops {:?}, places {:?}, in place {}, failed {}, follow-ups {}, deployment {:?} {:?}",
            eval.job_id,
            eval.triggered_by,
            plan.stops.iter().map(|stop| baton_model::id::short(&stop.alloc_id)).collect::<Vec<_>>(),
            plan.placements.iter().map(|alloc| (&alloc.name, &alloc.previous_allocation)).collect::<Vec<_>>(),
            plan.in_place.len(),
            plan.failed.len(),
            plan.follow_ups.len(),
            plan.deployment.as_ref().map(|one| baton_model::id::short(&one.id)),
            plan.deployment_updates
        ));
        let violations = planner::violations(&self.state, job, eval, self.now, &plan);
        if !violations.is_empty() {
            self.fail(&format!("{violations:?}\n{plan:#?}"));
        }
    }

    /// From now on nothing bad happens: every node is there, nobody holds anything up, every task does well.
    pub(super) fn calm_down(&mut self) {
        self.log.push("peace".to_owned());
        for number in 0..NODES {
            let id = format!("00000000-0000-4000-8000-{number:012}");
            self.revive(&id);
            let request = DrainRequest { node_id: id, mark_eligible: true, ..DrainRequest::default() };
            self.command("ending a drain", |draft| drain::set(draft, &request)).expect("a drain ends");
        }
        for id in ["nightly", "work"] {
            let request = StopRequest { job_id: id.to_owned(), ..StopRequest::default() };
            let _ = self.command("stopping a job", |draft| job::stop::stop(draft, &request));
        }
        for round in 0..ROUNDS_MAX {
            let before = self.state.index();
            self.duties();
            self.clients(true);
            let open: Vec<_> = self.state.open_deployments().cloned().collect();
            for one in open {
                if one.status == DeploymentStatus::Paused {
                    let _ = self.command("resuming", |draft| deployment::pause(draft, &one.id, false));
                }
                if one.requires_promotion() {
                    let _ = self.command("promoting", |draft| deployment::promote(draft, &one.id, None, REGION));
                }
            }
            self.duties();
            self.now = self.now.plus(Nanos::secs(if round % 3 == 0 { 4000 } else { 45 }));
            if self.state.index() == before && round > 6 {
                self.crash();
                return;
            }
        }
        let open = self.state.open_deployments().filter_map(|one| self.state.job(&one.job_id));
        let told: Vec<String> = open.map(|job| rules::told(&self.state, job)).collect();
        self.fail(&format!("no rest{}", told.join("\n")));
    }

    pub(super) fn all_nodes_ready(&self) -> bool {
        self.state.nodes().all(|node| node.status == NodeStatus::Ready && node.ready())
    }
}
