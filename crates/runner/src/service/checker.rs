//! Runs one check again and again, and asks for a restart when it stays unhealthy.

use std::time::Duration;

use baton_consul::wire::Status;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::catalog::Report;
use super::check::Probe;
use super::definition::{CheckKind, CheckSpec};
use super::sync::Services;
use crate::task::Command;

/// Between two looks at results of checks that the catalog runs itself.
const REPORTS_PERIOD: Duration = Duration::from_millis(500);
/// A check without an interval.
const INTERVAL: Duration = Duration::from_secs(10);

/// One check, run again and again.
pub(super) struct Checker {
    pub(super) services: Services,
    pub(super) scope: String,
    pub(super) service: String,
    pub(super) check: CheckSpec,
    pub(super) restart: mpsc::WeakSender<Command>,
}

impl Checker {
    pub(super) async fn run(self) {
        let inner = &self.services.inner;
        let Some(catalog) = inner.catalog.clone() else { return };
        let native = catalog.runs_checks() && !matches!(self.check.kind, CheckKind::Script { .. });
        let ttl = catalog.runs_checks() && !native;
        let mut probe = Probe::new(self.check.clone(), inner.scripts);
        let interval = if self.check.interval.is_zero() { INTERVAL } else { self.check.interval.to_std() };
        let began = Instant::now();
        let mut next = began;
        let mut judged = began;
        let mut unhealthy = 0;
        loop {
            let report = if native {
                let reports = catalog.reports().await.unwrap_or_default();
                reports.get(&self.check.id).cloned()
            } else {
                Some(match &mut probe {
                    Ok(probe) => probe.run().await,
                    Err(reason) => Report { status: Status::Critical, output: reason.clone() },
                })
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
                self.services.take(&self.scope, &self.service, &self.check.id, report, ttl);
            }
            let period = if native { interval.min(REPORTS_PERIOD) } else { interval };
            // From start to start, as Consul counts; a slow check skips turns.
            next = (next + period).max(Instant::now());
            tokio::time::sleep_until(next).await;
        }
    }
}
