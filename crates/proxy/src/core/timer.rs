//! Deadlines of a core's connections: one coarse clock and one wheel, no timer per wait.
//!
//! A connection owns one [`Watch`]. Setting a deadline writes a cell; the wheel notices on its own when a slot comes
//! up, and files the watch again if the deadline has moved on. Resolution is [`TICK`](crate::limits::TICK), late by at most two of them.

use crate::limits::TICK;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

/// Slots of the wheel: deadlines further away than this many ticks are filed again when they come near.
const SLOTS: usize = 1024;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// Clock and wheel of one core.
#[derive(Debug)]
pub struct Timers {
    now: Cell<u64>,
    slots: RefCell<Vec<Vec<Rc<Entry>>>>,
}

#[derive(Debug)]
struct Entry {
    deadline: Cell<u64>,
    /// Tick of the slot this entry stands in; [`NEVER`] when in none.
    filed: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// One connection's deadline and wake-up handle. Clones share both.
#[derive(Debug, Clone)]
pub struct Watch {
    entry: Rc<Entry>,
}

/// A reference to a watch that wakes its task.
#[derive(Debug, Clone)]
pub struct WakeHandle(Rc<Entry>);

impl Timers {
    /// A clock at tick 0.
    pub fn new() -> Self {
        Self { now: Cell::new(0), slots: RefCell::new((0..SLOTS).map(|_| Vec::new()).collect()) }
    }

    /// Ticks since the start.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// A new watch without a deadline.
    pub fn watch(&self) -> Watch {
        Watch {
            entry: Rc::new(Entry { deadline: Cell::new(NEVER), filed: Cell::new(NEVER), waker: RefCell::new(None) }),
        }
    }

    /// Sets the deadline of `watch`; zero removes it.
    pub fn arm(&self, watch: &Watch, after: Duration) {
        if after.is_zero() {
            watch.entry.deadline.set(NEVER);
            return;
        }
        let ticks = u64::try_from(after.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX / 2);
        let deadline = self.now.get().saturating_add(ticks).saturating_add(1);
        watch.entry.deadline.set(deadline);
        if watch.entry.filed.get() > deadline {
            self.file(&watch.entry);
        }
    }

    fn file(&self, entry: &Rc<Entry>) {
        let now = self.now.get();
        let tick = entry.deadline.get().clamp(now + 1, now + SLOTS as u64 - 1);
        entry.filed.set(tick);
        self.slots.borrow_mut()[tick as usize % SLOTS].push(entry.clone());
    }

    /// Moves the clock to `tick` and wakes every watch whose deadline passed.
    pub fn advance(&self, tick: u64) {
        while self.now.get() < tick {
            let now = self.now.get() + 1;
            self.now.set(now);
            let due = std::mem::take(&mut self.slots.borrow_mut()[now as usize % SLOTS]);
            for entry in due {
                // Filed again earlier or later since: the other place counts.
                if entry.filed.get() != now {
                    continue;
                }
                entry.filed.set(NEVER);
                // The watch is gone.
                if Rc::strong_count(&entry) == 1 {
                    continue;
                }
                if entry.deadline.get() <= now {
                    wake(&entry);
                } else if entry.deadline.get() != NEVER {
                    self.file(&entry);
                }
            }
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

impl Watch {
    /// Whether the deadline passed; otherwise the task is woken when it does.
    pub fn expired(&self, timers: &Timers, cx: &Context<'_>) -> bool {
        if self.entry.deadline.get() <= timers.now() {
            return true;
        }
        self.register(cx);
        false
    }

    /// Has the task woken by [`WakeHandle::wake`].
    pub fn register(&self, cx: &Context<'_>) {
        let mut waker = self.entry.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// A handle for others.
    pub fn handle(&self) -> WakeHandle {
        WakeHandle(self.entry.clone())
    }
}

impl WakeHandle {
    /// Wakes the task that last waited on the watch.
    pub fn wake(&self) {
        wake(&self.0);
    }
}

fn wake(entry: &Entry) {
    let waker = entry.waker.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_moves_without_filing_again() {
        let timers = Timers::new();
        let watch = timers.watch();
        let cx = Context::from_waker(Waker::noop());
        timers.arm(&watch, Duration::from_secs(1));
        timers.advance(5);
        timers.arm(&watch, Duration::from_secs(1));
        timers.advance(12);
        assert!(!watch.expired(&timers, &cx));
        timers.advance(16);
        assert!(watch.expired(&timers, &cx));
    }

    #[test]
    fn an_earlier_deadline_counts() {
        let timers = Timers::new();
        let watch = timers.watch();
        let cx = Context::from_waker(Waker::noop());
        timers.arm(&watch, Duration::from_secs(100));
        timers.arm(&watch, Duration::from_millis(100));
        timers.advance(2);
        assert!(watch.expired(&timers, &cx));
    }

    #[test]
    fn deadlines_beyond_the_wheel_come_up_in_time() {
        let timers = Timers::new();
        let watch = timers.watch();
        let cx = Context::from_waker(Waker::noop());
        timers.arm(&watch, TICK * 5000);
        timers.advance(5000);
        assert!(!watch.expired(&timers, &cx));
        timers.advance(5001);
        assert!(watch.expired(&timers, &cx));
    }
}
