//! While a task's process runs: its end, its notifications, commands, template changes.

use std::time::Duration;

use baton_keeper::protocol::{Exit, TaskInfo};
use baton_model::service::Service;
use baton_model::task::{ChangeScript, TaskEvent, TaskRunState, event};
use baton_scheduler::restart::TaskExit;
use tokio::process::Command as Process;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Command, Ended, Runner, SUCCESSOR_READY_LIMIT, driver, events};
use crate::keeper::KeeperCallError;
use crate::service;
use crate::template::{self, Change};

/// Between two tries to stop a task through a keeper that is away.
const STOP_RETRY: Duration = Duration::from_secs(1);

enum Next {
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
        let late = Instant::now() + SUCCESSOR_READY_LIMIT;
        let mut registered = false;
        loop {
            if let Some(exit) = self.look() {
                return self.ended(exit).await;
            }
            if !registered {
                registered = true;
                self.register();
            }
            let inheriting = self.inherit.is_some();
            let next = tokio::select! {
                changed = self.known.changed() => {
                    if changed.is_err() {
                        return Ended::Abandoned;
                    }
                    Next::Look
                }
                command = inbox.recv() => Next::Command(command),
                Some(change) = next_change(&mut self.templates) => Next::Change(change),
                () = tokio::time::sleep_until(late), if inheriting => Next::SuccessorLate,
            };
            match next {
                Next::Look => {}
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
                    self.event(events::failure(
                        event::DRIVER_FAILURE,
                        format!("the successor was not ready within {SUCCESSOR_READY_LIMIT:?}"),
                    ));
                    self.stop(None).await;
                    return Ended::Killed;
                }
            }
        }
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
        let handover = info.ready && !info.stored.is_empty();
        let reload_full = info.reload == "full";
        self.publish.send_if_modified(|snapshot| {
            let news = (snapshot.ready, snapshot.handover, snapshot.reload_full) != (ready, handover, reload_full);
            (snapshot.ready, snapshot.handover, snapshot.reload_full) = (ready, handover, reload_full);
            news
        });
        if ready && let Some((_, tell)) = self.inherit.take() {
            let _ = tell.send(Ok(()));
        }
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
            tokio::time::sleep(service::DRAIN_SETTLE).await;
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
        let exit = match self.known.wait_for(over).await {
            Ok(info) => info.as_ref().and_then(TaskInfo::exit).cloned(),
            Err(_) => None,
        };
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
        let mut process = Process::new(env.replace(&script.command));
        process.args(script.args.iter().map(|arg| env.replace(arg)));
        process.env_clear().envs(&env.vars).current_dir(&self.dir.root).kill_on_drop(true);
        process.stdin(std::process::Stdio::null());
        let outcome = match tokio::time::timeout(script.timeout.to_std(), process.output()).await {
            Ok(Ok(output)) if output.status.success() => return None,
            Ok(Ok(output)) => format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()),
            Ok(Err(error)) => error.to_string(),
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
        let owner = service::Owner {
            alloc: &self.setup.alloc,
            group: &self.setup.group,
            task: Some(&self.setup.task),
            env: &self.env(),
            node: &self.shared.config.node,
            dir: &self.dir.root,
            restart: self.own.clone(),
        };
        service::registrations(&owner, services)
    }
}

async fn next_change(templates: &mut Option<template::Manager>) -> Option<Change> {
    match templates {
        Some(manager) => manager.changes.recv().await,
        None => std::future::pending().await,
    }
}
