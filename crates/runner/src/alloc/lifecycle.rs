//! The order of an allocation's tasks, decided from their states alone.
//!
//! prestart (must end well; sidecars must run) → main → poststart → when all mains are dead: sidecars end → poststop.

use std::collections::BTreeMap;

use baton_model::TaskGroup;
use baton_model::task::{Task, TaskRunState, event};

use crate::task::Snapshot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Prestart,
    PrestartSidecar,
    Main,
    Poststart,
    PoststartSidecar,
    Poststop,
}

impl Role {
    pub(super) fn of(task: &Task) -> Self {
        let Some(lifecycle) = &task.lifecycle else { return Self::Main };
        match (lifecycle.hook.as_str(), lifecycle.sidecar) {
            ("prestart", false) => Self::Prestart,
            ("prestart", true) => Self::PrestartSidecar,
            ("poststart", false) => Self::Poststart,
            ("poststart", true) => Self::PoststartSidecar,
            ("poststop", _) => Self::Poststop,
            _ => Self::Main,
        }
    }

    pub(super) fn is_sidecar(self) -> bool {
        matches!(self, Self::PrestartSidecar | Self::PoststartSidecar)
    }
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) begin: Vec<String>,
    pub(super) kill: Vec<String>,
    /// The whole allocation ends; the event for those killed.
    pub(super) end_all: Option<(&'static str, String)>,
    pub(super) mains_up: bool,
    pub(super) ended: bool,
}

/// `snapshots` has the tasks that were begun (in this or an earlier agent).
pub(super) fn plan(group: &TaskGroup, snapshots: &BTreeMap<String, Snapshot>, killing: bool) -> Plan {
    let state = |task: &Task| snapshots.get(&task.name).map(|snapshot| snapshot.state.state);
    let failed = |task: &Task| snapshots.get(&task.name).is_some_and(|snapshot| snapshot.state.failed);
    let dead = |task: &Task| state(task) == Some(TaskRunState::Dead);
    let with = |wanted: fn(Role) -> bool| group.tasks.iter().filter(move |task| wanted(Role::of(task)));
    let mut plan = Plan::default();

    let main = || with(|role| role == Role::Main);
    let before_end = || with(|role| role != Role::Poststop);
    // Killed before it was begun counts as dead.
    let over = |task: &Task| dead(task) || (killing && state(task).is_none());
    let mains_over = main().all(over);

    if !killing {
        let broken = before_end().find(|task| dead(task) && failed(task));
        let leader = group.tasks.iter().find(|task| task.leader && dead(task));
        if let Some(task) = broken {
            plan.end_all = Some((event::SIBLING_FAILED, format!("Task's sibling {:?} failed", task.name)));
        } else if let Some(_leader) = leader.filter(|_| !mains_over) {
            plan.end_all = Some((event::LEADER_DEAD, "Leader Task in Group dead".to_owned()));
        }
        if plan.end_all.is_some() {
            plan.kill = before_end().filter(|task| state(task).is_some() && !dead(task)).map(name).collect();
            return plan;
        }
        let prestart_over = with(|role| role == Role::Prestart).all(dead)
            && with(|role| role == Role::PrestartSidecar)
                .all(|task| state(task) == Some(TaskRunState::Running) || dead(task));
        plan.mains_up =
            main().all(|task| matches!(state(task), Some(TaskRunState::Running | TaskRunState::Dead))) && !mains_over;
        let due = |role| match role {
            Role::Prestart | Role::PrestartSidecar => true,
            Role::Main => prestart_over,
            Role::Poststart | Role::PoststartSidecar => prestart_over && plan.mains_up,
            Role::Poststop => false,
        };
        let again = |task: &&Task| state(task).is_none() || !dead(task);
        plan.begin =
            group.tasks.iter().filter(|task| due(Role::of(task)) && !mains_over).filter(again).map(name).collect();
    }
    if mains_over {
        plan.kill = before_end().filter(|task| state(task).is_some() && !dead(task)).map(name).collect();
        if before_end().all(|task| dead(task) || state(task).is_none()) {
            let begun = group.tasks.iter().any(|task| Role::of(task) == Role::Main && state(task).is_some());
            let mut after = with(|role| role == Role::Poststop);
            // Nothing ran: nothing to clean up.
            plan.ended = !begun || after.all(dead);
            if !plan.ended {
                plan.begin = with(|role| role == Role::Poststop).filter(|task| !dead(task)).map(name).collect();
            }
        }
    }
    plan
}

