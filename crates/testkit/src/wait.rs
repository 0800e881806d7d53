//! Waiting for something outside this process to become true.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// Looks again and again until `look` gives a value; panics with what it saw last after `limit`.
#[track_caller]
pub fn eventually<T, E: Debug>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if started.elapsed() > limit => panic!("not within {limit:?}: {what}; last seen: {seen:?}"),
            Err(_) => std::thread::sleep(INTERVAL),
        }
    }
}
