//! Constraints that follow from what a job uses; a server adds them when it registers the job.

use std::collections::BTreeSet;

use baton_model::job::Constraint;
use baton_model::{Job, Task, TaskGroup};

/// Adds what placement needs beyond what was written: signals the driver must be able to send, a catalog for services,
/// the built-in catalog for services with provider `nomad`. Constraints that are there already are not repeated.
pub fn add_implicit_constraints(job: &mut Job) {
    let types_of_use = job.task_groups.iter().map(uses).collect::<Vec<_>>();
    for (group, uses) in job.task_groups.iter_mut().zip(types_of_use) {
        if !uses.signals.is_empty() {
            let signals: Vec<&str> = uses.signals.iter().map(String::as_str).collect();
            add(&mut group.constraints, "${attr.os.signals}", "set_contains", &signals.join(","));
        }
        if uses.native_services {
            add(&mut group.constraints, "${attr.nomad.service_discovery}", "=", "true");
        }
        if uses.native_checks {
            add(&mut group.constraints, "${attr.nomad.version}", "semver", ">= 1.4.0");
        }
        if group.services.iter().any(|service| service.provider == "consul") {
            add(&mut group.constraints, CONSUL, "semver", CONSUL_VERSION);
        }
        for task in &mut group.tasks {
            if task.services.iter().any(|service| service.provider == "consul") {
                add(&mut task.constraints, CONSUL, "semver", CONSUL_VERSION);
            }
        }
    }
}

const CONSUL: &str = "${attr.consul.version}";
const CONSUL_VERSION: &str = ">= 1.8.0";

struct Uses {
    signals: BTreeSet<String>,
    native_services: bool,
    native_checks: bool,
}

fn uses(group: &TaskGroup) -> Uses {
    let services = || group.services.iter().chain(group.tasks.iter().flat_map(|task| &task.services));
    let native = || services().filter(|service| service.provider == "nomad");
    Uses {
        signals: group.tasks.iter().flat_map(signals).collect(),
        native_services: native().next().is_some(),
        native_checks: native().any(|service| !service.checks.is_empty()),
    }
}

fn signals(task: &Task) -> impl Iterator<Item = String> + '_ {
    let templates = task.templates.iter().filter(|template| template.change_mode == "signal");
    templates
        .map(|template| template.change_signal.clone())
        .chain([task.kill_signal.clone()])
        .filter(|signal| !signal.is_empty())
}

fn add(constraints: &mut Vec<Constraint>, l_target: &str, operand: &str, r_target: &str) {
    let constraint =
        Constraint { l_target: l_target.to_owned(), r_target: r_target.to_owned(), operand: operand.to_owned() };
    if !constraints.contains(&constraint) {
        constraints.push(constraint);
    }
}
