//! Keeps the catalog in line with what runs here, and runs the checks.
//!
//! One worker does all writes to the catalog, in order. Every [`ANTI_ENTROPY`] it compares the whole: what is missing is
//! registered again, what is left over from an ended task is removed. A catalog that is away is asked again; nothing here waits
//! for it for long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use baton_consul::wire::Status;
use baton_scheduler::health::CheckState;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::catalog::{Catalog, Report, Reports};
use super::check::{self, Streak};
use super::definition::{CheckKind, CheckSpec, Registration, Wanted};
use crate::state;
use crate::task::Command;

/// Between two comparisons with the catalog, as in Nomad.
const ANTI_ENTROPY: Duration = Duration::from_secs(30);
/// After the catalog failed.
const RETRY: Duration = Duration::from_secs(1);
/// How long the end of a task waits for its services to be gone from the catalog.
const REMOVAL_LIMIT: Duration = Duration::from_secs(2);
/// Between two looks at results of checks that the catalog runs itself.
const REPORTS_PERIOD: Duration = Duration::from_millis(500);
/// A check without an interval.
const INTERVAL: Duration = Duration::from_secs(10);

/// A handle for all allocations of the node.
#[derive(Clone)]
pub(crate) struct Services {
    inner: Arc<Inner>,
}

struct Inner {
    catalog: Option<Arc<dyn Catalog>>,
    http: reqwest::Client,
    http_unverified: reqwest::Client,
    scripts: bool,
    state: Mutex<State>,
    wake: Notify,
    changes: watch::Sender<u64>,
    /// Ids ever registered from here and not yet removed: what to clean up in a shared catalog after a crash.
    owned_path: PathBuf,
    worker: OnceLock<AbortHandle>,
}

#[derive(Default)]
struct State {
    /// By owner: a task's or a group's.
    scopes: BTreeMap<String, Vec<Entry>>,
    reports: Reports,
    /// Services to take out.
    leaving: BTreeSet<String>,
    owned: BTreeSet<String>,
    owned_saved: BTreeSet<String>,
}

