//! What the catalog is to hold: the services of what runs here, and what their checks said.
//!
//! Owners set, drain and remove their services; `reconcile` writes, `checker` runs the checks. A catalog that is away is asked
//! again; nothing here waits for it for long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use baton_consul::wire::Status;
use baton_scheduler::health::CheckState;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::DRAIN_LIMIT;
use super::catalog::{Catalog, Report, Reports};
use super::checker::Checker;
use super::definition::{Registration, SERVICE_PREFIX, Wanted};
use crate::state;

/// How long the end of a task waits for its services to be gone from the catalog.
const REMOVAL_LIMIT: Duration = Duration::from_secs(2);
/// How long a service marked as draining is left alone at least: proxies that follow the catalog hear of it within this.
const DRAIN_SETTLE: Duration = Duration::from_millis(250);
/// How long the first proxy is waited for that tells what it has in flight: on a busy machine it hears of the mark late.
const FIRST_COUNT: Duration = Duration::from_secs(1);
/// Between two looks at what is in flight.
const IN_FLIGHT_LOOK: Duration = Duration::from_millis(100);

/// A handle for all allocations of the node.
#[derive(Clone)]
pub(crate) struct Services {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) catalog: Option<Arc<dyn Catalog>>,
    pub(super) scripts: bool,
    pub(super) state: Mutex<State>,
    pub(super) wake: Notify,
    pub(super) changes: watch::Sender<u64>,
    /// Allocations that were not over when the earlier agent ended.
    pub(super) taken_up: BTreeSet<String>,
    /// Ids ever registered from here and not yet removed: what to clean up in a shared catalog after a crash.
    pub(super) owned_path: PathBuf,
    pub(super) worker: OnceLock<AbortHandle>,
}

#[derive(Default)]
pub(super) struct State {
    /// By owner: a task's or a group's.
    pub(super) scopes: BTreeMap<String, Vec<Entry>>,
    pub(super) reports: Reports,
    /// Services to take out.
    pub(super) leaving: BTreeSet<String>,
    /// Checks to take out of services that stay.
    pub(super) leaving_checks: BTreeSet<String>,
    /// What an earlier agent had registered and this one found, by service: a check that said so is believed until it says
    /// something else, and nothing of it is surplus before its allocation had time to be taken up. `None` before the first look.
    pub(super) found: Option<BTreeMap<String, BTreeMap<String, Status>>>,
    pub(super) owned: BTreeSet<String>,
    pub(super) owned_saved: BTreeSet<String>,
}

pub(super) struct Entry {
    pub(super) registration: Registration,
    pub(super) registered: bool,
    /// Checks with results that the catalog does not have yet.
    pub(super) dirty: BTreeSet<String>,
    pub(super) checkers: Vec<AbortHandle>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        for checker in &self.checkers {
            checker.abort();
        }
    }
}

impl Services {
    pub(crate) fn start(
        catalog: Option<Arc<dyn Catalog>>,
        scripts: bool,
        owned_path: PathBuf,
        taken_up: BTreeSet<String>,
    ) -> Self {
        let owned: BTreeSet<String> = state::read(&owned_path).unwrap_or_default();
        let state = State { owned: owned.clone(), owned_saved: owned, ..State::default() };
        let inner = Inner {
            catalog,
            scripts,
            state: Mutex::new(state),
            wake: Notify::new(),
            changes: watch::Sender::new(0),
            taken_up,
            owned_path,
            worker: OnceLock::new(),
        };
        let services = Self { inner: Arc::new(inner) };
        if services.inner.catalog.is_some() {
            let worker = tokio::spawn(services.clone().work());
            let _ = services.inner.worker.set(worker.abort_handle());
        }
        services
    }

    /// Changes with every result and registration.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// These are an owner's services now. Unchanged ones are left alone; checks of new ones run at once.
    pub(crate) fn set(&self, scope: String, wanted: Vec<Wanted>) {
        let mut state = self.lock();
        let mut old = state.scopes.remove(&scope).unwrap_or_default();
        let mut entries = Vec::new();
        for Wanted { registration, restart } in wanted {
            if let Some(at) = old.iter().position(|entry| entry.registration == registration) {
                entries.push(old.swap_remove(at));
                continue;
            }
            let checkers = registration
                .checks
                .iter()
                .map(|check| {
                    let checker = Checker {
                        services: self.clone(),
                        scope: scope.clone(),
                        service: registration.id.clone(),
                        check: check.clone(),
                        restart: restart.clone(),
                    };
                    tokio::spawn(checker.run()).abort_handle()
                })
                .collect();
            state.leaving.remove(&registration.id);
            state.owned.insert(registration.id.clone());
            entries.push(Entry { registration, registered: false, dirty: BTreeSet::new(), checkers });
        }
        let kept: BTreeSet<&String> = entries.iter().map(|entry| &entry.registration.id).collect();
        let checks = |entry: &Entry| entry.registration.checks.iter().map(|check| check.id.clone()).collect::<Vec<_>>();
        let needed: BTreeSet<String> = entries.iter().flat_map(checks).collect();
        for entry in &old {
            if !kept.contains(&entry.registration.id) {
                state.leaving.insert(entry.registration.id.clone());
            }
            let unneeded = checks(entry).into_iter().filter(|id| !needed.contains(id));
            state.leaving_checks.extend(unneeded);
        }
        if !entries.is_empty() {
            state.scopes.insert(scope, entries);
        }
        drop(state);
        self.inner.wake.notify_one();
    }

