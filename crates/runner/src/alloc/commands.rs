//! What the server and operators ask of a running allocation.

use std::sync::Arc;

use baton_model::Allocation;
use baton_model::task::TaskRunState;

use super::{AllocCommand, Runner};
use crate::task::{self, Command, Setup};

impl Runner {
    pub(super) async fn command(&mut self, command: AllocCommand) {
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

    pub(super) fn setup(&self, task: &str) -> Option<Setup> {
        Some(Setup {
            alloc: self.alloc.clone(),
            job: self.job.clone(),
            group: self.group.clone(),
            task: self.group.task(task)?.clone(),
        })
    }
}