struct Entry {
    registration: Registration,
    registered: bool,
    /// Checks with results that the catalog does not have yet.
    dirty: BTreeSet<String>,
    checkers: Vec<AbortHandle>,
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
    ) -> Result<Self, reqwest::Error> {
        let http = |unverified| {
            reqwest::Client::builder()
                .no_proxy()
                .pool_max_idle_per_host(0)
                .danger_accept_invalid_certs(unverified)
                .build()
        };
        let owned: BTreeSet<String> = state::read(&owned_path).unwrap_or_default();
        let state = State { owned: owned.clone(), owned_saved: owned, ..State::default() };
        let inner = Inner {
            catalog,
            http: http(false)?,
            http_unverified: http(true)?,
            scripts,
            state: Mutex::new(state),
            wake: Notify::new(),
            changes: watch::Sender::new(0),
            owned_path,
            worker: OnceLock::new(),
        };
        let services = Self { inner: Arc::new(inner) };
        if services.inner.catalog.is_some() {
            let worker = tokio::spawn(services.clone().work());
            let _ = services.inner.worker.set(worker.abort_handle());
        }
        Ok(services)
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
        let gone: Vec<String> =
            old.iter().map(|entry| entry.registration.id.clone()).filter(|id| !kept.contains(id)).collect();
        state.leaving.extend(gone);
        if !entries.is_empty() {
            state.scopes.insert(scope, entries);
        }
        drop(state);
        self.inner.wake.notify_one();
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|count| *count += 1);
    }

    fn take(&self, scope: &str, service: &str, check: &str, report: Report) {
        let mut state = self.lock();
        let old = state.reports.insert(check.to_owned(), report.clone());
        if old.as_ref() == Some(&report) {
            return;
        }
        let entries = state.scopes.get_mut(scope).into_iter().flatten();
        for entry in entries.filter(|entry| entry.registration.id == service) {
            entry.dirty.insert(check.to_owned());
        }
        drop(state);
        self.changed();
        self.inner.wake.notify_one();
    }

    async fn work(self) {
        let Some(catalog) = self.inner.catalog.clone() else { return };
        let mut compare_at = Instant::now();
        loop {
            let mut failed = false;
            if compare_at <= Instant::now() {
                match self.compare(&*catalog).await {
                    Ok(()) => compare_at = Instant::now() + ANTI_ENTROPY,
                    Err(reason) => {
                        failed = true;
                        tracing::warn!(%reason, "the catalog cannot be compared with what runs here");
                    }
                }
            }
            if let Err(reason) = self.write(&*catalog).await {
                failed = true;
                tracing::warn!(%reason, "the catalog does not take what runs here; trying again");
            }
            if failed {
                compare_at = Instant::now() + RETRY;
            }
            tokio::select! {
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep_until(compare_at) => {}
            }
        }
    }

    /// Finds what the catalog has too much and too little.
    async fn compare(&self, catalog: &dyn Catalog) -> Result<(), String> {
        let there = catalog.registered().await?;
        let mut state = self.lock();
        let mut wanted = BTreeSet::new();
        for entry in state.scopes.values_mut().flatten() {
            entry.registered &= there.contains(&entry.registration.id);
            wanted.insert(entry.registration.id.clone());
        }
        let ours = |id: &&String| catalog.is_exclusive() || state.owned.contains(*id);
        let surplus: Vec<String> = there.difference(&wanted).filter(ours).cloned().collect();
        state.leaving.extend(surplus);
        Ok(())
    }

    /// Removals, registrations, results, in this order.
    async fn write(&self, catalog: &dyn Catalog) -> Result<(), String> {
        self.save_owned();
        loop {
            let Some(id) = self.lock().leaving.first().cloned() else { break };
            catalog.deregister(&id).await?;
            let mut state = self.lock();
            state.leaving.remove(&id);
            if !state.scopes.values().flatten().any(|entry| entry.registration.id == id) {
                state.owned.remove(&id);
            }
            drop(state);
            self.changed();
        }
        while let Some((registration, reports)) = self.unregistered() {
            catalog.register(&registration, &reports).await?;
            let mut state = self.lock();
            let entry = state.scopes.values_mut().flatten().find(|entry| entry.registration == registration);
            if let Some(entry) = entry {
                entry.registered = true;
            }
            let current: Vec<String> = reports
                .iter()
                .filter(|(id, report)| state.reports.get(*id) == Some(report))
                .map(|(id, _)| id.clone())
                .collect();
            for entry in state.scopes.values_mut().flatten().filter(|entry| entry.registration == registration) {
                entry.dirty.retain(|id| !current.contains(id));
            }
            drop(state);
            self.changed();
        }
        while let Some((registration, check, report)) = self.unreported() {
            catalog.report(&registration, &check, &report).await?;
            let mut state = self.lock();
            if state.reports.get(&check.id) == Some(&report) {
                for entry in state.scopes.values_mut().flatten() {
                    entry.dirty.remove(&check.id);
                }
            }
        }
        self.save_owned();
        Ok(())
    }

    fn unregistered(&self) -> Option<(Registration, Reports)> {
        let state = self.lock();
        let entry = state.scopes.values().flatten().find(|entry| !entry.registered)?;
        let checks = entry.registration.checks.iter();
        let reports =
            checks.filter_map(|check| Some((check.id.clone(), state.reports.get(&check.id)?.clone()))).collect();
        Some((entry.registration.clone(), reports))
    }

    fn unreported(&self) -> Option<(Registration, CheckSpec, Report)> {
        let mut state = self.lock();
        let native = self.inner.catalog.as_ref().is_some_and(|catalog| catalog.runs_checks());
        for entry in state.scopes.values_mut().flatten() {
            // What the catalog found out itself it need not be told.
            let told = |check: &&CheckSpec| native && !matches!(check.kind, CheckKind::Script { .. });
            for check in entry.registration.checks.iter().filter(told) {
                entry.dirty.remove(&check.id);
            }
        }
        let entry = state.scopes.values().flatten().find(|entry| !entry.dirty.is_empty())?;
        let check = entry.registration.checks.iter().find(|check| entry.dirty.contains(&check.id))?;
        let report = state.reports.get(&check.id)?;
        Some((entry.registration.clone(), check.clone(), report.clone()))
    }

    fn save_owned(&self) {
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

fn check_state(status: Status) -> CheckState {
    match status {
        Status::Passing => CheckState::Passing,
        Status::Warning => CheckState::Warning,
        Status::Critical => CheckState::Critical,
    }
}

/// One check, run again and again.
struct Checker {
    services: Services,
    scope: String,
    service: String,
    check: CheckSpec,
    restart: tokio::sync::mpsc::WeakSender<Command>,
}

impl Checker {
    async fn run(self) {
        let inner = &self.services.inner;
        let Some(catalog) = inner.catalog.clone() else { return };
        let native = catalog.runs_checks() && !matches!(self.check.kind, CheckKind::Script { .. });
        let unverified = matches!(
            self.check.kind,
            CheckKind::Http { tls_skip_verify: true, .. } | CheckKind::Grpc { tls_skip_verify: true, .. }
        );
        let http = if unverified { &inner.http_unverified } else { &inner.http };
        let interval = if self.check.interval.is_zero() { INTERVAL } else { self.check.interval.to_std() };
        let began = Instant::now();
        let mut next = began;
        let mut judged = began;
        let mut streak = Streak::default();
        let mut unhealthy = 0;
        loop {
            let report = if native {
                let reports = catalog.reports().await.unwrap_or_default();
                reports.get(&self.check.id).cloned()
            } else {
                let report = check::run(http, &self.check, inner.scripts).await;
                Some(Report { status: streak.take(&self.check, report.status), ..report })
            };
            if let Some(report) = report {
                if let Some(rule) = &self.check.restart
                    && judged <= Instant::now()
                {
                    judged = Instant::now() + interval;
                    let bad = match report.status {
                        Status::Passing => false,
                        Status::Warning => !rule.ignore_warnings,
                        Status::Critical => true,
                    };
                    unhealthy = if bad && began.elapsed() >= rule.grace.to_std() { unhealthy + 1 } else { 0 };
                    if unhealthy >= rule.limit {
                        let reason = format!("healthcheck: check {:?} unhealthy", self.check.name);
                        if let Some(task) = self.restart.upgrade() {
                            let _ = task.send(Command::Unhealthy { reason }).await;
                        }
                        return;
                    }
                }
                self.services.take(&self.scope, &self.service, &self.check.id, report);
            }
            let period = if native { interval.min(REPORTS_PERIOD) } else { interval };
            // From start to start, as Consul counts; a slow check skips turns.
            next = (next + period).max(Instant::now());
            tokio::time::sleep_until(next).await;
        }
    }
}
