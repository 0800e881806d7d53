//! Whether a server is fit for requests: what an observer from outside says, and what its answers show.
//!
//! The observer (probes, [`set_health`](crate::engine::EngineHandle::set_health)) has the last word: what it finds fit is
//! fit, whatever the answers showed before.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Found unfit from outside.
const OBSERVED: u8 = 1;
/// Found unfit by its answers.
const ANSWERED: u8 = 2;

/// Failures remembered per server, and so the highest `maxFailedAttempts` that counts.
const FAILURES_MAX: usize = 1000;

/// One server's health. Read by every request, as one flag; the rest is for services that go by answers.
#[derive(Debug, Default)]
pub(super) struct Health {
    down: AtomicU8,
    failures: Mutex<VecDeque<Instant>>,
}

impl Health {
    /// Whether nothing speaks against the server.
    pub(super) fn is_up(&self) -> bool {
        self.down.load(Ordering::Relaxed) == 0
    }

    /// Records an observation; says whether it changed anything.
    pub(super) fn observe(&self, up: bool) -> bool {
        if up {
            self.down.swap(0, Ordering::Relaxed) != 0
        } else {
            self.down.fetch_or(OBSERVED, Ordering::Relaxed) == 0
        }
    }

    /// Notes a good answer.
    pub(super) fn succeeded(&self) {
        self.failures().clear();
    }

    /// Notes a failure; true when it is the one by which the server goes down: `attempts` failures in a row within `window`.
    pub(super) fn failed(&self, attempts: u32, window: Duration, now: Instant) -> bool {
        let attempts = usize::try_from(attempts).unwrap_or(FAILURES_MAX).clamp(1, FAILURES_MAX);
        let mut failures = self.failures();
        failures.push_back(now);
        while failures.len() > attempts {
            failures.pop_front();
        }
        let first = failures.front().copied().unwrap_or(now);
        let reached = failures.len() == attempts && now.duration_since(first) < window;
        reached && self.down.fetch_or(ANSWERED, Ordering::Relaxed) & ANSWERED == 0
    }

    /// Gives the server another chance; true when it is up by that.
    pub(super) fn forgive(&self) -> bool {
        self.down.fetch_and(!ANSWERED, Ordering::Relaxed) == ANSWERED
    }

    fn failures(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[test]
    fn failures_in_a_row_take_a_server_down() {
        let (health, start) = (Health::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!health.failed(3, WINDOW, at(0)));
        assert!(!health.failed(3, WINDOW, at(1)));
        health.succeeded();
        assert!(!health.failed(3, WINDOW, at(2)));
        assert!(!health.failed(3, WINDOW, at(3)));
        assert!(health.is_up());
        assert!(health.failed(3, WINDOW, at(4)));
        assert!(!health.is_up());
        assert!(!health.failed(3, WINDOW, at(5)), "it is down already");
        assert!(health.forgive() && health.is_up());
    }

    #[test]
    fn failures_far_apart_do_not() {
        let (health, start) = (Health::default(), Instant::now());
        for seconds in [0, 9, 18, 27] {
            assert!(!health.failed(3, WINDOW, start + Duration::from_secs(seconds)));
        }
        assert!(health.failed(3, WINDOW, start + Duration::from_secs(27)));
        assert!(Health::default().failed(0, WINDOW, start), "zero attempts count as one");
    }

    #[test]
    fn the_observer_has_the_last_word() {
        let health = Health::default();
        assert!(health.observe(false) && !health.observe(false));
        assert!(health.failed(1, WINDOW, Instant::now()));
        assert!(!health.forgive() && !health.is_up(), "the observer has not changed its mind");
        assert!(health.observe(true) && health.is_up());
        assert!(health.failed(1, WINDOW, Instant::now()));
        assert!(health.observe(true) && health.is_up());
    }
}
