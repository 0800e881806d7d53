//! Whether an allocation is healthy: the client's side of a deployment or a migration.
//!
//! Input: the states of its tasks, the states of its checks, the time. Output: a [`Verdict`], final once it is not
//! [`Verdict::Waiting`]. Healthy means: every task is up (hooks that ended well included) and, with `health_check =
//! "checks"`, every check passes, both without a break for `min_healthy_time`, before `healthy_deadline`.

use std::collections::BTreeMap;

use baton_model::job::{MigrateStrategy, UpdateStrategy};
use baton_model::task::{Task, TaskRunState, TaskState};
use baton_model::{Allocation, Nanos, TaskGroup, Timestamp};

/// What health asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthRule {
    /// Tasks and checks.
    Checks,
    /// Tasks only.
    TaskStates,
    /// Somebody says so through the API; the client never does.
    Manual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthParams {
    pub rule: HealthRule,
    pub min_healthy_time: Nanos,
    pub healthy_deadline: Nanos,
}

impl HealthParams {
    /// The rules for an allocation: `update` when it belongs to a deployment, else `migrate`, else that block's defaults.
    pub fn of(alloc: &Allocation, group: &TaskGroup) -> Self {
        match &group.update {
            Some(update) if !alloc.deployment_id.is_empty() => Self::from_update(update),
            _ => group.migrate.as_ref().map_or(Self::DEFAULT, Self::from_migrate),
        }
    }

    /// `checks`, 10 s, 5 min.
    pub const DEFAULT: Self =
        Self { rule: HealthRule::Checks, min_healthy_time: Nanos::secs(10), healthy_deadline: Nanos::minutes(5) };

    fn from_update(update: &UpdateStrategy) -> Self {
        Self {
            rule: rule(&update.health_check),
            min_healthy_time: update.min_healthy_time,
            healthy_deadline: update.healthy_deadline,
        }
    }

    fn from_migrate(migrate: &MigrateStrategy) -> Self {
        Self {
            rule: rule(&migrate.health_check),
            min_healthy_time: migrate.min_healthy_time,
            healthy_deadline: migrate.healthy_deadline,
        }
    }
}

fn rule(text: &str) -> HealthRule {
    match text {
        "task_states" => HealthRule::TaskStates,
        "manual" => HealthRule::Manual,
        _ => HealthRule::Checks,
    }
}

/// The state of one check, with the service's or check's `on_update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    Passing,
    Warning,
    Critical,
}

impl CheckState {
    /// Counts as good under `on_update` (`require_healthy`, `ignore_warnings`, `ignore`).
    pub fn counts_as_healthy(self, on_update: &str) -> bool {
        match on_update {
            "ignore" => true,
            "ignore_warnings" => self != Self::Critical,
            _ => self == Self::Passing,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look again at `until` at the latest, or as soon as a task or check changes.
    Waiting {
        until: Timestamp,
        missing: Missing,
    },
    Healthy,
    Unhealthy {
        reason: String,
    },
}

/// What health still waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// This task is not up.
    Task(String),
    /// At least one check does not pass.
    Checks,
    /// All is good, `min_healthy_time` is not over.
    Time,
    /// A person has to say it.
    Operator,
}

/// Follows one allocation from the start of its tracking to its verdict.
#[derive(Clone, Debug)]
pub struct HealthTracker {
    params: HealthParams,
    deadline: Timestamp,
    good_since: Option<Timestamp>,
    verdict: Option<Verdict>,
}

impl HealthTracker {
    pub fn new(params: HealthParams, started: Timestamp) -> Self {
        Self { params, deadline: started.plus(params.healthy_deadline), good_since: None, verdict: None }
    }

    /// Takes the present state in. `checks_good` says whether every check of the allocation counts as healthy
    /// ([`CheckState::counts_as_healthy`]); it is ignored unless the rule is `checks`. Call it on every change and at
    /// `until`; a verdict once given stays.
    pub fn observe(
        &mut self,
        group: &TaskGroup,
        states: &BTreeMap<String, TaskState>,
        checks_good: bool,
        now: Timestamp,
    ) -> Verdict {
        if let Some(verdict) = &self.verdict {
            return verdict.clone();
        }
        let verdict = self.judge(group, states, checks_good, now);
        if !matches!(verdict, Verdict::Waiting { .. }) {
            self.verdict = Some(verdict.clone());
        }
        verdict
    }

