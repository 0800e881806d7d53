//! What the agent's API can ask of a running client.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use baton_model::{Allocation, Node};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Shared, talk};
use crate::alloc::{AllocCommand, AllocHandle};
use crate::files::{FileError, FileInfo, Files};
use crate::logs::{self, LogFrame, LogRequest};

/// For everything to end when the agent ends everything.
const STOP_LIMIT: Duration = Duration::from_secs(120);
/// For the last word to the server.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// How a client ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Tasks go on and are taken up again by the next agent.
    Leave,
    /// Every task is stopped in order, services are taken out of the catalog, the keeper ends.
    StopAll,
}

/// A running client. Dropping it is [`Shutdown::Leave`].
pub struct ClientHandle {
    shared: Arc<Shared>,
    loops: Vec<JoinHandle<()>>,
    _lock: File,
}

/// Why something could not be done with an allocation.
#[derive(Debug, thiserror::Error)]
pub enum AllocError {
    #[error("Unknown allocation {0:?}")]
    Unknown(String),
    #[error("task {0:?} not found")]
    UnknownTask(String),
    #[error("task {0:?} not started yet. No logs available")]
    NotStarted(String),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    File(#[from] FileError),
}

impl ClientHandle {
    pub(super) fn new(shared: Arc<Shared>, loops: Vec<JoinHandle<()>>, lock: File) -> Self {
        Self { shared, loops, _lock: lock }
    }

    pub fn node_id(&self) -> &str {
        &self.shared.config.node.id
    }

    /// The node as it was registered.
    pub fn node(&self) -> &Node {
        &self.shared.config.node
    }

    /// Where this client keeps its allocations.
    pub fn dir(&self) -> &Path {
        &self.shared.config.dir
    }

    /// Takes the directories of ended allocations away: of one, or of all.
    pub async fn collect_garbage(&self, alloc_id: Option<&str>) -> Result<(), AllocError> {
        let Some(id) = alloc_id else {
            self.shared.collect_garbage(0).await;
            return Ok(());
        };
        let alloc = self.alloc(id)?;
        if !alloc.report.borrow().ended {
            return Err(AllocError::Refused(format!("allocation {id:?} has not ended")));
        }
        let _ = alloc.commands.send(AllocCommand::Destroy).await;
        Ok(())
    }

    /// The client's side of every allocation here.
    pub fn allocs(&self) -> Vec<Allocation> {
        self.shared.all().into_iter().map(|(_, handle)| handle.report.borrow().alloc.clone()).collect()
    }

    /// A task's output. The stream ends when all was read, or, followed, once the task is dead and all was read.
    pub fn logs(&self, alloc_id: &str, request: LogRequest) -> Result<mpsc::Receiver<LogFrame>, AllocError> {
        let alloc = self.alloc(alloc_id)?;
        let report = alloc.report.borrow().clone();
        let state = report.alloc.task_states.get(&request.task);
        let state = state.ok_or_else(|| AllocError::UnknownTask(request.task.clone()))?;
        if state.started_at.is_never() {
            return Err(AllocError::NotStarted(request.task));
        }
        Ok(logs::follow(alloc.dir.logs(), request, alloc.report.clone()))
    }

    /// Restarts one task, or all that run.
    pub async fn restart(&self, alloc_id: &str, task: Option<&str>) -> Result<(), AllocError> {
        let task = task.map(str::to_owned);
        self.ask(alloc_id, |done| AllocCommand::Restart { task, done }).await
    }

    /// Sends a signal to one task, or to all that run.
    pub async fn signal(&self, alloc_id: &str, task: Option<&str>, signal: &str) -> Result<(), AllocError> {
        let (task, signal) = (task.map(str::to_owned), signal.to_owned());
        self.ask(alloc_id, |done| AllocCommand::Signal { task, signal, done }).await
    }

    /// What is in a directory of the allocation.
    pub fn list(&self, alloc_id: &str, path: &str) -> Result<Vec<FileInfo>, AllocError> {
        Ok(self.files(alloc_id)?.list(path)?)
    }

    pub fn stat(&self, alloc_id: &str, path: &str) -> Result<FileInfo, AllocError> {
        Ok(self.files(alloc_id)?.stat(path)?)
    }

    /// A file opened for reading; position and amount are the caller's.
    pub fn open(&self, alloc_id: &str, path: &str) -> Result<File, AllocError> {
        Ok(self.files(alloc_id)?.open(path)?)
    }

    /// Memory and processor time of an allocation's tasks, by task.
    pub fn stats(
        &self,
        alloc_id: &str,
    ) -> Result<std::collections::BTreeMap<String, crate::stats::TaskStats>, AllocError> {
        let alloc = self.alloc(alloc_id)?;
        let tasks: Vec<String> = alloc.report.borrow().alloc.task_states.keys().cloned().collect();
        let pid = |task: &String| {
            let info = self.shared.keeper.watch(&crate::task::key(alloc_id, task)).borrow().clone()?;
            info.exit().is_none().then_some(info.pid)
        };
        Ok(tasks.iter().filter_map(|task| Some((task.clone(), crate::stats::of_group(pid(task)?)))).collect())
    }

    /// Ends the client.
    pub async fn shutdown(self, how: Shutdown) {
        if how == Shutdown::StopAll {
            let all = self.shared.all();
            for (_, handle) in &all {
                let reason = "the agent ends everything".to_owned();
                let _ = handle.commands.send(AllocCommand::Stop { reason }).await;
            }
            let ended = async {
                for (_, handle) in all {
                    let mut report = handle.report.clone();
                    let _ = report.wait_for(|report| report.ended).await;
                }
            };
            if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
                tracing::error!("not every task ended within {STOP_LIMIT:?}");
            }
        }
        // What a loop was about to tell is told here.
        for task in &self.loops {
            task.abort();
        }
        for (id, _) in self.shared.all() {
            self.shared.mark_changed(&id);
        }
        let _ = tokio::time::timeout(FAREWELL_LIMIT, talk::send(&self.shared)).await;
        if how == Shutdown::StopAll {
            self.shared.keeper.end().await;
        }
    }

    async fn ask(
        &self,
        alloc_id: &str,
        command: impl FnOnce(oneshot::Sender<Result<(), String>>) -> AllocCommand,
    ) -> Result<(), AllocError> {
        let alloc = self.alloc(alloc_id)?;
        let (done, answer) = oneshot::channel();
        let _ = alloc.commands.send(command(done)).await;
        let ended = |_| AllocError::Refused("the allocation has ended".to_owned());
        answer.await.map_err(ended)?.map_err(AllocError::Refused)
    }

    fn alloc(&self, id: &str) -> Result<AllocHandle, AllocError> {
        self.shared.alloc(id).ok_or_else(|| AllocError::Unknown(id.to_owned()))
    }

    fn files(&self, alloc_id: &str) -> Result<Files, AllocError> {
        Ok(Files::new(self.alloc(alloc_id)?.dir.root()))
    }
}

impl Drop for ClientHandle {
    fn drop(&mut self) {
        for task in &self.loops {
            task.abort();
        }
        self.shared.services.leave();
        // Without their handles the allocations' actors end and leave the processes to the keeper.
        for (id, _) in self.shared.all() {
            self.shared.forget_alloc(&id);
        }
    }
}
