//! One allocation: its tasks in their order, its health, its end.
//!
//! An actor per allocation. What is to be done follows from the states of the tasks alone ([`Runner::advance`]), so that a
//! restarted agent goes on where the old one was.

mod commands;
pub mod dir;
mod health;
mod lifecycle;
mod report;
mod services;
mod stop;
mod succession;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use baton_model::alloc::AllocDeploymentStatus;
use baton_model::task::{TaskEvent, TaskRunState, event};
use baton_model::{Allocation, Job, TaskGroup};
use baton_scheduler::health::HealthTracker;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::client::Shared;
use crate::state::{self, AllocState};
use crate::task::{self, Command, Handle, Snapshot, events};
use dir::AllocDir;
pub(crate) use succession::Succession;

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

/// The client's end of an allocation.
#[derive(Clone)]
pub(crate) struct AllocHandle {
    pub(crate) commands: mpsc::Sender<AllocCommand>,
    pub(crate) report: watch::Receiver<Report>,
    pub(crate) succession: watch::Receiver<Succession>,
    pub(crate) succeeds: String,
    /// As it was begun; what changes in place is no other program.
    pub(crate) group: Arc<TaskGroup>,
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
        group: Arc::new(group.clone()),
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
        problem: state.problem,
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
    /// Why it cannot run at all, or ended for another reason than its tasks.
    problem: Option<String>,
    /// No task is begun any more, except after the end.
    killing: bool,
    stopping: Option<AbortHandle>,
    ended: bool,
    group_services: bool,
    report: watch::Sender<Report>,
    succession: watch::Sender<Succession>,
    /// Tasks that take over sockets and have not said how it went.
    successions: Vec<succession::Waiting>,
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
        if let Some(problem) = self.problem.clone().filter(|_| !self.ended) {
            // An earlier agent had given it up.
            self.stop(&problem);
            self.killing = true;
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
                (task, outcome) = succession::next(&mut self.successions) => {
                    self.succeeded(&task, outcome).await;
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
        if self.is_trying() && self.killing {
            self.settle();
        }
        let plan = lifecycle::plan(&self.group, &self.snapshots(), self.killing);
        for name in &plan.begin {
            self.begin(name);
        }
        if self.is_trying() && self.successions.is_empty() && !plan.begin.is_empty() {
            // Nothing was there to take over after all.
            self.settle();
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
            self.settle();
        }
    }

    async fn kill(&self, name: &str, reason: Option<TaskEvent>) {
        if let Some(handle) = self.tasks.get(name) {
            handle.send(Command::Kill { reason }).await;
        }
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
