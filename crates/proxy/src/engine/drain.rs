//! The way down, in three beats: tell, drain, cut.
//!
//! 1. `ping@internal` says that the process stops; everything else goes on, so that whoever looks at it can look elsewhere.
//! 2. Nothing new is accepted; each answer asks its client to close (`Connection: close`, GOAWAY). Idle connections get a
//!    moment to be told so by an answer before they are closed, since a request may be on the wire already.
//! 3. What still runs when the time is up is cut, tunnels included.

use super::handle::EngineHandle;
use super::{EngineError, Phase};
use baton_routing::RouteTable;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long each beat may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainPlan {
    /// Still accepting for this long.
    pub accept_grace: Duration,
    /// Idle connections stay open for this long after that.
    pub idle_grace: Duration,
    /// Running requests and tunnels have this long, counted from the end of accepting.
    pub grace: Duration,
}

/// What a drain came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open when the time was up.
    pub cut: usize,
}

impl DrainPlan {
    /// Default of [`DrainPlan::idle_grace`].
    pub const IDLE_GRACE: Duration = Duration::from_millis(500);

    /// The longest times that the entry points of a table ask for.
    pub fn of(table: &RouteTable) -> Self {
        let cycles = || table.entry_points.values().map(|entry_point| &entry_point.options.transport.life_cycle);
        let grace = cycles().map(|cycle| *cycle.grace_time_out).max().unwrap_or_default();
        Self {
            accept_grace: cycles().map(|cycle| *cycle.request_accept_grace_timeout).max().unwrap_or_default(),
            idle_grace: Self::IDLE_GRACE.min(grace),
            grace,
        }
    }
}

impl EngineHandle {
    /// Drains and ends the engine.
    pub async fn shutdown(mut self, plan: DrainPlan) -> Result<Drained, EngineError> {
        self.enter(Phase::Stopping)?;
        tokio::time::sleep(plan.accept_grace).await;
        self.enter(Phase::Draining)?;
        let start = Instant::now();
        let mut cut = 0;
        if !self.quiet_by(start + plan.idle_grace).await {
            self.enter(Phase::Closing)?;
            if !self.quiet_by(start + plan.grace).await {
                cut = self.shared.open();
                self.enter(Phase::Cut)?;
                // Tasks see the phase at their next poll, which the command asks for.
                self.quiet_by(Instant::now() + Duration::from_secs(1)).await;
            }
        }
        self.stop();
        Ok(Drained { cut })
    }

    /// Waits until no connection is open; false when `deadline` came first.
    async fn quiet_by(&self, deadline: Instant) -> bool {
        let quiet = async {
            loop {
                let notified = self.shared.quiet.notified();
                if self.shared.load.iter().all(|load| load.open.load(Ordering::Acquire) == 0) {
                    return;
                }
                notified.await;
            }
        };
        timeout_at(deadline, quiet).await.is_ok()
    }
}
