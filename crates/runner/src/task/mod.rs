//! One task: prepared, started through the keeper, watched, restarted by its policy, stopped.
//!
//! An actor per task. Commands come from its allocation; its [`Snapshot`] is what the allocation reports and persists. The
//! process belongs to the keeper: the actor may end at any time (agent restart) and be made again from the snapshot.

pub mod driver;
pub mod env;
pub(crate) mod events;
mod prepare;
mod supervise;
mod takeover;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use baton_keeper::protocol::{Exit, Phase, TaskInfo};
use baton_model::task::{RestartPolicy, TaskEvent, TaskRunState, TaskState, event};
use baton_model::{Allocation, Job, Nanos, Task, TaskGroup, Timestamp};
use baton_scheduler::restart::{RestartDecision, RestartTracker, TaskExit};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use crate::alloc::dir::TaskDir;
use crate::client::Shared;
use crate::template;
use events::now;

pub(crate) use takeover::{Inherit, NotTaken};

/// Commands that wait for a task.
const COMMANDS_MAX: usize = 64;
/// How long a successor may take until `READY=1`.
const SUCCESSOR_READY_LIMIT: Duration = Duration::from_secs(30);

/// What is known of a task: reported to the server, persisted, read by health and hand-over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub state: TaskState,
    pub tracker: RestartTracker,
    /// Starts through the keeper.
    pub incarnation: u64,
    /// Directories, payload and artifacts are there.
    pub prepared: bool,
    /// `READY=1` in this incarnation.
    pub ready: bool,
    /// Sockets are stored with the keeper: it can hand over.
    pub handover: bool,
    /// `X-BATON-RELOAD=full` was announced.
    pub reload_full: bool,
}

/// What an allocation tells its task.
#[derive(Debug)]
pub(crate) enum Command {
    /// End for good.
    Kill {
        reason: Option<TaskEvent>,
    },
    /// End and start again, not counted.
    Restart {
        reason: String,
    },
    /// A check stayed unhealthy: a counted restart.
    Unhealthy {
        reason: String,
    },
    Signal {
        signal: String,
        reason: String,
        done: Option<oneshot::Sender<Result<(), String>>>,
    },
    /// The job changed in place.
    Update(Box<Setup>),
    /// An event from the allocation.
    Note(TaskEvent),
}

/// The task within its allocation and job.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) alloc: Arc<Allocation>,
    pub(crate) job: Arc<Job>,
    pub(crate) group: TaskGroup,
    pub(crate) task: Task,
}

/// The allocation's end.
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) snapshot: watch::Receiver<Snapshot>,
}

impl Handle {
    pub(crate) async fn send(&self, command: Command) {
        // A task that has ended needs no command.
        let _ = self.commands.send(command).await;
    }
}

/// Starts the actor.
pub(crate) fn spawn(
    shared: Arc<Shared>,
    setup: Setup,
    dir: TaskDir,
    snapshot: Snapshot,
    inherit: Option<Inherit>,
) -> Handle {
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let (publish, watch) = watch::channel(snapshot);
    let key = key(&setup.alloc.id, &setup.task.name);
    let runner = Runner {
        known: shared.keeper.watch(&key),
        key,
        shared,
        setup,
        dir,
        publish,
        own: commands.downgrade(),
        templates: None,
        rendered_env: Vec::new(),
        inherit,
        was_ready: false,
        output_lost: 0,
    };
    tokio::spawn(runner.run(inbox));
    Handle { commands, snapshot: watch }
}

/// The keeper's name for a task.
pub(crate) fn key(alloc_id: &str, task: &str) -> String {
    format!("{alloc_id}/{task}")
}

