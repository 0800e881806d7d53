//! The time, as the server sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use baton_model::{Nanos, Timestamp};

/// Wall-clock time that never goes back within a process, and the time since its start.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    started: Instant,
    newest: Arc<AtomicI64>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), newest: Arc::default() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Nanos::from_std(since_epoch).0;
        Timestamp(now.max(self.newest.fetch_max(now, Ordering::Relaxed)))
    }

    /// Monotonic, for the catalog's clocks.
    pub(crate) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }
}