    fn judge(
        &mut self,
        group: &TaskGroup,
        states: &BTreeMap<String, TaskState>,
        checks_good: bool,
        now: Timestamp,
    ) -> Verdict {
        if self.params.rule == HealthRule::Manual {
            return Verdict::Waiting { until: Timestamp(i64::MAX), missing: Missing::Operator };
        }
        let tasks = match tasks_up(group, states) {
            TasksUp::Broken(reason) => return Verdict::Unhealthy { reason },
            TasksUp::Waiting(task) => Err(Missing::Task(task)),
            TasksUp::Since(since) => Ok(since),
        };
        let needs_checks = self.params.rule == HealthRule::Checks;
        let since = match tasks {
            Ok(_) if needs_checks && !checks_good => Err(Missing::Checks),
            // A restart between two looks moves the tasks' time beyond what was remembered.
            Ok(tasks_since) if needs_checks => Ok(self.good_since.unwrap_or(now).max(tasks_since)),
            other => other,
        };
        let missing = match since {
            Ok(since) => {
                self.good_since = Some(since);
                let healthy_at = since.plus(self.params.min_healthy_time);
                if now >= healthy_at && healthy_at <= self.deadline {
                    return Verdict::Healthy;
                }
                if now < self.deadline {
                    return Verdict::Waiting { until: healthy_at.min(self.deadline), missing: Missing::Time };
                }
                Missing::Time
            }
            Err(missing) => {
                self.good_since = None;
                missing
            }
        };
        if now >= self.deadline {
            return Verdict::Unhealthy { reason: self.late(&missing) };
        }
        Verdict::Waiting { until: self.deadline, missing }
    }

    fn late(&self, missing: &Missing) -> String {
        let deadline = self.params.healthy_deadline;
        match missing {
            Missing::Task(task) => format!("Task {task:?} not running by healthy_deadline of {deadline}"),
            Missing::Checks => format!("Services not healthy by deadline: checks not passing within {deadline}"),
            Missing::Time | Missing::Operator => format!(
                "Task not running for min_healthy_time of {} by healthy_deadline of {deadline}",
                self.params.min_healthy_time
            ),
        }
    }
}

enum TasksUp {
    Since(Timestamp),
    Waiting(String),
    Broken(String),
}

/// The latest start among the tasks when all are up.
fn tasks_up(group: &TaskGroup, states: &BTreeMap<String, TaskState>) -> TasksUp {
    let mut since = Timestamp::NEVER;
    for task in &group.tasks {
        if hook(task) == "poststop" {
            continue;
        }
        let Some(state) = states.get(&task.name) else {
            return TasksUp::Waiting(task.name.clone());
        };
        if state.failed {
            return TasksUp::Broken(format!("Unhealthy because of failed task: {}", task.name));
        }
        match state.state {
            TaskRunState::Pending => return TasksUp::Waiting(task.name.clone()),
            TaskRunState::Running if ends_before_main(task) => return TasksUp::Waiting(task.name.clone()),
            TaskRunState::Running => since = since.max(state.started_at),
            TaskRunState::Dead if ends_by_itself(task) => since = since.max(state.finished_at),
            TaskRunState::Dead => {
                return TasksUp::Broken(format!("Unhealthy because of dead task: {}", task.name));
            }
        }
    }
    TasksUp::Since(since)
}

fn hook(task: &Task) -> &str {
    task.lifecycle.as_ref().map_or("", |lifecycle| lifecycle.hook.as_str())
}

fn ends_by_itself(task: &Task) -> bool {
    task.lifecycle.as_ref().is_some_and(|lifecycle| !lifecycle.sidecar)
}

fn ends_before_main(task: &Task) -> bool {
    hook(task) == "prestart" && ends_by_itself(task)
}

#[cfg(test)]
mod tests {
    use baton_model::task::Lifecycle;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp(1_000_000_000_000).plus(Nanos::secs(secs))
    }

