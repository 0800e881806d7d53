//! The time, as the server sees it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use baton_model::{Nanos, Timestamp};

/// How much slower the server's time runs while the wall clock is behind it.
const SLOW: i64 = 2;

/// Time that never goes back and never stands still.
///
/// It is the wall clock's. Where that is set back, the server's time goes on at half speed until the wall clock has caught
/// up: what was to happen in 30 s happens within a minute, not when the old time comes again.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    started: Instant,
    newest: Arc<Mutex<Reading>>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    time: Timestamp,
}

impl Clock {
    /// `newest`: a time that was seen before this process started.
    pub(crate) fn starting_at(newest: Timestamp) -> Self {
        let started = Instant::now();
        Self { started, newest: Arc::new(Mutex::new(Reading { at: started, time: newest })) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let passed = Nanos::from_std(at.saturating_duration_since(newest.at));
        *newest = Reading { at, time: next(newest.time, passed, wall()) };
        newest.time
    }

    /// Monotonic, for the catalog's clocks.
    pub(crate) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The wall clock, wherever it was set to.
pub(crate) fn wall() -> Timestamp {
    Timestamp(Nanos::from_std(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()).0)
}

fn next(newest: Timestamp, passed: Nanos, wall: Timestamp) -> Timestamp {
    wall.max(newest.plus(Nanos(passed.0 / SLOW)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_follows_the_wall_clock_and_goes_on_when_it_is_set_back() {
        let secs = |secs: i64| Timestamp(secs * 1_000_000_000);
        let day = 86_400;
        assert_eq!(next(secs(10), Nanos::secs(1), secs(11)), secs(11));
        assert_eq!(next(secs(10), Nanos::secs(1), secs(day)), secs(day));
        assert_eq!(next(secs(day), Nanos::secs(10), secs(20)), secs(day + 5));
        let clock = Clock::starting_at(wall().plus(Nanos::secs(day)));
        let before = clock.now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now() > before);
    }
}
