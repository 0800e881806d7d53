//! Token buckets by source, in bounded memory.
//!
//! A bucket that nobody took from for as long as it takes to fill is like a new one. So there are two generations: a
//! bucket that is used moves to the young one; when the young one is old enough, or too large, it becomes the old one and
//! what was left there is dropped.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Sources in one generation of a shard.
const SOURCES_MAX: usize = 4096;
/// Parts with a lock each.
const SHARDS: usize = 8;
/// Longest time by which a request may come too early.
const EARLY_MAX: Duration = Duration::from_millis(500);

/// Buckets of one size and speed.
pub(super) struct Buckets {
    /// Tokens per second.
    rate: f64,
    burst: f64,
    early: f64,
    fill_time: Duration,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    young: HashMap<u64, Bucket>,
    old: HashMap<u64, Bucket>,
    since: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    /// Buckets that hold `burst` tokens and get `average` new ones per `period`.
    pub(super) fn new(average: u64, period: Duration, burst: u64) -> Self {
        let rate = average as f64 / period.as_secs_f64();
        let burst = burst.max(1) as f64;
        // Half the time between two tokens: clients that are in step with the limit are not refused for a hair.
        let early = (0.5 / rate).min(EARLY_MAX.as_secs_f64()) * rate;
        let fill_time = Duration::try_from_secs_f64(burst / rate).unwrap_or(Duration::MAX);
        Self { rate, burst, early, fill_time, shards: Default::default() }
    }

    /// Takes a token for `source`. `Err` is the time until there is one again.
    pub(super) fn take(&self, source: u64, now: Instant) -> Result<(), Duration> {
        let shard = &self.shards[source as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let since = *shard.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= self.fill_time || shard.young.len() >= SOURCES_MAX {
            shard.old = std::mem::take(&mut shard.young);
            shard.since = Some(now);
        }
        let known = shard.young.get(&source).or_else(|| shard.old.get(&source));
        let mut bucket = known.copied().unwrap_or(Bucket { tokens: self.burst, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * self.rate;
        bucket.tokens = (bucket.tokens + gained).min(self.burst);
        bucket.at = bucket.at.max(now);
        let left = bucket.tokens - 1.0;
        let enough = left >= -self.early;
        if enough {
            bucket.tokens = left;
        }
        shard.young.insert(source, bucket);
        if enough { Ok(()) } else { Err(Duration::try_from_secs_f64(-left / self.rate).unwrap_or(Duration::MAX)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_average() {
        let buckets = Buckets::new(1, Duration::from_secs(10), 2);
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        assert!(buckets.take(1, start).is_ok() && buckets.take(1, start).is_ok());
        assert_eq!(buckets.take(1, start), Err(Duration::from_secs(10)));
        assert!(buckets.take(2, start).is_ok(), "another source");
        assert_eq!(buckets.take(1, at(4)), Err(Duration::from_secs(6)));
        assert!(buckets.take(1, at(10)).is_ok());
        assert!(buckets.take(1, at(11)).is_err());
        // An hour later it is full, not fuller.
        assert!(buckets.take(1, at(3600)).is_ok() && buckets.take(1, at(3600)).is_ok());
        assert!(buckets.take(1, at(3600)).is_err());
    }

    #[test]
    fn a_hair_too_early_is_no_matter_but_counts() {
        let buckets = Buckets::new(100, Duration::from_secs(1), 1);
        let start = Instant::now();
        let passed = (0..1000).filter(|ms| buckets.take(1, start + Duration::from_millis(*ms)).is_ok()).count();
        assert!((100..=102).contains(&passed), "{passed}");
    }

    #[test]
    fn many_sources_take_bounded_memory_and_full_buckets_are_dropped() {
        let buckets = Buckets::new(10, Duration::from_secs(1), 10);
        let start = Instant::now();
        for source in 0..(SOURCES_MAX * SHARDS * 3) as u64 {
            buckets.take(source, start).unwrap();
        }
        let held =
            || buckets.shards.iter().map(|shard| shard.lock().unwrap()).map(|s| s.young.len() + s.old.len()).sum();
        let all: usize = held();
        assert!(all <= 2 * SOURCES_MAX * SHARDS, "{all}");
        for turn in 1..=2 {
            for shard in 0..SHARDS as u64 {
                buckets.take(shard, start + Duration::from_secs(turn * 2)).unwrap();
            }
        }
        let rest: usize = held();
        assert!(rest <= 2 * SHARDS, "{rest}");
    }
}
