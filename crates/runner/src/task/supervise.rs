//! While a task's process runs: its end, its notifications, commands, template changes.

use std::time::Duration;

use baton_keeper::protocol::{Exit, TaskInfo};
use baton_model::service::Service;
use baton_model::task::{ChangeScript, TaskEvent, TaskRunState, event};
use baton_scheduler::restart::TaskExit;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::env::TaskEnv;
use super::takeover::{Looking, Takeover};
use super::{Command, Ended, Inherit, NotTaken, Runner, SUCCESSOR_READY_LIMIT, driver, events};
use crate::keeper::KeeperCallError;
use crate::script::Script;
use crate::service;
use crate::template::{self, Change};

/// How long after its `kill_timeout` the end of a task is waited for before it is killed again.
const KILL_GRACE: Duration = Duration::from_secs(10);
/// Between two tries to stop a task through a keeper that is away.
const STOP_RETRY: Duration = Duration::from_secs(1);

enum Next {
    Looked(Result<String, String>),
    Look,
    Command(Option<Command>),
    Change(Change),
    SuccessorLate,
}

impl Runner {
    pub(super) async fn supervise(&mut self, inbox: &mut mpsc::Receiver<Command>) -> Ended {
        if self.templates.is_none() && !self.setup.task.templates.is_empty() {
            // Re-attached: what is rendered now differs from the files only if the data changed meanwhile.
            self.templates = Some(template::Manager::start(&self.shared.hub, self.template_task(true)));
        }
        let ready_limit = SUCCESSOR_READY_LIMIT.min(self.look_limit());
        let late = Instant::now() + ready_limit;
        let mut registered = false;
        let mut looking: Option<Looking> = None;
        loop {
            if let Some(exit) = self.look() {
                return self.ended(exit).await;
            }
            let info = self.known.borrow().clone();
            if let Some(info) = info.filter(|info| info.ready && looking.is_none()) {
                let outcome = match self.takeover(&info) {
                    // Nobody is there to take over from any more.
                    Takeover::Settled if self.inherit.is_none() && !info.private.is_empty() => self.go_on().await,
                    Takeover::Settled => Ok(()),
                    Takeover::Look(future) => {
                        looking = Some(future);
                        Ok(())
                    }
                    Takeover::Taken => self.take_over("").await,
                    Takeover::Failed(reason) => Err(reason),
                };
                if let Err(reason) = outcome {
                    return self.not_taken(reason).await;
                }
                // What came while it was told to accept counts, too.
                let info = self.known.borrow_and_update().clone();
                if let Some(info) = info.filter(|info| info.exit().is_none()) {
                    self.notice(&info);
                }
            }
            // The catalog hears of a successor when it serves.
            if !registered && self.inherit.is_none() {
                registered = true;
                self.register();
            }
            let waiting = self.inherit.is_some() && looking.is_none();
            let next = tokio::select! {
                changed = self.known.changed() => {
                    if changed.is_err() {
                        return Ended::Abandoned;
                    }
                    Next::Look
                }
                command = inbox.recv() => Next::Command(command),
                Some(change) = next_change(&mut self.templates) => Next::Change(change),
                () = tokio::time::sleep_until(late), if waiting => Next::SuccessorLate,
                looked = maybe(&mut looking) => Next::Looked(looked),
            };
            match next {
                Next::Look => {}
                Next::Looked(looked) => {
                    looking = None;
                    let outcome = match looked {
                        Ok(proof) => self.take_over(&proof).await,
                        Err(reason) => Err(NotTaken { reason, unable: false }),
                    };
                    if let Err(reason) = outcome {
                        return self.not_taken(reason).await;
                    }
                }
                Next::Command(None) => return Ended::Abandoned,
                Next::Command(Some(command)) => {
                    if let Some(ended) = self.command(command).await {
                        return ended;
                    }
                }
                Next::Change(change) => {
                    if let Some(ended) = self.apply(change).await {
                        return ended;
                    }
                }
                Next::SuccessorLate => {
                    let reason = format!("it was not ready within {ready_limit:?}");
                    return self.not_taken(NotTaken { reason, unable: true }).await;
                }
            }
        }
    }