    /// Marks the owners' services as draining; returns when the catalog has the mark, or after [`REMOVAL_LIMIT`]. False when
    /// there is nothing to mark.
    pub(crate) async fn drain(&self, scopes: &[String]) -> bool {
        if self.inner.catalog.is_none() {
            return false;
        }
        let mut changes = self.changes();
        let marked = {
            let mut state = self.lock();
            let mut marked = 0;
            let entries = state.scopes.iter_mut().filter(|(scope, _)| scopes.contains(scope));
            for entry in entries.flat_map(|(_, entries)| entries) {
                entry.registration.drain();
                entry.registered = false;
                marked += 1;
            }
            marked
        };
        if marked == 0 {
            return false;
        }
        self.inner.wake.notify_one();
        let known = || {
            let state = self.lock();
            scopes.iter().filter_map(|scope| state.scopes.get(scope)).flatten().all(|entry| entry.registered)
        };
        let told = async { while !known() && changes.changed().await.is_ok() {} };
        if tokio::time::timeout(REMOVAL_LIMIT, told).await.is_err() {
            tracing::warn!(?scopes, "the catalog does not answer; services leave without being drained");
        }
        true
    }

    /// Waits until drained services have nothing more in flight at any proxy that counts, at the latest [`DRAIN_LIMIT`] from now.
    pub(crate) async fn quiet(&self, scopes: &[String]) {
        let Some(catalog) = &self.inner.catalog else { return };
        let ids: Vec<String> = {
            let state = self.lock();
            let entries = scopes.iter().filter_map(|scope| state.scopes.get(scope)).flatten();
            entries.map(|entry| entry.registration.id.clone()).collect()
        };
        let counted = async {
            let marked = tokio::time::Instant::now();
            tokio::time::sleep(DRAIN_SETTLE).await;
            // A catalog that does not answer has nothing to tell.
            while catalog.in_flight(&ids).await.is_ok_and(|told| match told {
                Some(count) => count > 0,
                None => marked.elapsed() < FIRST_COUNT,
            }) {
                tokio::time::sleep(IN_FLIGHT_LOOK).await;
            }
        };
        if tokio::time::timeout(DRAIN_LIMIT, counted).await.is_err() {
            tracing::warn!(
                ?scopes,
                "requests are still running after {DRAIN_LIMIT:?}; the task is stopped all the same"
            );
        }
    }

    /// Takes an owner's services out of the catalog; returns when they are, or after [`REMOVAL_LIMIT`].
    pub(crate) async fn remove(&self, scope: &str) {
        let mut changes = self.changes();
        let ids: Vec<String> = {
            let mut state = self.lock();
            let entries = state.scopes.remove(scope).unwrap_or_default();
            let ids: Vec<String> = entries.iter().map(|entry| entry.registration.id.clone()).collect();
            for entry in &entries {
                for check in &entry.registration.checks {
                    state.reports.remove(&check.id);
                }
            }
            state.leaving.extend(ids.iter().cloned());
            // What ended is not what was found any more.
            let alloc = scope.split('/').next().unwrap_or(scope);
            if let Some(found) = &mut state.found {
                found.retain(|id, _| !belongs(id, alloc));
            }
            ids
        };
        if ids.is_empty() || self.inner.catalog.is_none() {
            return;
        }
        self.inner.wake.notify_one();
        let gone = async {
            loop {
                if !ids.iter().any(|id| self.lock().leaving.contains(id)) || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(REMOVAL_LIMIT, gone).await.is_err() {
            tracing::warn!(%scope, "the catalog does not answer; services are removed later");
        }
    }

    /// Every check of these owners counts as healthy. An owner that has not registered yet does not.
    pub(crate) fn good(&self, scopes: &[String]) -> bool {
        if self.inner.catalog.is_none() {
            return true;
        }
        let state = self.lock();
        scopes.iter().all(|scope| {
            state.scopes.get(scope).is_some_and(|entries| {
                entries.iter().flat_map(|entry| &entry.registration.checks).all(|check| {
                    let status = state.reports.get(&check.id).map_or(Status::Critical, |report| report.status);
                    check_state(status).counts_as_healthy(&check.on_update)
                })
            })
        })
    }

    /// The agent ends, what runs goes on: nothing is written any more and nothing removed.
    pub(crate) fn leave(&self) {
        self.lock().scopes.clear();
        if let Some(worker) = self.inner.worker.get() {
            worker.abort();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changed(&self) {
        self.inner.changes.send_modify(|count| *count += 1);
    }

    /// A check's result. `ttl`: the catalog waits for each one, not only for another.
    pub(super) fn take(&self, scope: &str, service: &str, check: &str, report: Report, ttl: bool) {
        let mut state = self.lock();
        let same = state.reports.insert(check.to_owned(), report.clone()) == Some(report);
        if same && !ttl {
            return;
        }
        let entries = state.scopes.get_mut(scope).into_iter().flatten();
        for entry in entries.filter(|entry| entry.registration.id == service) {
            entry.dirty.insert(check.to_owned());
        }
        drop(state);
        if !same {
            self.changed();
        }
        self.inner.wake.notify_one();
    }

    pub(super) fn save_owned(&self) {
        let owned = {
            let state = self.lock();
            if state.owned == state.owned_saved {
                return;
            }
            state.owned.clone()
        };
        match state::write(&self.inner.owned_path, &owned) {
            Ok(()) => self.lock().owned_saved = owned,
            Err(error) => tracing::error!(%error, path = %self.inner.owned_path.display(), "cannot write"),
        }
    }
}

/// Is this a service of the allocation?
pub(super) fn belongs(service_id: &str, alloc_id: &str) -> bool {
    service_id.strip_prefix(SERVICE_PREFIX).is_some_and(|rest| rest.starts_with(alloc_id))
}

fn check_state(status: Status) -> CheckState {
    match status {
        Status::Passing => CheckState::Passing,
        Status::Warning => CheckState::Warning,
        Status::Critical => CheckState::Critical,
    }
}
