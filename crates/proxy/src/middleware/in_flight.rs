//! `inFlightReq`: so many requests of one source at the same time; more are answered 429.
//!
//! A request counts until its answer is out or given up. The counts are of the whole process.

use super::source::Sources;
use super::{LocalFuture, Middleware, Next, Request, Response};
use crate::body::holding;
use baton_routing::config;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The middleware.
pub(super) struct InFlightReq {
    sources: Sources,
    amount: u64,
    counts: Arc<Counts>,
}

/// Requests that run, by source; sources without any are not listed.
#[derive(Default)]
struct Counts(Mutex<HashMap<u64, u64>>);

/// One request that runs.
struct Running {
    source: u64,
    counts: Arc<Counts>,
}

impl InFlightReq {
    /// From its options.
    pub(super) fn new(options: &config::InFlightReq) -> Result<Self, String> {
        let sources = Sources::new(options.source_criterion.as_ref(), true)?;
        Ok(Self { sources, amount: options.amount, counts: Arc::default() })
    }
}

impl Middleware for InFlightReq {
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let source = self.sources.of(&request.head, &request.info);
            let Some(running) = Running::start(&self.counts, source, self.amount) else { return Response::status(429) };
            let mut response = next.run(request).await;
            response.body = holding(response.body, running);
            response
        })
    }
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Running {
    fn start(counts: &Arc<Counts>, source: u64, amount: u64) -> Option<Self> {
        let mut running = counts.lock();
        if running.get(&source).copied().unwrap_or(0) >= amount {
            return None;
        }
        *running.entry(source).or_insert(0) += 1;
        Some(Self { source, counts: counts.clone() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.counts.lock();
        if let Some(count) = running.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_makes_room_and_leaves_nothing_behind() {
        let counts = Arc::default();
        let first = Running::start(&counts, 1, 2).unwrap();
        let second = Running::start(&counts, 1, 2).unwrap();
        assert!(Running::start(&counts, 1, 2).is_none());
        let other = Running::start(&counts, 2, 1).unwrap();
        drop(first);
        let third = Running::start(&counts, 1, 2).unwrap();
        drop((second, third, other));
        assert!(counts.lock().is_empty());
        assert!(Running::start(&counts, 1, 0).is_none());
    }
}