    /// A successor that has not shown that it can serve ends; the old one goes on.
    async fn not_taken(&mut self, why: NotTaken) -> Ended {
        self.event(events::failure(event::DRIVER_FAILURE, format!("not taken over: {}", why.reason)));
        if let Some(Inherit { tell, .. }) = self.inherit.take() {
            let _ = tell.send(Err(why));
        }
        self.stop(None).await;
        Ended::Killed
    }

    /// Takes the keeper's news in; the exit if there is one of this incarnation.
    fn look(&mut self) -> Option<Exit> {
        let info = self.known.borrow_and_update().clone()?;
        let incarnation = self.snapshot().incarnation;
        if info.incarnation < incarnation {
            return None;
        }
        if let Some(exit) = info.exit() {
            return Some(exit.clone());
        }
        self.notice(&info);
        None
    }

    fn notice(&mut self, info: &TaskInfo) {
        let ready = info.ready;
        // In standby it has not taken over itself yet.
        let handover = info.ready && !info.stored.is_empty() && info.private.is_empty();
        let reload_full = info.reload == "full";
        self.publish.send_if_modified(|snapshot| {
            let news = (snapshot.ready, snapshot.handover, snapshot.reload_full) != (ready, handover, reload_full);
            (snapshot.ready, snapshot.handover, snapshot.reload_full) = (ready, handover, reload_full);
            news
        });
        self.was_ready |= ready;
        if info.output_lost > 0 && self.output_lost == 0 {
            let text = "output is being dropped: there is no room for logs";
            self.event(events::new(event::DISK_EXCEEDED, text));
        }
        self.output_lost = info.output_lost;
    }

    async fn ended(&mut self, exit: Exit) -> Ended {
        self.event(events::terminated(&exit));
        self.change(|snapshot| {
            snapshot.ready = false;
            snapshot.handover = false;
        });
        self.shared.services.remove(&self.scope()).await;
        if exit.reason == baton_keeper::protocol::REBOOTED {
            // Not the task's fault: started again without counting.
            return Ended::Exit(TaskExit::RestartRequested);
        }
        let signal = exit.signal.unwrap_or(0);
        let code = exit.code.unwrap_or(if signal == 0 { -1 } else { 0 });
        Ended::Exit(TaskExit::Ended { code: code.into(), signal: signal.into() })
    }

    async fn command(&mut self, command: Command) -> Option<Ended> {
        match command {
            Command::Kill { reason } => {
                self.stop(reason).await;
                Some(Ended::Killed)
            }
            Command::Restart { reason } => {
                self.stop(Some(events::new(event::RESTART_SIGNAL, reason))).await;
                Some(Ended::Exit(TaskExit::RestartRequested))
            }
            Command::Unhealthy { reason } => {
                self.stop(Some(events::new(event::RESTART_SIGNAL, reason))).await;
                Some(Ended::Exit(TaskExit::Unhealthy))
            }
            Command::Signal { signal, reason, done } => {
                let result = self.signal(&signal, &reason).await;
                if let Some(done) = done {
                    let _ = done.send(result);
                }
                None
            }
            Command::Update(setup) => {
                self.update(*setup);
                self.register();
                None
            }
            Command::Note(event) => {
                self.event(event);
                None
            }
        }
    }

    async fn signal(&mut self, name: &str, reason: &str) -> Result<(), String> {
        let signal = driver::signal(name).ok_or_else(|| format!("unknown signal {name:?}"))?;
        self.event(events::signaling(name, reason));
        self.shared.keeper.signal(&self.key, signal).await.map_err(|error| error.to_string())
    }

