//! Restart, reschedule, update and migrate.

use baton_model::Nanos;
use baton_model::job::{MigrateStrategy, ReschedulePolicy, UpdateStrategy};
use baton_model::task::RestartPolicy;

use crate::problem::Place;

const LEAST_RESTART_INTERVAL: Nanos = Nanos::secs(5);
const LEAST_RESCHEDULE_DELAY: Nanos = Nanos::secs(5);
const LEAST_RESCHEDULE_INTERVAL: Nanos = Nanos::secs(15);
/// More attempts than this are not simulated; no interval could hold them.
const MOST_ATTEMPTS: i64 = 100_000;

pub(super) fn restart(policy: &RestartPolicy, place: &mut Place<'_>) {
    if !matches!(policy.mode.as_str(), "delay" | "fail") {
        place.add("Mode", format!("Unsupported restart mode: {:?}", policy.mode));
    }
    if policy.attempts == 0 && policy.mode != "fail" {
        place.add("Attempts", format!("Restart policy {:?} with 0 attempts is ambiguous", policy.mode));
    }
    if policy.interval < LEAST_RESTART_INTERVAL {
        let message = format!("Interval can not be less than {LEAST_RESTART_INTERVAL} (got {})", policy.interval);
        place.add("Interval", message);
    }
    if policy.attempts.saturating_mul(policy.delay.0) > policy.interval.0 {
        place.add(
            "Attempts",
            format!(
                "Nomad can't restart the TaskGroup {} times in an interval of {} with a delay of {}",
                policy.attempts, policy.interval, policy.delay
            ),
        );
    }
}

pub(super) fn reschedule(policy: &ReschedulePolicy, place: &mut Place<'_>) {
    if !policy.enabled() {
        return;
    }
    if policy.attempts > 0 {
        if policy.interval.0 <= 0 {
            place.add("Interval", "Interval must be a non zero value if Attempts > 0");
        }
        if policy.unlimited {
            place.add(
                "Unlimited",
                format!(
                    "Reschedule Policy with Attempts = {}, Interval = {}, and Unlimited = true is ambiguous",
                    policy.attempts, policy.interval
                ),
            );
            place.add("Unlimited", "If Attempts >0, Unlimited cannot also be set to true");
        }
    }
    let before = place.found.len();
    if policy.delay < LEAST_RESCHEDULE_DELAY {
        place.add("Delay", format!("Delay cannot be less than {LEAST_RESCHEDULE_DELAY} (got {})", policy.delay));
    }
    if !matches!(policy.delay_function.as_str(), "constant" | "exponential" | "fibonacci") {
        let message = format!(
            "Invalid delay function {:?}, must be one of [\"constant\" \"exponential\" \"fibonacci\"]",
            policy.delay_function
        );
        place.add("DelayFunction", message);
    }
    if policy.delay_function != "constant" {
        if policy.max_delay < LEAST_RESCHEDULE_DELAY {
            place.add(
                "MaxDelay",
                format!("Max Delay cannot be less than {LEAST_RESCHEDULE_DELAY} (got {})", policy.max_delay),
            );
        }
        if policy.max_delay < policy.delay {
            let message = format!("Max Delay cannot be less than Delay {} (got {})", policy.delay, policy.max_delay);
            place.add("MaxDelay", message);
        }
    }
    let delays_fit = place.found.len() == before;
    if policy.unlimited {
        return;
    }
    if policy.interval < LEAST_RESCHEDULE_INTERVAL {
        let message = format!("Interval cannot be less than {LEAST_RESCHEDULE_INTERVAL} (got {})", policy.interval);
        place.add("Interval", message);
    }
    if delays_fit {
        attempts_fit(policy, place);
    }
}

/// Whether so many attempts with growing delays fit into the interval.
fn attempts_fit(policy: &ReschedulePolicy, place: &mut Place<'_>) {
    let (possible, needed) = match policy.delay_function.as_str() {
        "constant" => constant(policy),
        "exponential" => exponential(policy),
        _ => fibonacci(policy),
    };
    let Some(possible) = possible else { return };
    let mut message =
        format!("Nomad can only make {possible} attempts in {} with initial delay {}", policy.interval, policy.delay);
    if policy.delay_function == "constant" {
        message.push_str(&format!(" and delay function {:?}", policy.delay_function));
    } else {
        message
            .push_str(&format!(", delay function {:?}, and delay ceiling {}", policy.delay_function, policy.max_delay));
    }
    place.add("Attempts", message);
    place.add("Interval", format!("Set the interval to at least {needed} to accommodate {} attempts", policy.attempts));
}

