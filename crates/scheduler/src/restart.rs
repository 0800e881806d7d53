//! Whether a task that ended is started again on its node.
//!
//! Input: the restart policy, how the task ended, the time and a random number. Output: a [`RestartDecision`]. The tracker
//! holds the window of counted failures and nothing else, so that a re-attached runner can restore it.
//!
//! Rules as documented for Nomad's `restart` block: `attempts` restarts within `interval`, each after `delay` plus up to a
//! quarter of jitter; then `mode` says whether the task fails or waits for the interval's end.

use baton_model::task::RestartPolicy;
use baton_model::{JobType, Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// The largest part of `delay` that jitter adds.
const JITTER_MAX: f64 = 0.25;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskExit {
    /// The process ended; code 0 and signal 0 is success.
    Ended { code: i64, signal: i64 },
    /// It could not be started; `recoverable` says whether another try makes sense.
    StartFailed { recoverable: bool },
    /// A check stayed unhealthy (`check_restart`): counted as a failure.
    Unhealthy,
    /// The operator or a template asked for a restart: not counted.
    RestartRequested,
    /// The server or the operator wants it gone.
    Killed,
}

impl TaskExit {
    pub fn success(self) -> bool {
        matches!(self, Self::Ended { code: 0, signal: 0 })
    }
}

/// What happens to the task next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestartDecision {
    /// Start it again after `delay`.
    Restart { delay: Nanos, reason: String },
    /// Its work is done.
    Finished,
    /// It failed; the allocation fails with it.
    Failed { reason: String },
    /// It was asked to end.
    Stopped,
}

/// Counts the failures of one task within its policy's interval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartTracker {
    count: i64,
    window_start: Timestamp,
}

impl RestartTracker {
    pub fn new(now: Timestamp) -> Self {
        Self { count: 0, window_start: now }
    }

    /// Decides after an exit at `now`.
    ///
    /// `one_shot` is true for tasks that are meant to end by themselves in a job of any type (prestart and poststop hooks).
    /// `jitter_01` is a random number from 0 to 1.
    pub fn next(
        &mut self,
        policy: &RestartPolicy,
        job_type: JobType,
        one_shot: bool,
        exit: TaskExit,
        now: Timestamp,
        jitter_01: f64,
    ) -> RestartDecision {
        let ends_by_itself = one_shot || job_type.is_batch();
        match exit {
            TaskExit::Killed => return RestartDecision::Stopped,
            TaskExit::RestartRequested => {
                return RestartDecision::Restart { delay: Nanos::ZERO, reason: "Restart requested".to_owned() };
            }
            TaskExit::StartFailed { recoverable: false } => return failed("Error was unrecoverable"),
            _ if exit.success() && ends_by_itself => return RestartDecision::Finished,
            _ => {}
        }
        if policy.attempts <= 0 {
            return failed("Policy allows no restarts");
        }
        if now > self.window_start.plus(policy.interval) {
            self.count = 0;
            self.window_start = now;
        }
        self.count = self.count.saturating_add(1);
        if self.count <= policy.attempts {
            return RestartDecision::Restart {
                delay: with_jitter(policy.delay, jitter_01),
                reason: "Restart within policy".to_owned(),
            };
        }
        if policy.mode == "delay" {
            let rest = self.window_start.plus(policy.interval).since(now);
            return RestartDecision::Restart {
                delay: Nanos(rest.0.max(0)),
                reason: "Exceeded allowed attempts, applying a delay".to_owned(),
            };
        }
        failed(&format!(
            "Exceeded allowed attempts {} in interval {} and mode is \"fail\"",
            policy.attempts, policy.interval
        ))
    }
}

fn failed(reason: &str) -> RestartDecision {
    RestartDecision::Failed { reason: reason.to_owned() }
}