    /// kill_signal, kill_timeout, SIGKILL; returns when the process is dead.
    async fn stop(&mut self, reason: Option<TaskEvent>) {
        if let Some(reason) = reason {
            self.event(reason);
        }
        let scope = self.scope();
        if self.shared.services.drain(std::slice::from_ref(&scope)).await {
            self.shared.services.quiet(std::slice::from_ref(&scope)).await;
        }
        self.shared.services.remove(&scope).await;
        let timeout = self.setup.task.kill_timeout.to_std().min(self.shared.config.max_kill_timeout);
        let name = Some(self.setup.task.kill_signal.as_str()).filter(|name| !name.is_empty());
        let signal = driver::signal(name.unwrap_or(driver::DEFAULT_KILL_SIGNAL)).unwrap_or(nix::libc::SIGINT);
        self.event(events::killing(timeout));
        loop {
            match self.shared.keeper.stop(&self.key, signal, timeout).await {
                Ok(()) | Err(KeeperCallError::Refused(_)) => break,
                Err(error) => tracing::error!(task = %self.key, %error, "cannot stop the task yet"),
            }
            tokio::time::sleep(STOP_RETRY).await;
        }
        let incarnation = self.snapshot().incarnation;
        let over = |info: &Option<TaskInfo>| {
            info.as_ref().is_none_or(|info| info.incarnation >= incarnation && info.exit().is_some())
        };
        while tokio::time::timeout(timeout + KILL_GRACE, self.known.wait_for(over)).await.is_err() {
            // A keeper that died before it could write down what it was to do has forgotten it.
            let killed = self.shared.keeper.stop(&self.key, nix::libc::SIGKILL, Duration::ZERO).await;
            tracing::warn!(task = %self.key, ?killed, "the task outlived its kill_timeout; killing it again");
        }
        let exit = self.known.borrow().as_ref().and_then(TaskInfo::exit).cloned();
        if let Some(exit) = exit {
            self.event(events::terminated(&exit));
        }
        self.event(events::new(event::KILLED, "Task successfully killed"));
    }

    async fn apply(&mut self, change: Change) -> Option<Ended> {
        self.rendered_env = change.env;
        if let Some(problem) = change.problem {
            self.event(events::new(event::HOOK_FAILED, format!("Template failed: {problem}")));
        }
        if change.restart {
            let reason = "Template with change_mode restart re-rendered".to_owned();
            return self.command(Command::Restart { reason }).await;
        }
        for signal in change.signals {
            if let Err(error) = self.signal(&signal, "Template re-rendered").await {
                self.event(events::new(event::HOOK_FAILED, format!("Template: {error}")));
            }
        }
        for script in change.scripts {
            if let Some(ended) = self.script(&script).await {
                return Some(ended);
            }
        }
        None
    }

    async fn script(&mut self, script: &ChangeScript) -> Option<Ended> {
        let env = self.env();
        let command = env.replace(&script.command);
        let args: Vec<String> = script.args.iter().map(|arg| env.replace(arg)).collect();
        let user = self.setup.task.user.as_str();
        let run = Script { command: &command, args: &args, env: &env.vars, dir: &self.dir.root, user };
        let outcome = match tokio::time::timeout(script.timeout.to_std(), run.run()).await {
            Ok(Ok((status, _))) if status.success() => return None,
            Ok(Ok((status, said))) => format!("{status}: {}", said.trim()),
            Ok(Err(reason)) => reason,
            Err(_) => format!("not done within {}", script.timeout),
        };
        let text = format!(
            "Template failed to run script {} with arguments {:?} on change: {outcome}",
            script.command, script.args
        );
        self.event(events::new(event::HOOK_FAILED, text.clone()));
        if script.fail_on_error {
            self.stop(Some(events::failure(event::KILLING, text))).await;
            self.change(|snapshot| snapshot.state.failed = true);
            return Some(Ended::Killed);
        }
        None
    }

    /// Registers the task's own services, or brings them up to date.
    fn register(&self) {
        if self.snapshot().state.state != TaskRunState::Running {
            return;
        }
        match self.registrations(&self.setup.task.services) {
            Ok(wanted) => self.shared.services.set(self.scope(), wanted),
            Err(reason) => self.event(events::new(event::HOOK_FAILED, reason)),
        }
    }

    /// What the services are to be in the catalog, as the task's own.
    pub(super) fn registrations(&self, services: &[Service]) -> Result<Vec<service::Wanted>, String> {
        service::registrations(&self.owner(&self.env()), services)
    }

    pub(super) fn owner<'a>(&'a self, env: &'a TaskEnv) -> service::Owner<'a> {
        service::Owner {
            alloc: &self.setup.alloc,
            group: &self.setup.group,
            task: Some(&self.setup.task),
            env,
            node: &self.shared.config.node,
            dir: &self.dir.root,
            restart: self.own.clone(),
        }
    }
}

async fn maybe(looking: &mut Option<Looking>) -> Result<String, String> {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}

async fn next_change(templates: &mut Option<template::Manager>) -> Option<Change> {
    match templates {
        Some(manager) => manager.changes.recv().await,
        None => std::future::pending().await,
    }
}
