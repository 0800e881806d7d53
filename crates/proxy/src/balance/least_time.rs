//! The server that has answered soonest of late, counting what it is busy with.
//!
//! As in Traefik: the mean time to the head of the answer over the last hundred answers in whole milliseconds, times the
//! requests in flight plus one, divided by the weight. Equals take turns, and a server without answers comes first.

use super::{Rotation, Server};
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Answers that the mean is taken over.
const SAMPLES: usize = 100;

/// The times of a balancer's servers.
#[derive(Debug)]
pub(super) struct LeastTime {
    weights: Vec<u32>,
    times: Vec<Mutex<Times>>,
    turns: Rotation,
}

/// A server's last times.
#[derive(Debug, Default)]
struct Times {
    millis: Vec<u64>,
    next: usize,
    sum: u64,
}

impl LeastTime {
    /// No times yet, for servers of these weights.
    pub(super) fn new(weights: &[u32]) -> Self {
        let times = weights.iter().map(|_| Mutex::default()).collect();
        Self { weights: weights.to_vec(), times, turns: Rotation::new(weights) }
    }

    /// Notes how long a server took.
    pub(super) fn note(&self, index: usize, took: Duration) {
        let mut times = self.lock(index);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX / SAMPLES as u64).min(u64::from(u32::MAX));
        times.sum += millis;
        if times.millis.len() < SAMPLES {
            times.millis.push(millis);
        } else {
            let at = times.next;
            times.sum -= std::mem::replace(&mut times.millis[at], millis);
            times.next = (at + 1) % SAMPLES;
        }
    }

    /// The best server that `fit` accepts.
    pub(super) fn next(&self, servers: &[Arc<Server>], fit: impl Fn(usize) -> bool) -> Option<usize> {
        let score = |index: usize| {
            let busy = servers[index].in_flight().max(0) as f64;
            self.lock(index).mean() * (1.0 + busy) / f64::from(self.weights[index])
        };
        let scores: SmallVec<[f64; 16]> =
            (0..servers.len()).map(|index| if fit(index) { score(index) } else { f64::INFINITY }).collect();
        let best = scores.iter().copied().min_by(f64::total_cmp).filter(|best| best.is_finite())?;
        self.turns.next(|index| scores[index] == best)
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Times> {
        self.times[index].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Times {
    fn mean(&self) -> f64 {
        self.sum as f64 / self.millis.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::InFlight;
    use super::*;
    use crate::upstream::Transport;
    use baton_routing::config;

    fn servers(count: usize) -> Vec<Arc<Server>> {
        let transport = Arc::new(Transport::new(&config::ServersTransport::default(), true));
        let config = config::Server { url: "http://127.0.0.1:80".into(), ..config::Server::default() };
        (0..count).map(|_| Arc::new(Server::new(&config, transport.clone()).unwrap())).collect()
    }

    #[test]
    fn the_quick_and_idle_come_first() {
        let (servers, times) = (servers(3), LeastTime::new(&[1, 1, 1]));
        times.note(0, Duration::from_millis(10));
        times.note(1, Duration::from_millis(30));
        times.note(2, Duration::from_millis(40));
        assert_eq!(times.next(&servers, |_| true), Some(0));
        assert_eq!(times.next(&servers, |index| index != 0), Some(1));
        let busy: Vec<_> = (0..3).map(|_| InFlight::at(&servers[0])).collect();
        assert_eq!(times.next(&servers, |_| true), Some(1), "40 against 30");
        drop(busy);
        assert_eq!(times.next(&servers, |_| false), None);
    }

    #[test]
    fn equals_take_turns_and_weights_count() {
        let (servers, times) = (servers(2), LeastTime::new(&[3, 1]));
        let mut counts = [0; 2];
        for _ in 0..40 {
            counts[times.next(&servers, |_| true).unwrap()] += 1;
        }
        assert_eq!(counts, [30, 10]);
        times.note(0, Duration::from_millis(20));
        times.note(1, Duration::from_millis(10));
        assert_eq!(times.next(&servers, |_| true), Some(0), "a third of 20 against 10");
    }

    #[test]
    fn old_times_are_forgotten() {
        let times = LeastTime::new(&[1]);
        times.note(0, Duration::from_secs(100));
        for _ in 0..SAMPLES {
            times.note(0, Duration::from_millis(5));
        }
        assert_eq!(times.lock(0).mean(), 5.0);
    }
}