    fn group() -> TaskGroup {
        let task = |name: &str, hook: Option<&str>| Task {
            name: name.to_owned(),
            lifecycle: hook.map(|hook| Lifecycle { hook: hook.to_owned(), sidecar: false }),
            ..Task::default()
        };
        TaskGroup {
            tasks: vec![task("init", Some("prestart")), task("web", None), task("bye", Some("poststop"))],
            ..TaskGroup::default()
        }
    }

    fn states(init: TaskRunState, web: TaskRunState, started: i64) -> BTreeMap<String, TaskState> {
        let state = |state| TaskState { state, started_at: at(started), ..TaskState::default() };
        BTreeMap::from([("init".to_owned(), state(init)), ("web".to_owned(), state(web))])
    }

    fn tracker(rule: HealthRule) -> HealthTracker {
        let params = HealthParams { rule, min_healthy_time: Nanos::secs(10), healthy_deadline: Nanos::secs(60) };
        HealthTracker::new(params, at(0))
    }

    use TaskRunState::{Dead, Pending, Running};

    #[test]
    fn tasks_must_run_for_the_minimum_time() {
        let (mut tracker, group) = (tracker(HealthRule::TaskStates), group());
        let waiting = |until, missing| Verdict::Waiting { until: at(until), missing };
        assert_eq!(
            tracker.observe(&group, &states(Running, Pending, 0), false, at(1)),
            waiting(60, Missing::Task("init".into()))
        );
        assert_eq!(
            tracker.observe(&group, &states(Dead, Pending, 0), false, at(2)),
            waiting(60, Missing::Task("web".into()))
        );
        assert_eq!(tracker.observe(&group, &states(Dead, Running, 3), false, at(4)), waiting(13, Missing::Time));
        assert_eq!(tracker.observe(&group, &states(Dead, Running, 8), false, at(13)), waiting(18, Missing::Time));
        assert_eq!(tracker.observe(&group, &states(Dead, Running, 8), false, at(18)), Verdict::Healthy);
    }

    #[test]
    fn a_failing_check_starts_the_time_again() {
        let (mut tracker, group) = (tracker(HealthRule::Checks), group());
        let states = states(Dead, Running, 1);
        let waiting = |until, missing| Verdict::Waiting { until: at(until), missing };
        assert_eq!(tracker.observe(&group, &states, false, at(2)), waiting(60, Missing::Checks));
        assert_eq!(tracker.observe(&group, &states, true, at(3)), waiting(13, Missing::Time));
        assert_eq!(tracker.observe(&group, &states, false, at(9)), waiting(60, Missing::Checks));
        assert_eq!(tracker.observe(&group, &states, true, at(20)), waiting(30, Missing::Time));
        assert_eq!(tracker.observe(&group, &states, true, at(30)), Verdict::Healthy);
        assert_eq!(tracker.observe(&group, &states, false, at(31)), Verdict::Healthy, "a verdict stays");
    }

    #[test]
    fn the_deadline_decides_against_it() {
        let (mut tracker, group) = (tracker(HealthRule::Checks), group());
        let states = states(Dead, Running, 1);
        tracker.observe(&group, &states, true, at(55));
        assert!(matches!(tracker.observe(&group, &states, true, at(60)), Verdict::Unhealthy { .. }));
    }

    #[test]
    fn a_failed_or_ended_main_task_is_unhealthy_at_once() {
        let group = group();
        let mut failed = states(Dead, Running, 1);
        failed.get_mut("web").unwrap().failed = true;
        for states in [failed, states(Dead, Dead, 1)] {
            let verdict = tracker(HealthRule::TaskStates).observe(&group, &states, true, at(2));
            assert!(matches!(verdict, Verdict::Unhealthy { .. }), "{verdict:?}");
        }
    }

    #[test]
    fn manual_waits_for_a_person() {
        let verdict = tracker(HealthRule::Manual).observe(&group(), &states(Dead, Running, 1), true, at(99));
        assert!(matches!(verdict, Verdict::Waiting { missing: Missing::Operator, .. }));
    }

    #[test]
    fn on_update_weakens_a_check() {
        assert!(!CheckState::Warning.counts_as_healthy("require_healthy"));
        assert!(CheckState::Warning.counts_as_healthy("ignore_warnings"));
        assert!(!CheckState::Critical.counts_as_healthy("ignore_warnings"));
        assert!(CheckState::Critical.counts_as_healthy("ignore"));
    }
}
