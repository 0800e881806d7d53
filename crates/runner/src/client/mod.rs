//! The client: what one node runs, and its talk with the server.
//!
//! Allocations come from the server by a blocking read, statuses go back in batches, heartbeats keep the node alive. A server
//! that is away stops nothing: what runs goes on, and what happened meanwhile is told when it is back.

mod handle;
mod talk;

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use baton_model::Allocation;
use tokio::sync::Notify;

use crate::alloc::{self, AllocCommand, AllocHandle};
use crate::config::ClientConfig;
use crate::keeper::Keeper;
use crate::service::Services;
use crate::state::{self, AllocState};
use crate::template::Hub;

pub use handle::{AllocError, ClientHandle, Shutdown};

/// Why a client cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot use {path}: {source}", path = path.display())]
    Path { path: PathBuf, source: std::io::Error },
    #[error("another agent uses {}: stop it first, or use another directory", .0.display())]
    Locked(PathBuf),
}

/// What allocations and tasks of one node share.
pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    pub(crate) keeper: Keeper,
    pub(crate) hub: Hub,
    pub(crate) services: Services,
    allocs: Mutex<HashMap<String, AllocHandle>>,
    /// Allocations whose report is new to the server.
    changed: Mutex<BTreeSet<String>>,
    /// Allocations whose directories were collected and that the server still lists: they are not begun again.
    collected: Mutex<BTreeSet<String>>,
    /// The server has said once what it wants of this node.
    told: AtomicBool,
    wake: Notify,
}

/// Starts a client.
pub struct Client;

impl Client {
    /// Takes up what an earlier agent left, then follows the server. Needs a tokio runtime.
    pub async fn start(config: ClientConfig) -> Result<ClientHandle, ClientError> {
        // Without a provider the HTTP client cannot do TLS; whoever installed one before has chosen.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for (path, mode) in [(&config.dir, 0o700), (&config.alloc_dir, 0o711), (&config.state_dir, 0o711)] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(path)
                .map_err(|source| ClientError::Path { path: path.clone(), source })?;
        }
        let lock = lock(&config)?;
        let past = state::all(&config.dir).map_err(|source| ClientError::Path { path: config.dir.clone(), source })?;
        let taken_up = past.iter().filter(|state| !state.ended).map(|state| state.alloc.id.clone()).collect();
        let owned = config.dir.join("services.json");
        let services = Services::start(config.catalog.clone(), config.script_checks, owned, taken_up);
        let shared = Arc::new(Shared {
            keeper: Keeper::connect(config.keeper.clone()),
            hub: Hub::new(config.fetcher.clone()),
            services,
            allocs: Mutex::default(),
            changed: Mutex::default(),
            collected: Mutex::default(),
            told: AtomicBool::new(false),
            wake: Notify::new(),
            config,
        });
        shared.keeper.known().await;
        // Old ones first: a successor looks at them.
        let succeeds: HashMap<String, String> =
            past.iter().map(|state| (state.alloc.id.clone(), state.alloc.succeeds.clone())).collect();
        let age = |state: &AllocState| {
            std::iter::successors(succeeds.get(&state.alloc.id), |id| succeeds.get(*id)).take(succeeds.len()).count()
        };
        let mut past = past;
        past.sort_by_key(age);
        for state in past {
            shared.begin(state);
        }
        let loops = talk::start(&shared);
        Ok(ClientHandle::new(shared, loops, lock))
    }
}

impl Shared {
    pub(crate) fn alloc(&self, id: &str) -> Option<AllocHandle> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<(String, AllocHandle)> {
        self.lock().iter().map(|(id, handle)| (id.clone(), handle.clone())).collect()
    }

    /// The allocation on this node that takes over from `id`, or has.
    pub(crate) fn successor(&self, id: &str) -> Option<AllocHandle> {
        self.lock().values().find(|handle| handle.succeeds == id && !handle.report.borrow().ended).cloned()
    }

    pub(crate) fn forget_alloc(&self, id: &str) {
        self.lock().remove(id);
    }

