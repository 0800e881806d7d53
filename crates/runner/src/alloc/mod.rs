//! One allocation: its tasks in their order, its health, its end.
//!
//! An actor per allocation. What is to be done follows from the states of the tasks alone ([`Runner::advance`]), so that a
//! restarted agent goes on where the old one was.

pub mod dir;
mod lifecycle;
mod report;
mod stop;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use baton_model::alloc::AllocDeploymentStatus;
use baton_model::task::{TaskEvent, TaskRunState, event};
use baton_model::{Allocation, Job, JobType, TaskGroup};
use baton_scheduler::health::{HealthParams, HealthTracker, Verdict};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::client::Shared;
use crate::service;
use crate::state::{self, AllocState};
use crate::task::{self, Command, Handle, Setup, Snapshot, events};
use dir::AllocDir;
use lifecycle::Role;

/// Commands that wait for an allocation.
const COMMANDS_MAX: usize = 64;
/// Longest sleep of the actor: a clock that jumped must not delay health for ever.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What the client tells an allocation.
#[derive(Debug)]
pub(crate) enum AllocCommand {
    /// The server changed it.
    Update(Box<Allocation>),
    /// End it here without being asked by the server: the agent ends everything, or a successor needs its place.
    Stop {
        reason: String,
    },
    /// Restart one task, or all that run.
    Restart {
        task: Option<String>,
        done: oneshot::Sender<Result<(), String>>,
    },
    Signal {
        task: Option<String>,
        signal: String,
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Take directory and state away; it must have ended.
    Destroy,
}

/// Whether a successor has the sockets yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Succession {
    /// No successor, or done, or given up.
    #[default]
    Settled,
    /// The old one must not be stopped yet.
    Trying,
}

/// The client's end of an allocation.
#[derive(Clone)]
pub(crate) struct AllocHandle {
    pub(crate) commands: mpsc::Sender<AllocCommand>,
    pub(crate) report: watch::Receiver<Report>,
    pub(crate) succession: watch::Receiver<Succession>,
    pub(crate) succeeds: String,
    pub(crate) dir: AllocDir,
}

/// What the server and others on this node are told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// Ids and the client's fields only.
    pub(crate) alloc: Allocation,
    pub(crate) ended: bool,
}

pub(crate) fn spawn(shared: Arc<Shared>, state: AllocState) -> Option<AllocHandle> {
    let alloc = Arc::new(state.alloc);
    let job = alloc.job.clone()?;
    let group = job.group(&alloc.task_group)?.clone();
    let dir = AllocDir::new(&shared.config.alloc_dir, &alloc.id);
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let (report, watch) = watch::channel(Report::default());
    let (succession, succession_watch) = watch::channel(Succession::Settled);
    let handle = AllocHandle {
        commands,
        report: watch,
        succession: succession_watch,
        succeeds: alloc.succeeds.clone(),
        dir: dir.clone(),
    };
    let mut runner = Runner {
        shared,
        job,
        group,
        dir,
        tasks: BTreeMap::new(),
        past: state.tasks,
        wake: Arc::new(Notify::new()),
        tracker: None,
        health: state.health,
        problem: None,
        killing: false,
        stopping: None,
        ended: state.ended,
        group_services: false,
        report,
        succession,
        successions: Vec::new(),
        written: AllocState::default(),
        released: BTreeSet::new(),
        alloc,
    };
    if runner.worth_succeeding() {
        // Said before anyone can look: the old one waits for this.
        runner.succession.send_replace(Succession::Trying);
    }
    runner.fill_report();
    tokio::spawn(runner.run(inbox));
    Some(handle)
}

