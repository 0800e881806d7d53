//! The breaker itself: closed, open, or half open while it tries whether things are better.
//!
//! Time is an argument. Half open it lets through a share that grows to a half over the recovery; then it is closed.

use super::condition::Condition;
use super::window::Window;
use std::time::Duration;

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Between two looks at the condition.
    pub(super) check: Duration,
    /// Open.
    pub(super) fallback: Duration,
    /// Half open.
    pub(super) recovery: Duration,
}

/// A breaker's state and what it goes by.
#[derive(Debug)]
pub(super) struct Breaker {
    times: Times,
    condition: Condition,
    state: State,
    window: Window,
    next_check: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open { until: Duration },
    HalfOpen { since: Duration, allowed: u64, denied: u64 },
}

/// What a breaker did, worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    HalfOpened,
    Closed,
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(condition: Condition, times: Times) -> Self {
        Self { times, condition, state: State::Closed, window: Window::default(), next_check: None }
    }

    /// Whether a request may pass.
    pub(super) fn admits(&mut self, now: Duration) -> (bool, Option<Change>) {
        let mut change = None;
        if let State::Open { until } = self.state {
            if now < until {
                return (false, None);
            }
            self.state = State::HalfOpen { since: now, allowed: 0, denied: 0 };
            change = Some(Change::HalfOpened);
        }
        let State::HalfOpen { since, allowed, denied } = &mut self.state else { return (true, change) };
        let passed = now.saturating_sub(*since);
        if passed > self.times.recovery {
            self.state = State::Closed;
            return (true, Some(Change::Closed));
        }
        let share = 0.5 * passed.as_secs_f64() / self.times.recovery.as_secs_f64();
        let admitted = ((*allowed + 1) as f64 / (*allowed + *denied + 1) as f64) < share;
        *(if admitted { allowed } else { denied }) += 1;
        (admitted, change)
    }

    /// Takes note of an answer.
    pub(super) fn record(&mut self, status: u16, took: Duration, now: Duration) -> Option<Change> {
        self.window.record(status, took, now);
        if self.next_check.is_some_and(|next| now <= next) {
            return None;
        }
        self.next_check = Some(now + self.times.check);
        self.window.advance(now);
        if matches!(self.state, State::Open { .. }) || !self.condition.holds(&self.window) {
            return None;
        }
        self.state = State::Open { until: now + self.times.fallback };
        self.window = Window::default();
        Some(Change::Opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        let times = Times {
            check: Duration::from_millis(100),
            fallback: Duration::from_secs(10),
            recovery: Duration::from_secs(10),
        };
        Breaker::new(Condition::parse("NetworkErrorRatio() > 0.5").unwrap(), times)
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_opens_tries_and_closes() {
        let mut breaker = breaker();
        assert_eq!(breaker.record(200, at(1), at(0)), None);
        assert_eq!(breaker.record(502, at(1), at(150)), None, "half is not more than half");
        assert_eq!(breaker.record(502, at(1), at(200)), None, "too early to look again");
        assert_eq!(breaker.record(502, at(1), at(300)), Some(Change::Opened));
        assert_eq!(breaker.admits(at(10_299)), (false, None));
        assert_eq!(breaker.admits(at(10_300)), (false, Some(Change::HalfOpened)));
        let admitted = (10_301..20_300).filter(|millis| breaker.admits(at(*millis)).0).count();
        assert!((4_500..5_001).contains(&admitted), "up to half of them: {admitted}");
        assert_eq!(breaker.admits(at(20_301)), (true, Some(Change::Closed)));
        assert_eq!(breaker.admits(at(20_302)), (true, None));
        // What was before it opened does not count.
        assert_eq!(breaker.record(200, at(1), at(20_302)), None);
    }

    #[test]
    fn it_opens_again_when_nothing_is_better() {
        let mut breaker = breaker();
        assert_eq!(breaker.record(504, at(1), at(0)), Some(Change::Opened));
        assert_eq!(breaker.record(504, at(1), at(200)), None, "an answer to a request from before");
        breaker.admits(at(10_000));
        assert!((10_001..15_000).any(|millis| breaker.admits(at(millis)).0));
        assert_eq!(breaker.record(502, at(1), at(15_000)), Some(Change::Opened));
        assert_eq!(breaker.admits(at(24_999)), (false, None));
        assert!(breaker.admits(at(25_000)).1.is_some());
    }
}
