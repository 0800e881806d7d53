//! What an allocation reports to the server, and what it writes down for its next agent.

use baton_model::task::{TaskRunState, TaskState};
use baton_model::{AllocClientStatus, Allocation};

use super::lifecycle::Role;
use super::{Report, Runner};
use crate::state::{self, AllocState};
use crate::task;

impl Runner {
    /// Writes the state down if it changed, then tells.
    pub(super) async fn publish(&mut self) {
        let state = AllocState {
            alloc: (*self.alloc).clone(),
            tasks: self.snapshots(),
            health: self.health.clone(),
            ended: self.ended,
            problem: self.problem.clone(),
        };
        if state != self.written {
            let path = state::path(&self.shared.config.dir, &self.alloc.id);
            let copy = state.clone();
            match tokio::task::spawn_blocking(move || state::write(&path, &copy)).await {
                Ok(Ok(())) => self.written = state,
                Ok(Err(error)) => {
                    tracing::error!(alloc = %self.alloc.id, %error, "cannot write the allocation's state")
                }
                Err(error) => {
                    tracing::error!(alloc = %self.alloc.id, %error, "writing the allocation's state broke off")
                }
            }
        }
        self.release_dead().await;
        self.fill_report();
    }

    /// A dead task's stored sockets must not hold the ports that whoever takes its place binds. Only after its death was
    /// written down: a keeper that does not know a task looks like a task that is to be started again.
    async fn release_dead(&mut self) {
        let dead = self.written.tasks.iter().filter(|(_, snapshot)| snapshot.state.state == TaskRunState::Dead);
        let names: Vec<String> =
            dead.map(|(name, _)| name.clone()).filter(|name| !self.released.contains(name)).collect();
        for name in names {
            match self.shared.keeper.forget(&task::key(&self.alloc.id, &name)).await {
                Ok(()) => drop(self.released.insert(name)),
                Err(error) => {
                    tracing::warn!(alloc = %self.alloc.id, task = %name, %error, "the keeper does not forget a dead task")
                }
            }
        }
    }

    pub(super) fn fill_report(&mut self) {
        let mut task_states = std::collections::BTreeMap::new();
        let snapshots = self.snapshots();
        for task in &self.group.tasks {
            let unknown = || TaskState {
                state: if self.ended { TaskRunState::Dead } else { TaskRunState::Pending },
                ..TaskState::default()
            };
            let state = snapshots.get(&task.name).map_or_else(unknown, |snapshot| snapshot.state.clone());
            task_states.insert(task.name.clone(), state);
        }
        let (client_status, client_description) = match &self.problem {
            Some(problem) if self.ended => (AllocClientStatus::Failed, problem.clone()),
            _ => self.client_status(&task_states),
        };
        let mains = || {
            let tasks = self.group.tasks.iter().filter(|task| Role::of(task) == Role::Main);
            tasks.filter_map(|task| snapshots.get(&task.name))
        };
        let handover = mains().any(|snapshot| snapshot.handover);
        let reload_full = mains().count() > 0 && mains().all(|snapshot| snapshot.reload_full);
        let alloc = Allocation {
            id: self.alloc.id.clone(),
            namespace: self.alloc.namespace.clone(),
            node_id: self.alloc.node_id.clone(),
            job_id: self.alloc.job_id.clone(),
            client_status,
            client_description,
            task_states,
            deployment_id: self.alloc.deployment_id.clone(),
            deployment_status: self.health.clone(),
            handover,
            reload_full,
            ..Allocation::default()
        };
        let report = Report { alloc, ended: self.ended };
        let changed = self.report.send_if_modified(|old| {
            let changed = *old != report;
            *old = report;
            changed
        });
        if changed {
            self.shared.mark_changed(&self.alloc.id);
        }
    }

    fn client_status(&self, states: &std::collections::BTreeMap<String, TaskState>) -> (AllocClientStatus, String) {
        let any = |wanted: &dyn Fn(&TaskState) -> bool| states.values().any(wanted);
        let (status, text) = if any(&|state| state.state == TaskRunState::Dead && state.failed) {
            (AllocClientStatus::Failed, "Failed tasks")
        } else if self.ended {
            (AllocClientStatus::Complete, "All tasks have completed")
        } else if any(&|state| state.state == TaskRunState::Running) {
            (AllocClientStatus::Running, "Tasks are running")
        } else {
            (AllocClientStatus::Pending, "No tasks have started")
        };
        (status, text.to_owned())
    }
}