/// The attempts that do fit (nothing if all do), and the interval that all need.
fn constant(policy: &ReschedulePolicy) -> (Option<i64>, Nanos) {
    let needed = Nanos(policy.attempts.saturating_mul(policy.delay.0));
    let possible = (policy.interval < needed).then(|| policy.interval.0 / policy.delay.0.max(1));
    (possible, needed)
}

fn exponential(policy: &ReschedulePolicy) -> (Option<i64>, Nanos) {
    let (mut needed, mut possible) = (0i64, 0i64);
    let mut delay = policy.delay.0;
    for _ in 0..policy.attempts.min(MOST_ATTEMPTS) {
        if delay > policy.max_delay.0 {
            needed = needed.saturating_add(policy.max_delay.0);
        } else {
            needed = delay;
        }
        delay = delay.saturating_mul(2);
        if needed < policy.interval.0 {
            possible += 1;
        }
    }
    ((possible < policy.attempts).then_some(possible), Nanos(needed))
}

fn fibonacci(policy: &ReschedulePolicy) -> (Option<i64>, Nanos) {
    let mut slots = vec![policy.delay.0, policy.delay.0];
    let mut at_ceiling = false;
    for index in 2..usize::try_from(policy.attempts.min(MOST_ATTEMPTS)).unwrap_or(0) {
        let mut next = slots[index - 1].saturating_add(if at_ceiling { policy.max_delay.0 } else { slots[index - 2] });
        if !at_ceiling && next > policy.max_delay.0 {
            next = policy.max_delay.0;
            at_ceiling = true;
        }
        slots.push(next);
    }
    let needed = slots[slots.len() - 1];
    let possible = (policy.interval.0 < needed).then(|| {
        slots.iter().position(|slot| *slot > policy.interval.0).and_then(|at| i64::try_from(at).ok()).unwrap_or(0)
    });
    (possible, Nanos(needed))
}

pub(super) fn update(update: &UpdateStrategy, place: &mut Place<'_>) {
    if !matches!(update.health_check.as_str(), "checks" | "task_states" | "manual") {
        place.add("HealthCheck", format!("Invalid health check given: {:?}", update.health_check));
    }
    if update.max_parallel < 0 {
        place.add("MaxParallel", format!("Max parallel can not be less than zero: {} < 0", update.max_parallel));
    }
    if update.canary < 0 {
        place.add("Canary", format!("Canary count can not be less than zero: {} < 0", update.canary));
    }
    if update.canary == 0 && update.auto_promote {
        place.add("AutoPromote", "Auto Promote requires a Canary count greater than zero");
    }
    let (healthy, deadline, progress) = (update.min_healthy_time, update.healthy_deadline, update.progress_deadline);
    if healthy.0 < 0 {
        place.add("MinHealthyTime", format!("Minimum healthy time may not be less than zero: {healthy}"));
    }
    if deadline.0 <= 0 {
        place.add("HealthyDeadline", format!("Healthy deadline must be greater than zero: {deadline}"));
    }
    if progress.0 < 0 {
        place.add("ProgressDeadline", format!("Progress deadline must be zero or greater: {progress}"));
    }
    if healthy >= deadline {
        place.add(
            "MinHealthyTime",
            format!("Minimum healthy time must be less than healthy deadline: {healthy} > {deadline}"),
        );
    }
    if progress.0 != 0 && deadline >= progress {
        place.add(
            "HealthyDeadline",
            format!("Healthy deadline must be less than progress deadline: {deadline} > {progress}"),
        );
    }
    if update.stagger.0 <= 0 {
        place.add("Stagger", format!("Stagger must be greater than zero: {}", update.stagger));
    }
}

pub(super) fn migrate(migrate: &MigrateStrategy, place: &mut Place<'_>) {
    if migrate.max_parallel < 0 {
        place.add("MaxParallel", format!("MaxParallel must be >= 0 but found {}", migrate.max_parallel));
    }
    match migrate.health_check.as_str() {
        "checks" | "task_states" => {}
        "" if migrate.max_parallel > 0 => place.add("HealthCheck", "Missing HealthCheck"),
        "" => {}
        other => {
            place.add("HealthCheck", format!("Invalid HealthCheck: {other:?}: Invalid health check given"));
        }
    }
    if migrate.min_healthy_time.0 < 0 {
        place.add("MinHealthyTime", format!("MinHealthyTime is {} and must be >= 0", migrate.min_healthy_time));
    }
    if migrate.healthy_deadline.0 < 0 {
        place.add("HealthyDeadline", format!("HealthyDeadline is {} and must be >= 0", migrate.healthy_deadline));
    }
    if migrate.min_healthy_time > migrate.healthy_deadline {
        place.add("MinHealthyTime", "MinHealthyTime must be less than HealthyDeadline");
    }
}
