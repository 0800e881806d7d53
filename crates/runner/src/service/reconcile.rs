//! Keeps the catalog in line with what runs here.
//!
//! One worker does all writes to the catalog, in order. Every [`ANTI_ENTROPY`] it compares the whole: what is missing or differs
//! is registered again, what is left over from an ended task is removed.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::catalog::{Catalog, Report, Reports};
use super::definition::{CHECK_PREFIX, CheckKind, CheckSpec, Registration};
use super::sync::{Services, belongs};

/// Between two comparisons with the catalog, as in Nomad.
const ANTI_ENTROPY: Duration = Duration::from_secs(30);
/// After the catalog failed.
const RETRY: Duration = Duration::from_secs(1);

impl Services {
    /// Runs until it is aborted.
    pub(super) async fn work(self) {
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

    /// Finds what the catalog has too much, too little, or otherwise than it should.
    async fn compare(&self, catalog: &dyn Catalog) -> Result<(), String> {
        let there = catalog.registered().await?;
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut wanted = BTreeSet::new();
        for entry in state.scopes.values_mut().flatten() {
            let registration = &entry.registration;
            wanted.insert(registration.id.clone());
            let Some(known) = there.get(&registration.id).filter(|known| known.is(registration)) else {
                entry.registered = false;
                continue;
            };
            for check in &registration.checks {
                match known.checks.get(&check.id) {
                    None => entry.registered = false,
                    Some(status) => {
                        let ours = state.reports.get(&check.id);
                        if ours.is_some_and(|report| report.status != *status) {
                            entry.dirty.insert(check.id.clone());
                        }
                    }
                }
            }
            let surplus = known.checks.keys().filter(|id| id.starts_with(CHECK_PREFIX));
            let surplus = surplus.filter(|id| !registration.checks.iter().any(|check| check.id == **id));
            state.leaving_checks.extend(surplus.cloned());
        }
        // At the first look nothing may have been taken up yet; at the next, what has not been is left over.
        let early = state.found.is_none();
        let taken_up = |id: &str| early && self.inner.taken_up.iter().any(|alloc| belongs(id, alloc));
        let ours = |id: &&String| (catalog.is_exclusive() || state.owned.contains(*id)) && !taken_up(id);
        let surplus: Vec<String> = there.keys().filter(|id| !wanted.contains(*id)).filter(ours).cloned().collect();
        if early {
            let of_taken_up = there.iter().filter(|(id, _)| taken_up(id));
            state.found = Some(of_taken_up.map(|(id, known)| (id.clone(), known.checks.clone())).collect());
        }
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
        loop {
            let Some(id) = self.lock().leaving_checks.first().cloned() else { break };
            catalog.deregister_check(&id).await?;
            self.lock().leaving_checks.remove(&id);
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
        let found = state.found.as_ref().and_then(|found| found.get(&entry.registration.id));
        let as_found = |id: &String| Some(Report { status: *found?.get(id)?, output: String::new() });
        let report = |id: &String| state.reports.get(id).cloned().or_else(|| as_found(id));
        let checks = entry.registration.checks.iter();
        let reports = checks.filter_map(|check| Some((check.id.clone(), report(&check.id)?))).collect();
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
}
