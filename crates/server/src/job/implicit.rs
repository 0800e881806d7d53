//! Constraints that follow from what a job uses. They are visible when the job is read back.

use std::collections::BTreeSet;

use baton_model::Job;
use baton_model::job::{Constraint, TaskGroup};

/// Adds what is missing; adding twice changes nothing.
pub(crate) fn add(job: &mut Job) {
    for group in &mut job.task_groups {
        let signals = signals(group);
        if !signals.is_empty() {
            let signals = signals.into_iter().collect::<Vec<_>>().join(",");
            push(&mut group.constraints, "${attr.os.signals}", "set_contains", &signals);
        }
        let providers = |services: &[baton_model::service::Service], provider: &str| {
            services.iter().any(|service| service.provider == provider)
        };
        if providers(&group.services, "consul") {
            push_consul(&mut group.constraints);
        }
        if providers(&group.services, "nomad") || group.tasks.iter().any(|task| providers(&task.services, "nomad")) {
            push(&mut group.constraints, "${attr.nomad.service_discovery}", "=", "true");
        }
        for task in &mut group.tasks {
            if providers(&task.services, "consul") {
                push_consul(&mut task.constraints);
            }
        }
    }
}

fn push_consul(constraints: &mut Vec<Constraint>) {
    push(constraints, "${attr.consul.version}", "semver", ">= 1.8.0");
}

fn push(constraints: &mut Vec<Constraint>, l_target: &str, operand: &str, r_target: &str) {
    let constraint =
        Constraint { l_target: l_target.to_owned(), r_target: r_target.to_owned(), operand: operand.to_owned() };
    if !constraints.contains(&constraint) {
        constraints.push(constraint);
    }
}

/// Signals that the group's nodes must be able to send.
fn signals(group: &TaskGroup) -> BTreeSet<String> {
    let mut signals = BTreeSet::new();
    for task in &group.tasks {
        signals.insert(task.kill_signal.clone());
        for template in task.templates.iter().filter(|template| template.change_mode == "signal") {
            signals.insert(template.change_signal.clone());
        }
    }
    signals.remove("");
    signals
}
