//! What proxies have running at instances that are about to stop. An addition to Consul's API, for Baton's proxies and runners.
//!
//! Kept in memory for a while only: a proxy that has gone must not hold up a stop.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};

use super::answer::{Answer, Failure};
use super::{Call, Face};

/// How long a count is believed.
const LIFETIME: Duration = Duration::from_secs(5);
/// Instances and proxies that are counted at the same time.
const COUNTS_MAX: usize = 65_536;
/// Longest name of an instance or proxy.
const NAME_MAX: usize = 512;

/// By instance and proxy.
#[derive(Debug, Default)]
pub(super) struct Drains {
    counts: Mutex<HashMap<String, HashMap<String, Count>>>,
}

#[derive(Debug)]
struct Count {
    running: u64,
    told: Instant,
}

impl Drains {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, Count>>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when there is no room.
    fn tell(&self, instance: &str, proxy: &str, running: u64, now: Instant) -> bool {
        let mut counts = self.lock();
        counts.retain(|_, proxies| {
            proxies.retain(|_, count| now.duration_since(count.told) < LIFETIME);
            !proxies.is_empty()
        });
        let known = counts.get(instance).is_some_and(|proxies| proxies.contains_key(proxy));
        if !known && counts.values().map(HashMap::len).sum::<usize>() >= COUNTS_MAX {
            return false;
        }
        counts.entry(instance.to_owned()).or_default().insert(proxy.to_owned(), Count { running, told: now });
        true
    }

    fn of(&self, instance: &str, now: Instant) -> BTreeMap<String, u64> {
        let counts = self.lock();
        let proxies = counts.get(instance).into_iter().flatten();
        let fresh = proxies.filter(|(_, count)| now.duration_since(count.told) < LIFETIME);
        fresh.map(|(proxy, count)| (proxy.clone(), count.running)).collect()
    }
}

/// `GET /v1/baton/drain/<instance>` lists, `PUT …?proxy=<name>&count=<number>` tells.
pub(super) fn handle(face: &Face, call: &Call) -> Result<Answer, Failure> {
    if call.method == Method::GET {
        return Ok(Answer::json(&face.drains.of(&call.rest, Instant::now())));
    }
    let proxy = call.query.get("proxy").filter(|name| !name.is_empty() && name.len() <= NAME_MAX);
    let count = call.query.get("count").and_then(|text| text.parse().ok());
    let (Some(proxy), Some(count)) = (proxy, count) else {
        return Err(Failure::bad_request("proxy= (a name) and count= (a number) are needed"));
    };
    if call.rest.is_empty() || call.rest.len() > NAME_MAX {
        return Err(Failure::bad_request("the path must name a service instance"));
    }
    if !face.drains.tell(&call.rest, proxy, count, Instant::now()) {
        return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, format!("more than {COUNTS_MAX} counts")));
    }
    Ok(Answer::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_by_proxy_and_forgotten_after_a_while() {
        let drains = Drains::default();
        let now = Instant::now();
        assert!(
            drains.tell("web", "p1", 3, now) && drains.tell("web", "p2", 1, now) && drains.tell("web", "p1", 2, now)
        );
        assert_eq!(drains.of("web", now), [("p1".to_owned(), 2), ("p2".to_owned(), 1)].into());
        assert!(drains.of("other", now).is_empty());
        let later = now + LIFETIME;
        assert!(drains.of("web", later).is_empty());
        drains.tell("other", "p1", 0, later);
        assert_eq!(drains.lock().len(), 1);
    }
}
