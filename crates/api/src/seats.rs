//! Who is served when more ask than can be.
//!
//! Everybody on the machine may open connections and let them wait for a change, so they cannot be allowed to keep the
//! nodes' own heartbeats out. When all seats are taken the one whose last request began longest ago gives its seat up; those
//! who have shown the token, and those behind the local socket, keep theirs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The connections that are served.
#[derive(Debug)]
pub(crate) struct Seats {
    max: usize,
    taken: Mutex<BTreeMap<u64, Arc<Taken>>>,
    freed: Notify,
    /// Counts connections and requests.
    clock: AtomicU64,
}

#[derive(Debug)]
struct Taken {
    /// When the newest request began, or the connection.
    asked: AtomicU64,
    trusted: AtomicBool,
    leave: CancellationToken,
}

/// One connection's place; free again when it is dropped. Stands in the extensions of its requests as a [`Claim`].
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    taken: Arc<Taken>,
}

/// Lets the guard say that a connection has shown the token.
#[derive(Clone, Debug)]
pub(crate) struct Claim(Arc<Taken>);

impl Claim {
    pub(crate) fn trust(&self) {
        self.0.trusted.store(true, Ordering::Relaxed);
    }
}

impl Seats {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default(), freed: Notify::new(), clock: AtomicU64::new(0) })
    }

    /// A seat, if need be somebody else's.
    pub(crate) async fn take(self: &Arc<Self>) -> Seat {
        loop {
            let freed = self.freed.notified();
            if let Some(seat) = self.try_take() {
                return seat;
            }
            freed.await;
        }
    }

    fn try_take(self: &Arc<Self>) -> Option<Seat> {
        let mut all = self.lock();
        if all.len() >= self.max {
            let untrusted = all.iter().filter(|(_, taken)| !taken.trusted.load(Ordering::Relaxed));
            let (number, _) = untrusted.min_by_key(|(_, taken)| taken.asked.load(Ordering::Relaxed))?;
            let number = *number;
            if let Some(taken) = all.remove(&number) {
                taken.leave.cancel();
            }
        }
        let number = self.tick();
        let taken = Arc::new(Taken {
            asked: AtomicU64::new(number),
            trusted: AtomicBool::new(false),
            leave: CancellationToken::new(),
        });
        all.insert(number, Arc::clone(&taken));
        Some(Seat { seats: Arc::clone(self), number, taken })
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Taken>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// A request begins.
    pub(crate) fn claim(&self) -> Claim {
        self.taken.asked.store(self.seats.tick(), Ordering::Relaxed);
        Claim(Arc::clone(&self.taken))
    }

    pub(crate) fn trust(&self) {
        self.taken.trusted.store(true, Ordering::Relaxed);
    }

    /// Ends when somebody else needs the seat more.
    pub(crate) async fn given_up(&self) {
        self.taken.leave.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().remove(&self.number);
        self.seats.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_silent_stranger_gives_its_seat_up() {
        let seats = Seats::new(3);
        let (owner, watcher, idle) = (seats.take().await, seats.take().await, seats.take().await);
        owner.claim().trust();
        watcher.claim();
        let fourth = seats.take().await;
        idle.given_up().await;
        assert!(!watcher.taken.leave.is_cancelled() && !owner.taken.leave.is_cancelled());
        let fifth = seats.take().await;
        watcher.given_up().await;
        // Only those who showed the token are left: the next one waits for a seat to become free.
        fourth.trust();
        fifth.trust();
        let mut waiting = Box::pin(seats.take());
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(owner);
        waiting.await;
    }
}
