//! The end of an allocation: out of the catalog, a pause, then the tasks in their order.

use std::sync::Arc;
use std::time::Duration;

use baton_model::task::event;
use tokio::sync::mpsc;

use super::lifecycle::Role;
use super::{Runner, Succession};
use crate::client::Shared;
use crate::service;
use crate::task::{self, Command, Snapshot, events};

/// How long a stop waits for the successor to take over: longer than any look at it. Should the successor still stand by then,
/// the keeper makes it accept when this one ends.
const SUCCESSOR_LIMIT: Duration = Duration::from_secs(10 * 60);

struct Stop {
    shared: Arc<Shared>,
    alloc_id: String,
    scopes: Vec<String>,
    delay: Duration,
    /// Kill one row, wait for its end, then the next.
    rows: Vec<Vec<Target>>,
    reason: String,
}

struct Target {
    commands: mpsc::Sender<Command>,
    snapshot: tokio::sync::watch::Receiver<Snapshot>,
}

impl Runner {
    /// Begins the end, once. No task is begun any more from here on.
    pub(super) fn stop(&mut self, reason: &str) {
        if self.stopping.is_some() || self.ended {
            return;
        }
        // While a successor takes over, this one still restarts a crashed task.
        self.killing = !self.successor_tries();
        let skip = self.alloc.desired_transition.no_shutdown_delay == Some(true);
        let delays = self.group.tasks.iter().map(|task| task.shutdown_delay).chain(self.group.shutdown_delay);
        let delay = delays.max().filter(|_| !skip).unwrap_or_default().to_std();
        let mut scopes: Vec<String> =
            self.group.tasks.iter().map(|task| task::key(&self.alloc.id, &task.name)).collect();
        scopes.push(self.group_scope());
        let row = |wanted: &dyn Fn(&baton_model::Task) -> bool| -> Vec<Target> {
            let tasks = self.group.tasks.iter().filter(|task| wanted(task));
            let handles = tasks.filter_map(|task| self.tasks.get(&task.name));
            handles
                .map(|handle| Target { commands: handle.commands.clone(), snapshot: handle.snapshot.clone() })
                .collect()
        };
        let ordinary =
            |task: &baton_model::Task| !task.leader && !Role::of(task).is_sidecar() && Role::of(task) != Role::Poststop;
        let rows = vec![row(&|task| task.leader), row(&ordinary), row(&|task| Role::of(task).is_sidecar())];
        let stop = Stop {
            shared: self.shared.clone(),
            alloc_id: self.alloc.id.clone(),
            scopes,
            delay: if self.tasks.is_empty() { Duration::ZERO } else { delay },
            rows,
            reason: reason.to_owned(),
        };
        let wake = self.wake.clone();
        let stopping = tokio::spawn(async move {
            stop.run().await;
            wake.notify_one();
        });
        self.stopping = Some(stopping.abort_handle());
    }

    pub(super) fn successor_tries(&self) -> bool {
        let successor = self.shared.successor(&self.alloc.id);
        successor.is_some_and(|successor| *successor.succession.borrow() == Succession::Trying)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(stopping) = &self.stopping {
            stopping.abort();
        }
    }
}

impl Stop {
    /// Nothing new may come once the signal is sent: marked first, left alone for a while, taken out, then ended.
    async fn run(self) {
        let successor = self.shared.successor(&self.alloc_id);
        if let Some(successor) = &successor {
            let mut succession = successor.succession.clone();
            let settled = succession.wait_for(|state| *state == Succession::Settled);
            let _ = tokio::time::timeout(SUCCESSOR_LIMIT, settled).await;
        }
        // A successor listens at the same address: there is nothing to keep away from it. One that failed does not.
        let serves = self.shared.successor(&self.alloc_id).is_some();
        let draining = !serves && self.shared.services.drain(&self.scopes).await;
        let delay = self.delay.min(service::DRAIN_LIMIT);
        if !delay.is_zero() {
            let text = format!("Waiting for shutdown_delay of {delay:?} before killing the task.");
            for target in self.rows.iter().flatten() {
                let _ =
                    target.commands.send(Command::Note(events::new("Waiting for shutdown delay", text.clone()))).await;
            }
        }
        match delay {
            Duration::ZERO if draining => self.shared.services.quiet(&self.scopes).await,
            delay => tokio::time::sleep(delay).await,
        }
        for scope in &self.scopes {
            self.shared.services.remove(scope).await;
        }
        for row in self.rows {
            for target in &row {
                let reason = (!self.reason.is_empty()).then(|| events::new(event::KILLING, self.reason.clone()));
                let _ = target.commands.send(Command::Kill { reason }).await;
            }
            for mut target in row {
                let _ = target
                    .snapshot
                    .wait_for(|snapshot| snapshot.state.state == baton_model::task::TaskRunState::Dead)
                    .await;
            }
        }
    }
}