fn name(task: &Task) -> String {
    task.name.clone()
}

#[cfg(test)]
mod tests {
    use baton_model::task::{Lifecycle, TaskState};

    use super::*;
    use TaskRunState::{Dead, Pending, Running};

    fn group(tasks: &[(&str, &str, bool)]) -> TaskGroup {
        let task = |(name, hook, flag): &(&str, &str, bool)| Task {
            name: (*name).to_owned(),
            leader: hook.is_empty() && *flag,
            lifecycle: (!hook.is_empty()).then(|| Lifecycle { hook: (*hook).to_owned(), sidecar: *flag }),
            ..Task::default()
        };
        TaskGroup { tasks: tasks.iter().map(task).collect(), ..TaskGroup::default() }
    }

    fn states(all: &[(&str, TaskRunState, bool)]) -> BTreeMap<String, Snapshot> {
        let snapshot = |state, failed| Snapshot {
            state: TaskState { state, failed, ..TaskState::default() },
            ..Snapshot::default()
        };
        all.iter().map(|(name, state, failed)| ((*name).to_owned(), snapshot(*state, *failed))).collect()
    }

    const ALL: &[(&str, &str, bool)] = &[
        ("init", "prestart", false),
        ("side", "prestart", true),
        ("web", "", false),
        ("tell", "poststart", false),
        ("bye", "poststop", false),
    ];

    #[test]
    fn each_stage_waits_for_the_one_before() {
        let group = group(ALL);
        assert_eq!(plan(&group, &states(&[]), false).begin, ["init", "side"]);
        let now = states(&[("init", Running, false), ("side", Running, false)]);
        assert!(!plan(&group, &now, false).begin.contains(&"web".to_owned()));
        let now = states(&[("init", Dead, false), ("side", Running, false)]);
        assert!(plan(&group, &now, false).begin.contains(&"web".to_owned()));
        let now = states(&[("init", Dead, false), ("side", Running, false), ("web", Running, false)]);
        let next = plan(&group, &now, false);
        assert!(next.mains_up && next.begin.contains(&"tell".to_owned()));
    }

    #[test]
    fn after_the_mains_sidecars_end_and_poststop_runs() {
        let group = group(ALL);
        let mut row =
            vec![("init", Dead, false), ("side", Running, false), ("web", Dead, false), ("tell", Dead, false)];
        assert_eq!(plan(&group, &states(&row), false).kill, ["side"]);
        row[1].1 = Dead;
        assert_eq!(plan(&group, &states(&row), true).begin, ["bye"]);
        row.push(("bye", Dead, false));
        assert!(plan(&group, &states(&row), true).ended);
    }

    #[test]
    fn a_failure_or_the_leaders_end_takes_the_others_along() {
        let two = group(&[("a", "", false), ("b", "", false)]);
        let next = plan(&two, &states(&[("a", Dead, true), ("b", Running, false)]), false);
        assert_eq!((next.end_all.unwrap().0, next.kill), (event::SIBLING_FAILED, vec!["b".to_owned()]));
        let led = group(&[("a", "", true), ("b", "", false)]);
        let next = plan(&led, &states(&[("a", Dead, false), ("b", Running, false)]), false);
        assert_eq!((next.end_all.unwrap().0, next.kill), (event::LEADER_DEAD, vec!["b".to_owned()]));
    }

    #[test]
    fn an_allocation_killed_before_its_start_just_ends() {
        let group = group(ALL);
        assert!(plan(&group, &states(&[]), true).ended);
        assert!(!plan(&group, &states(&[("web", Pending, false)]), true).ended);
    }
}