struct Runner {
    shared: Arc<Shared>,
    key: String,
    setup: Setup,
    dir: TaskDir,
    publish: watch::Sender<Snapshot>,
    known: watch::Receiver<Option<TaskInfo>>,
    /// For checks that restart this task; weak, so that the end of the allocation ends the actor.
    own: mpsc::WeakSender<Command>,
    templates: Option<template::Manager>,
    rendered_env: Vec<(String, String)>,
    inherit: Option<Inherit>,
    /// `READY=1` was said while taking over.
    was_ready: bool,
    output_lost: u64,
}

/// Why a turn of the task's life ended.
enum Ended {
    Exit(TaskExit),
    /// Nobody wants the task any more; the process is dead.
    Killed,
    /// The agent ends; the process goes on.
    Abandoned,
}

/// What follows the end of a process.
enum Next {
    Again,
    Dead {
        failed: bool,
    },
    /// The agent ends.
    Abandoned,
}

impl Runner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut attached = self.reattach();
        if self.snapshot().state.state == TaskRunState::Dead {
            return;
        }
        loop {
            let ended = match std::mem::take(&mut attached) {
                true => self.supervise(&mut inbox).await,
                false => match self.prepare_or_command(&mut inbox).await {
                    Ok(()) => match self.start().await {
                        Ok(()) => self.supervise(&mut inbox).await,
                        Err(ended) => ended,
                    },
                    Err(ended) => ended,
                },
            };
            let exit = match ended {
                Ended::Abandoned => return,
                Ended::Killed => TaskExit::Killed,
                Ended::Exit(exit) => exit,
            };
            match self.after(exit, &mut inbox).await {
                Next::Again => {}
                Next::Abandoned => return,
                Next::Dead { failed } => return self.finish(failed).await,
            }
        }
    }

    /// Out of the catalog, then dead. What the keeper holds of it the allocation gives up once this is written down.
    async fn finish(&self, failed: bool) {
        self.shared.services.remove(&self.scope()).await;
        self.change(|snapshot| {
            snapshot.state.state = TaskRunState::Dead;
            snapshot.state.failed |= failed;
            snapshot.state.finished_at = now();
            snapshot.ready = false;
        });
    }

    fn snapshot(&self) -> Snapshot {
        self.publish.borrow().clone()
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.publish.send_modify(change);
    }

    fn event(&self, event: TaskEvent) {
        tracing::info!(alloc = %self.setup.alloc.id, task = %self.setup.task.name, event = %event.kind, "{}", event.display_message);
        self.change(|snapshot| events::push(&mut snapshot.state, event));
    }

    /// The services' owner in the catalog's bookkeeping.
    fn scope(&self) -> String {
        self.key.clone()
    }

    /// After an agent's restart: takes up what the keeper has. True when there is a process, or an end, to look at.
    fn reattach(&mut self) -> bool {
        let snapshot = self.snapshot();
        let Some(info) = self.known.borrow().clone() else {
            if snapshot.state.state == TaskRunState::Running {
                self.event(events::terminated(&Exit {
                    reason: "the keeper does not know the task: the exit code is unknown".to_owned(),
                    ..Exit::default()
                }));
                self.change(|snapshot| snapshot.state.state = TaskRunState::Pending);
            }
            return false;
        };
        let newer = info.incarnation > snapshot.incarnation;
        match info.phase {
            Phase::Running | Phase::Starting => {
                self.change(|snapshot| {
                    snapshot.incarnation = info.incarnation;
                    snapshot.prepared = true;
                    if snapshot.state.state != TaskRunState::Running {
                        snapshot.state.state = TaskRunState::Running;
                        snapshot.state.started_at = Timestamp(info.started_at_ms as i64 * 1_000_000);
                    }
                });
                true
            }
            Phase::Exited(_) => {
                self.change(|snapshot| snapshot.incarnation = info.incarnation.max(snapshot.incarnation));
                newer || snapshot.state.state == TaskRunState::Running
            }
        }
    }

    /// Decides what follows an end.
    async fn after(&mut self, exit: TaskExit, inbox: &mut mpsc::Receiver<Command>) -> Next {
        let policy = self.policy();
        let job_type = self.setup.job.job_type;
        let mut tracker = self.snapshot().tracker;
        let decision = tracker.next(&policy, job_type, self.one_shot(), exit, now(), rand::random());
        self.change(|snapshot| snapshot.tracker = tracker);
        if let Some(Inherit { tell, .. }) = self.inherit.take() {
            // A successor that does not come up is not tried again beside the old one.
            let when = if self.was_ready { "while it was looked at" } else { "before it was ready" };
            let _ = tell.send(Err(NotTaken { reason: format!("it ended {when}"), unable: !self.was_ready }));
            return Next::Dead { failed: false };
        }
        match decision {
            RestartDecision::Restart { delay, reason } => {
                let delay = if matches!(exit, TaskExit::RestartRequested) { Nanos::ZERO } else { delay };
                self.event(events::restarting(delay, &reason));
                if policy.render_templates {
                    // Rendered anew before the next start, whatever became of the files.
                    self.templates = None;
                }
                self.change(|snapshot| {
                    snapshot.state.state = TaskRunState::Pending;
                    snapshot.state.restarts += 1;
                    snapshot.state.last_restart = now();
                });
                self.pause(delay.to_std(), inbox).await
            }
            RestartDecision::Finished | RestartDecision::Stopped => Next::Dead { failed: false },
            RestartDecision::Failed { reason } => {
                self.event(events::not_restarting(&reason));
                Next::Dead { failed: true }
            }
        }
    }

    /// Waits for the restart's delay.
    async fn pause(&mut self, delay: Duration, inbox: &mut mpsc::Receiver<Command>) -> Next {
        let due = tokio::time::Instant::now() + delay;
        loop {
            let command = tokio::select! {
                () = tokio::time::sleep_until(due) => return Next::Again,
                command = inbox.recv() => command,
            };
            match command {
                None => return Next::Abandoned,
                Some(Command::Kill { reason }) => {
                    self.killed(reason);
                    return Next::Dead { failed: false };
                }
                Some(Command::Restart { .. }) => return Next::Again,
                Some(Command::Unhealthy { .. }) => {}
                Some(Command::Signal { done, .. }) => not_running(done),
                Some(Command::Update(setup)) => self.update(*setup),
                Some(Command::Note(event)) => self.event(event),
            }
        }
    }

    /// Killed while no process ran.
    fn killed(&self, reason: Option<TaskEvent>) {
        if let Some(reason) = reason {
            self.event(reason);
        }
        self.event(events::new(event::KILLED, "Task successfully killed"));
    }

    fn update(&mut self, setup: Setup) {
        let templates = self.setup.task.templates != setup.task.templates;
        self.setup = setup;
        if templates && let Some(manager) = &self.templates {
            manager.replace(self.setup.task.templates.clone());
        }
    }

    fn policy(&self) -> RestartPolicy {
        self.setup.task.restart_policy.clone().unwrap_or_else(|| self.setup.group.restart_policy.clone())
    }

    /// Meant to end by itself whatever the job's type.
    fn one_shot(&self) -> bool {
        self.setup.task.lifecycle.as_ref().is_some_and(|lifecycle| !lifecycle.sidecar)
    }

    fn state_dir(&self) -> PathBuf {
        let Setup { alloc, job, group, task } = &self.setup;
        env::state_dir(&self.shared.config, alloc, job, group, task)
    }

    fn env(&self) -> env::TaskEnv {
        let Setup { alloc, job, group, task } = &self.setup;
        let mut env = env::TaskEnv::new(&self.shared.config, alloc, job, group, task, &self.dir);
        env.extend(self.rendered_env.iter().cloned());
        env
    }
}

fn not_running(done: Option<oneshot::Sender<Result<(), String>>>) {
    if let Some(done) = done {
        let _ = done.send(Err("the task is not running".to_owned()));
    }
}