    /// The server is to hear of this allocation.
    pub(crate) fn mark_changed(&self, id: &str) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        self.wake.notify_one();
    }

    fn begin(self: &Arc<Self>, state: AllocState) {
        let id = state.alloc.id.clone();
        match alloc::spawn(self.clone(), state) {
            Some(handle) => drop(self.lock().insert(id, handle)),
            None => tracing::error!(alloc = %id, "an allocation without its job cannot run"),
        }
    }

    /// What the server wants of this node now.
    async fn assign(self: &Arc<Self>, wanted: Vec<Allocation>) {
        let ids: BTreeSet<String> = wanted.iter().map(|alloc| alloc.id.clone()).collect();
        if !self.told.swap(true, Ordering::Relaxed) {
            self.end_strays(&ids).await;
        }
        let collected = {
            let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
            collected.retain(|id| ids.contains(id));
            collected.clone()
        };
        // Old ones first: a successor looks at them.
        let (known, fresh): (Vec<Allocation>, Vec<Allocation>) =
            wanted.into_iter().partition(|alloc| self.alloc(&alloc.id).is_some());
        let mut begun = false;
        for alloc in fresh {
            if !alloc.client_terminal() && !collected.contains(&alloc.id) {
                self.begin(AllocState { alloc, ..AllocState::default() });
                begun = true;
            }
        }
        if begun {
            self.collect_garbage(self.config.gc_max_allocs).await;
        }
        for alloc in known {
            if let Some(handle) = self.alloc(&alloc.id) {
                // The server gave this node up meanwhile, or missed a report: it is told again.
                if handle.report.borrow().alloc.client_status != alloc.client_status {
                    self.mark_changed(&alloc.id);
                }
                let _ = handle.commands.send(AllocCommand::Update(Box::new(alloc))).await;
            }
        }
        for (id, handle) in self.all() {
            if !ids.contains(&id) {
                let _ = handle.commands.send(AllocCommand::Destroy).await;
            }
        }
    }

    /// Takes the oldest ended allocations away but for `kept` of them.
    async fn collect_garbage(&self, kept: usize) {
        let mut ended: Vec<(i64, AllocHandle)> = self
            .all()
            .into_iter()
            // What the server has not heard yet is not over.
            .filter(|(id, _)| !self.is_changed(id))
            .filter(|(_, handle)| handle.report.borrow().ended)
            .map(|(_, handle)| {
                let finished = handle.report.borrow().alloc.task_states.values().map(|state| state.finished_at.0).max();
                (finished.unwrap_or(0), handle)
            })
            .collect();
        ended.sort_by_key(|(finished, _)| *finished);
        let surplus = ended.len().saturating_sub(kept);
        for (_, handle) in ended.into_iter().take(surplus) {
            let id = handle.report.borrow().alloc.id.clone();
            self.collected.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            let _ = handle.commands.send(AllocCommand::Destroy).await;
        }
    }

    fn is_changed(&self, id: &str) -> bool {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Tasks that the keeper has, that no allocation here knows and the server does not want: the agent's state was lost. Those
    /// that the server wants are taken up when their allocation is begun.
    async fn end_strays(&self, wanted: &BTreeSet<String>) {
        for key in self.keeper.keys() {
            let known =
                key.split_once('/').is_some_and(|(alloc, _)| wanted.contains(alloc) || self.alloc(alloc).is_some());
            if !known {
                tracing::warn!(task = %key, "a task that no allocation knows is ended");
                let _ = self.keeper.stop(&key, nix::libc::SIGTERM, self.config.max_kill_timeout).await;
                let mut watch = self.keeper.watch(&key);
                let over = watch.wait_for(|info| info.as_ref().is_none_or(|info| info.exit().is_some()));
                let _ = tokio::time::timeout(self.config.max_kill_timeout * 2, over).await;
                let _ = self.keeper.forget(&key).await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, AllocHandle>> {
        self.allocs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(config: &ClientConfig) -> Result<std::fs::File, ClientError> {
    let path = config.dir.join("lock");
    let failed = |source| ClientError::Path { path: path.clone(), source };
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ClientError::Locked(config.dir.clone())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}