struct Runner {
    shared: Arc<Shared>,
    alloc: Arc<Allocation>,
    job: Arc<Job>,
    group: TaskGroup,
    dir: AllocDir,
    /// Tasks that were begun, with those re-attached.
    tasks: BTreeMap<String, Handle>,
    /// What an earlier agent knew of tasks that are not begun again yet.
    past: BTreeMap<String, Snapshot>,
    wake: Arc<Notify>,
    tracker: Option<HealthTracker>,
    health: Option<AllocDeploymentStatus>,
    /// Why it cannot run at all.
    problem: Option<String>,
    /// No task is begun any more, except after the end.
    killing: bool,
    stopping: Option<AbortHandle>,
    ended: bool,
    group_services: bool,
    report: watch::Sender<Report>,
    succession: watch::Sender<Succession>,
    /// Tasks that take over sockets and have not said how it went.
    successions: Vec<(String, oneshot::Receiver<Result<(), String>>)>,
    written: AllocState,
    /// Dead tasks that the keeper has forgotten.
    released: BTreeSet<String>,
}

impl Runner {
    async fn run(mut self, mut inbox: mpsc::Receiver<AllocCommand>) {
        self.publish().await;
        if !self.ended && !self.wait_for_previous(&mut inbox).await {
            return;
        }
        if !self.ended
            && let Err(error) = self.dir.build()
        {
            self.problem = Some(format!("failed to build allocation directory {}: {error}", self.dir.root().display()));
            self.killing = true;
        }
        // What an earlier agent had begun is taken up before anything is decided, so that it can be ended too.
        for name in self.past.keys().cloned().collect::<Vec<_>>() {
            self.begin(&name);
        }
        let mut service_changes = self.shared.services.changes();
        loop {
            service_changes.borrow_and_update();
            self.advance().await;
            let look_at = self.judge_health().await;
            self.publish().await;
            let command = tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => command,
                    None => return,
                },
                () = self.wake.notified() => continue,
                _ = service_changes.changed(), if self.tracker.is_some() => continue,
                () = tokio::time::sleep_until(look_at) => continue,
                (task, outcome) = next_succession(&mut self.successions) => {
                    if !self.succeeded(&task, outcome, &mut inbox).await {
                        return;
                    }
                    continue;
                }
            };
            if matches!(command, AllocCommand::Destroy) {
                if self.ended {
                    self.destroy().await;
                    return;
                }
                self.stop("Allocation was removed by the server");
                continue;
            }
            self.command(command).await;
        }
    }

    async fn command(&mut self, command: AllocCommand) {
        match command {
            AllocCommand::Update(alloc) => self.update(*alloc).await,
            AllocCommand::Stop { reason } => self.stop(&reason),
            AllocCommand::Restart { task, done } => {
                let result = self.each(task.as_deref(), |_| Command::Restart {
                    reason: "User requested task to restart".to_owned(),
                });
                let _ = done.send(result.await);
            }
            AllocCommand::Signal { task, signal, done } => {
                if task::driver::signal(&signal).is_none() {
                    let _ = done.send(Err(format!("unknown signal {signal:?}")));
                    return;
                }
                let result = self.each(task.as_deref(), |_| Command::Signal {
                    signal: signal.clone(),
                    reason: "User requested".to_owned(),
                    done: None,
                });
                let _ = done.send(result.await);
            }
            AllocCommand::Destroy => {}
        }
    }

    /// Sends a command to one task, or to all that run.
    async fn each(&self, task: Option<&str>, command: impl Fn(&str) -> Command) -> Result<(), String> {
        let chosen: Vec<&String> = match task {
            Some(name) if self.group.task(name).is_none() => return Err(format!("task {name:?} not found")),
            Some(name) => self.tasks.keys().filter(|key| *key == name).collect(),
            None => self.tasks.keys().collect(),
        };
        let mut sent = 0;
        for name in chosen {
            let Some(handle) = self.tasks.get(name) else { continue };
            if handle.snapshot.borrow().state.state == TaskRunState::Running {
                handle.send(command(name)).await;
                sent += 1;
            }
        }
        if sent == 0 { Err("Task not running".to_owned()) } else { Ok(()) }
    }

    async fn update(&mut self, alloc: Allocation) {
        let Some(job) = alloc.job.clone().or_else(|| Some(self.job.clone())) else { return };
        let Some(group) = job.group(&alloc.task_group).cloned() else { return };
        let other_deployment = alloc.deployment_id != self.alloc.deployment_id;
        let changed = *self.job != *job || other_deployment || alloc.is_canary() != self.alloc.is_canary();
        self.alloc = Arc::new(Allocation { job: Some(job.clone()), ..alloc });
        self.job = job;
        self.group = group;
        if other_deployment {
            self.health = None;
            self.tracker = None;
        }
        if changed && !self.killing {
            for (name, handle) in &self.tasks {
                if let Some(setup) = self.setup(name) {
                    handle.send(Command::Update(Box::new(setup))).await;
                }
            }
            self.group_services = false;
        }
        if self.alloc.server_terminal() {
            self.stop("");
        }
    }

    fn setup(&self, task: &str) -> Option<Setup> {
        Some(Setup {
            alloc: self.alloc.clone(),
            job: self.job.clone(),
            group: self.group.clone(),
            task: self.group.task(task)?.clone(),
        })
    }

    /// A replacement on the same node waits until the old one is gone, unless it takes over beside it.
    async fn wait_for_previous(&mut self, inbox: &mut mpsc::Receiver<AllocCommand>) -> bool {
        let previous = self.alloc.previous_allocation.clone();
        if previous.is_empty() || previous == self.alloc.succeeds || !self.past.is_empty() {
            return true;
        }
        self.wait_ended(&previous, inbox).await
    }

    /// False when the agent ends meanwhile.
    async fn wait_ended(&mut self, other: &str, inbox: &mut mpsc::Receiver<AllocCommand>) -> bool {
        let Some(handle) = self.shared.alloc(other) else { return true };
        let mut report = handle.report.clone();
        loop {
            let command = tokio::select! {
                _ = report.wait_for(|report| report.ended) => return true,
                command = inbox.recv() => command,
            };
            match command {
                None => return false,
                Some(AllocCommand::Destroy) => self.stop("Allocation was removed by the server"),
                Some(command) => self.command(command).await,
            }
            if self.killing {
                return true;
            }
        }
    }

    /// The old one is here, runs, and has stored its sockets.
    fn worth_succeeding(&self) -> bool {
        let past = self.past.values().any(|snapshot| snapshot.incarnation > 0);
        !self.ended
            && !past
            && !self.alloc.succeeds.is_empty()
            && self.shared.alloc(&self.alloc.succeeds).is_some_and(|old| old.report.borrow().alloc.handover)
    }

    /// Begins a task, or takes it up again.
    fn begin(&mut self, name: &str) {
        if self.tasks.contains_key(name) {
            return;
        }
        let Some(setup) = self.setup(name) else { return };
        let mut snapshot = self.past.remove(name).unwrap_or_default();
        if snapshot.state.events.is_empty() {
            events::push(&mut snapshot.state, events::new(event::RECEIVED, "Task received by client"));
        }
        let inherit = self.inherit(name);
        let handle = task::spawn(self.shared.clone(), setup, self.dir.task(name), snapshot, inherit);
        let (mut watch, wake) = (handle.snapshot.clone(), self.wake.clone());
        tokio::spawn(async move {
            while watch.changed().await.is_ok() {
                wake.notify_one();
            }
            wake.notify_one();
        });
        self.tasks.insert(name.to_owned(), handle);
    }

    fn inherit(&mut self, name: &str) -> Option<(String, task::Succession)> {
        if *self.succession.borrow() != Succession::Trying {
            return None;
        }
        let key = task::key(&self.alloc.succeeds, name);
        let stored = self.shared.keeper.watch(&key).borrow().as_ref().is_some_and(|info| !info.stored.is_empty());
        if !stored {
            return None;
        }
        let (tell, told) = oneshot::channel();
        self.successions.push((name.to_owned(), told));
        Some((key, tell))
    }

    /// A task has taken over, or could not: then once the old way, stop first.
    async fn succeeded(
        &mut self,
        task: &str,
        outcome: Result<(), String>,
        inbox: &mut mpsc::Receiver<AllocCommand>,
    ) -> bool {
        match outcome {
            Ok(()) => {
                if self.successions.is_empty() {
                    self.succession.send_replace(Succession::Settled);
                }
            }
            Err(_) if self.killing => drop(self.succession.send_replace(Succession::Settled)),
            Err(reason) => {
                self.successions.clear();
                let text = format!(
                    "Task {task:?} could not take over beside the old one ({reason}): the old one is stopped first"
                );
                tracing::warn!(alloc = %self.alloc.id, "{text}");
                let old = self.alloc.succeeds.clone();
                for handle in self.tasks.values() {
                    handle.send(Command::Kill { reason: None }).await;
                }
                for handle in self.tasks.values() {
                    handle.dead().await;
                }
                self.succession.send_replace(Succession::Settled);
                if let Some(old) = self.shared.alloc(&old) {
                    let reason = "stopped first: its successor cannot take over beside it".to_owned();
                    let _ = old.commands.send(AllocCommand::Stop { reason }).await;
                }
                if !self.wait_ended(&old, inbox).await {
                    return false;
                }
                self.released.clear();
                for (name, handle) in std::mem::take(&mut self.tasks) {
                    let mut snapshot = handle.snapshot.borrow().clone();
                    snapshot.state.state = TaskRunState::Pending;
                    snapshot.state.failed = false;
                    events::push(&mut snapshot.state, events::new(event::HOOK_MESSAGE, text.clone()));
                    self.past.insert(name, snapshot);
                }
            }
        }
        true
    }

    /// Begins what is next, ends what must not go on.
    async fn advance(&mut self) {
        // A task that died while taking over may be begun again: what it tells is heard first.
        let dead = |name: &String| {
            self.tasks.get(name).is_some_and(|task| task.snapshot.borrow().state.state == TaskRunState::Dead)
        };
        if self.ended || self.successions.iter().any(|(name, _)| dead(name)) {
            return;
        }
        if self.alloc.server_terminal() {
            self.stop("");
        }
        if self.stopping.is_some() && !self.successor_tries() {
            self.killing = true;
        }
        if *self.succession.borrow() == Succession::Trying && self.killing {
            self.succession.send_replace(Succession::Settled);
        }
        let plan = lifecycle::plan(&self.group, &self.snapshots(), self.killing);
        for name in &plan.begin {
            self.begin(name);
        }
        if *self.succession.borrow() == Succession::Trying && self.successions.is_empty() && !plan.begin.is_empty() {
            // Nothing was there to take over after all.
            self.succession.send_replace(Succession::Settled);
        }
        if let Some((kind, text)) = plan.end_all.clone() {
            self.killing = true;
            for name in &plan.kill {
                self.kill(name, Some(events::new(kind, text.clone()))).await;
            }
        } else {
            for name in &plan.kill {
                self.kill(name, Some(events::new(event::MAIN_DEAD, "Main tasks in the group died"))).await;
            }
        }
        if plan.mains_up && !self.killing && !self.group_services {
            self.group_services = true;
            self.register_group().await;
        }
        if plan.ended {
            self.shared.services.remove(&self.group_scope()).await;
            self.ended = true;
            self.succession.send_replace(Succession::Settled);
        }
    }

    async fn kill(&self, name: &str, reason: Option<TaskEvent>) {
        if let Some(handle) = self.tasks.get(name) {
            handle.send(Command::Kill { reason }).await;
        }
    }

    fn group_scope(&self) -> String {
        task::key(&self.alloc.id, "")
    }

    async fn register_group(&self) {
        if self.group.services.is_empty() {
            return;
        }
        let mains = self.group.tasks.iter().filter(|task| Role::of(task) == Role::Main);
        let Some(first) = mains.clone().next() else { return };
        let dir = self.dir.task(&first.name);
        let env = task::env::TaskEnv::new(&self.shared.config, &self.alloc, &self.job, &self.group, first, &dir);
        let mut wanted = Vec::new();
        for one in &self.group.services {
            let named = if one.task_name.is_empty() { &first.name } else { &one.task_name };
            let Some(handle) = self.tasks.get(named) else { continue };
            let owner = service::Owner {
                alloc: &self.alloc,
                group: &self.group,
                task: None,
                env: &env,
                node: &self.shared.config.node,
                dir: &dir.root,
                restart: handle.commands.downgrade(),
            };
            match service::registrations(&owner, std::slice::from_ref(one)) {
                Ok(more) => wanted.extend(more),
                Err(reason) => {
                    self.kill(named, Some(events::failure(event::SETUP_FAILURE, reason))).await;
                    return;
                }
            }
        }
        self.shared.services.set(self.group_scope(), wanted);
    }

    /// Looks at tasks and checks; when to look again.
    async fn judge_health(&mut self) -> Instant {
        let later = Instant::now() + LOOK_AGAIN;
        let tracked = match self.job.job_type {
            JobType::Service => true,
            JobType::System => !self.alloc.deployment_id.is_empty(),
            JobType::Batch | JobType::Sysbatch => false,
        };
        if !tracked || self.killing || self.health.as_ref().is_some_and(|health| health.healthy.is_some()) {
            self.tracker = None;
            return later;
        }
        let now = events::now();
        let params = HealthParams::of(&self.alloc, &self.group);
        let states = self.snapshots().into_iter().map(|(name, snapshot)| (name, snapshot.state)).collect();
        let good = self.shared.services.good(&self.scopes_with_checks());
        let tracker = self.tracker.get_or_insert_with(|| HealthTracker::new(params, now));
        let healthy = match tracker.observe(&self.group, &states, good, now) {
            Verdict::Waiting { until, .. } => {
                return (Instant::now() + until.since(now).to_std()).min(later);
            }
            Verdict::Healthy => true,
            Verdict::Unhealthy { reason } => {
                for handle in self.tasks.values() {
                    handle.send(Command::Note(events::new(event::ALLOC_UNHEALTHY, reason.clone()))).await;
                }
                false
            }
        };
        self.tracker = None;
        self.health = Some(AllocDeploymentStatus {
            healthy: Some(healthy),
            timestamp: now,
            canary: self.alloc.is_canary(),
            modify_index: 0,
        });
        later
    }

    fn scopes_with_checks(&self) -> Vec<String> {
        let has =
            |services: &[baton_model::service::Service]| services.iter().any(|service| !service.checks.is_empty());
        let tasks = self.group.tasks.iter().filter(|task| has(&task.services));
        let mut scopes: Vec<String> = tasks.map(|task| task::key(&self.alloc.id, &task.name)).collect();
        if has(&self.group.services) {
            scopes.push(self.group_scope());
        }
        scopes
    }

    fn snapshots(&self) -> BTreeMap<String, Snapshot> {
        let mut all = self.past.clone();
        all.extend(self.tasks.iter().map(|(name, handle)| (name.clone(), handle.snapshot.borrow().clone())));
        all
    }

    async fn destroy(&self) {
        for task in &self.group.tasks {
            let _ = self.shared.keeper.forget(&task::key(&self.alloc.id, &task.name)).await;
        }
        let (dir, id) = (self.dir.clone(), self.alloc.id.clone());
        let path = state::path(&self.shared.config.dir, &self.alloc.id);
        let removed = tokio::task::spawn_blocking(move || dir.destroy().and_then(|()| state::remove(&path))).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(alloc = %id, %error, "an allocation's directory cannot be removed");
        }
        self.shared.forget_alloc(&id);
    }
}

/// The next task that says how its succession went; pending while there is none.
async fn next_succession(
    waiting: &mut Vec<(String, oneshot::Receiver<Result<(), String>>)>,
) -> (String, Result<(), String>) {
    if waiting.is_empty() {
        return std::future::pending().await;
    }
    let told = waiting.iter_mut().map(|(_, told)| told);
    let (outcome, at, _) = futures::future::select_all(told).await;
    let (task, _) = waiting.remove(at);
    (task, outcome.unwrap_or_else(|_| Err("it ended".to_owned())))
}