fn with_jitter(delay: Nanos, jitter_01: f64) -> Nanos {
    let part = if jitter_01.is_finite() { jitter_01.clamp(0.0, 1.0) } else { 0.0 };
    Nanos(delay.0.saturating_add((delay.0 as f64 * JITTER_MAX * part) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: TaskExit = TaskExit::Ended { code: 1, signal: 0 };
    const SUCCESS: TaskExit = TaskExit::Ended { code: 0, signal: 0 };

    fn policy(attempts: i64, mode: &str) -> RestartPolicy {
        RestartPolicy {
            attempts,
            interval: Nanos::minutes(5),
            delay: Nanos::secs(30),
            mode: mode.to_owned(),
            render_templates: false,
        }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp(1_000_000_000_000).plus(Nanos::secs(secs))
    }

    fn delay(decision: &RestartDecision) -> Option<i64> {
        match decision {
            RestartDecision::Restart { delay, .. } => Some(delay.0 / 1_000_000),
            _ => None,
        }
    }

    #[test]
    fn restarts_within_the_policy_and_then_fails() {
        let mut tracker = RestartTracker::new(at(0));
        let policy = policy(2, "fail");
        let mut next = |secs| tracker.next(&policy, JobType::Service, false, CRASH, at(secs), 0.0);
        assert_eq!(delay(&next(1)), Some(30_000));
        assert_eq!(delay(&next(40)), Some(30_000));
        assert_eq!(
            next(80),
            RestartDecision::Failed {
                reason: "Exceeded allowed attempts 2 in interval 5m0s and mode is \"fail\"".to_owned()
            }
        );
    }

    #[test]
    fn a_new_window_forgets_old_failures() {
        let mut tracker = RestartTracker::new(at(0));
        let policy = policy(1, "fail");
        let mut next = |secs| tracker.next(&policy, JobType::Service, false, CRASH, at(secs), 0.0);
        assert_eq!(delay(&next(1)), Some(30_000));
        assert_eq!(delay(&next(302)), Some(30_000));
        assert_eq!(delay(&next(303)), None);
    }

    #[test]
    fn delay_mode_waits_for_the_end_of_the_window() {
        let mut tracker = RestartTracker::new(at(0));
        let policy = policy(1, "delay");
        let mut next = |secs| tracker.next(&policy, JobType::Service, false, CRASH, at(secs), 0.0);
        assert_eq!(delay(&next(10)), Some(30_000));
        assert_eq!(delay(&next(100)), Some(200_000));
    }

    #[test]
    fn jitter_adds_at_most_a_quarter() {
        for (jitter, millis) in [(0.0, 30_000), (0.5, 33_750), (1.0, 37_500), (9.0, 37_500), (f64::NAN, 30_000)] {
            let mut tracker = RestartTracker::new(at(0));
            let decision = tracker.next(&policy(1, "fail"), JobType::Service, false, CRASH, at(1), jitter);
            assert_eq!(delay(&decision), Some(millis), "{jitter}");
        }
    }

    #[test]
    fn success_ends_batch_and_hooks_but_not_services() {
        let mut tracker = RestartTracker::new(at(0));
        let policy = policy(3, "fail");
        let mut next = |job_type, one_shot| tracker.next(&policy, job_type, one_shot, SUCCESS, at(1), 0.0);
        assert_eq!(next(JobType::Batch, false), RestartDecision::Finished);
        assert_eq!(next(JobType::Sysbatch, false), RestartDecision::Finished);
        assert_eq!(next(JobType::Service, true), RestartDecision::Finished);
        assert_eq!(delay(&next(JobType::Service, false)), Some(30_000));
    }

    #[test]
    fn zero_attempts_allow_nothing_but_a_good_end() {
        let mut tracker = RestartTracker::new(at(0));
        let policy = policy(0, "fail");
        assert_eq!(tracker.next(&policy, JobType::Batch, false, SUCCESS, at(1), 0.0), RestartDecision::Finished);
        assert_eq!(
            tracker.next(&policy, JobType::Batch, false, CRASH, at(1), 0.0),
            RestartDecision::Failed { reason: "Policy allows no restarts".to_owned() }
        );
    }

    #[test]
    fn requested_restarts_are_not_counted_and_kills_are_final() {
        let mut tracker = RestartTracker::new(at(0));
        let policy = policy(1, "fail");
        let mut next = |exit| tracker.next(&policy, JobType::Service, false, exit, at(1), 0.0);
        for _ in 0..5 {
            assert_eq!(delay(&next(TaskExit::RestartRequested)), Some(0));
        }
        assert_eq!(delay(&next(TaskExit::Unhealthy)), Some(30_000));
        assert_eq!(next(TaskExit::Killed), RestartDecision::Stopped);
        assert!(matches!(next(TaskExit::StartFailed { recoverable: false }), RestartDecision::Failed { .. }));
    }
}
