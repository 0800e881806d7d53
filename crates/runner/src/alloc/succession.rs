//! In the place of an earlier allocation on the same node: after its end, or beside it by taking over its sockets.
//!
//! A successor's tasks start with duplicates of the old ones' sockets. One that begins in standby is looked at alone before it
//! accepts a connection (`task::takeover`); then the old one stands by while its connections go on, and is stopped when the
//! server has seen enough. Whatever goes wrong until then: the successor ends, and the old one accepts again, for which the
//! keeper answers. A program that may be unable to take over at all (another one than before) says so in its end, and the
//! server stops the old one first the next time; with the same program it is the configuration that is bad, and the old one
//! goes on.

use baton_model::Task;
use baton_model::alloc::SUCCESSION_FAILED;
use baton_model::task::event;
use tokio::sync::{mpsc, oneshot};

use super::{AllocCommand, AllocHandle, Runner};
use crate::task::{self, Command, NotTaken, events};

/// Whether a successor has the sockets yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Succession {
    /// No successor, or done, or given up.
    #[default]
    Settled,
    /// The old one must not be stopped yet.
    Trying,
}

/// A task that takes over, and how it will tell how that went.
pub(super) type Waiting = (String, oneshot::Receiver<Result<(), NotTaken>>);

impl Runner {
    /// A replacement on the same node waits until the old one is gone, unless it takes over beside it.
    pub(super) async fn wait_for_previous(&mut self, inbox: &mut mpsc::Receiver<AllocCommand>) -> bool {
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

    /// There is something to take over, or an earlier agent has begun with it.
    pub(super) fn worth_succeeding(&self) -> bool {
        let begun = self.past.values().any(|snapshot| snapshot.incarnation > 0);
        let can = || self.predecessor().is_some_and(|old| old.report.borrow().alloc.handover);
        !self.ended && if begun { self.takes_over_still() } else { can() }
    }

    /// A task runs with sockets that it was given and has not shown yet that it can serve them.
    fn takes_over_still(&self) -> bool {
        self.predecessor().is_some()
            && self.past.keys().any(|name| {
                let key = task::key(&self.alloc.id, name);
                self.shared.keeper.watch(&key).borrow().as_ref().is_some_and(|info| {
                    info.exit().is_none() && info.inherited > 0 && (!info.ready || !info.private.is_empty())
                })
            })
    }

    pub(super) fn is_trying(&self) -> bool {
        *self.succession.borrow() == Succession::Trying
    }

    /// The allocation that this one takes over from, while it is there.
    pub(super) fn predecessor(&self) -> Option<AllocHandle> {
        let old = Some(self.alloc.succeeds.as_str()).filter(|id| !id.is_empty());
        old.and_then(|id| self.shared.alloc(id)).filter(|old| !old.report.borrow().ended)
    }

    /// Whose sockets a task takes over, and how it tells how that went.
    pub(super) fn inherit(&mut self, name: &str) -> Option<task::Inherit> {
        if !self.is_trying() {
            return None;
        }
        let from = task::key(&self.alloc.succeeds, name);
        let stored = self.shared.keeper.watch(&from).borrow().as_ref().is_some_and(|info| !info.stored.is_empty());
        if !stored {
            return None;
        }
        let (tell, told) = oneshot::channel();
        self.successions.push((name.to_owned(), told));
        Some(task::Inherit { from, tell })
    }

    /// A task has taken over, or could not: then the old one goes on.
    pub(super) async fn succeeded(&mut self, task: &str, outcome: Result<(), NotTaken>) {
        match outcome {
            Ok(()) => {
                if self.successions.is_empty() {
                    self.settle();
                }
            }
            Err(_) if self.killing => self.settle(),
            Err(NotTaken { reason, unable }) => {
                let other =
                    self.predecessor().is_some_and(|old| !same_program(old.group.task(task), self.group.task(task)));
                self.give_back(&format!("task {task:?}: {reason}"), unable && other).await;
            }
        }
    }

    /// Ends this allocation as failed; the old one goes on.
    pub(super) async fn give_back(&mut self, reason: &str, unable: bool) {
        let next = if unable { "the old one is stopped first the next time" } else { "the old one goes on" };
        let text = format!("could not take over beside the old one ({reason}): {next}");
        tracing::warn!(alloc = %self.alloc.id, "{text}");
        self.problem = Some(if unable { format!("{SUCCESSION_FAILED}: {text}") } else { text.clone() });
        self.successions.clear();
        self.killing = true;
        self.tracker = None;
        self.set_health(false);
        for handle in self.tasks.values() {
            handle.send(Command::Note(events::failure(event::ALLOC_UNHEALTHY, text.clone()))).await;
            handle.send(Command::Kill { reason: None }).await;
        }
        self.settle();
    }

    pub(super) fn settle(&self) {
        self.succession.send_replace(Succession::Settled);
    }
}

/// The same program, whatever it is told to do by files and variables.
fn same_program(old: Option<&Task>, new: Option<&Task>) -> bool {
    old.zip(new).is_some_and(|(old, new)| {
        (&old.driver, &old.config, &old.user, &old.artifacts) == (&new.driver, &new.config, &new.user, &new.artifacts)
    })
}

/// The next task that says how its succession went; pending while there is none.
pub(super) async fn next(waiting: &mut Vec<Waiting>) -> (String, Result<(), NotTaken>) {
    if waiting.is_empty() {
        return std::future::pending().await;
    }
    let told = waiting.iter_mut().map(|(_, told)| told);
    let (outcome, at, _) = futures::future::select_all(told).await;
    let (task, _) = waiting.remove(at);
    (task, outcome.unwrap_or_else(|_| Err(NotTaken { reason: "it ended".to_owned(), unable: false })))
}
