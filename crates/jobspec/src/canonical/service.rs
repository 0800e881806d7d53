//! Defaults of services and checks, and what only a server fills in.

use baton_model::service::Service;
use baton_model::{Job, TaskGroup};
use serde_json::{Value as Json, json};

use super::{Object, SECOND, fill, fill_text, object, objects, text};

pub(super) fn service(service: &mut Object, default_name: &str) {
    fill_text(
        service,
        &[
            ("Name", default_name),
            ("Provider", "consul"),
            ("AddressMode", "auto"),
            ("OnUpdate", "require_healthy"),
            ("Cluster", "default"),
        ],
    );
    let on_update = text(service, "OnUpdate").unwrap_or_default().to_owned();
    if let Some(restart) = object(service, "CheckRestart") {
        check_restart(restart);
    }
    let restart = service.get("CheckRestart").cloned();
    for check in objects(service, "Checks") {
        fill_text(check, &[("OnUpdate", &on_update)]);
        match (object(check, "CheckRestart"), &restart) {
            (Some(own), Some(Json::Object(inherited))) => fill(own, Json::Object(inherited.clone())),
            (None, Some(inherited)) => {
                check.insert("CheckRestart".to_owned(), inherited.clone());
            }
            _ => {}
        }
        if let Some(own) = object(check, "CheckRestart") {
            check_restart(own);
        }
    }
    if let Some(weights) = object(service, "Weights") {
        fill(weights, json!({"Passing": 1, "Warning": 1}));
    }
}

fn check_restart(restart: &mut Object) {
    fill(restart, json!({"Limit": 0, "Grace": SECOND, "IgnoreWarnings": false}));
}

/// What a server adds when it registers a job: service names with `${JOB}` and the like resolved, names of unnamed
/// checks, the host network of ports. Doing it twice changes nothing.
pub fn canonicalize_for_server(job: &mut Job) {
    let name = job.name.clone();
    for group in &mut job.task_groups {
        let TaskGroup { name: group_name, services, tasks, networks, .. } = group;
        for service in services {
            finish(service, &name, group_name, "group");
        }
        for task in tasks {
            for service in &mut task.services {
                finish(service, &name, group_name, &task.name);
            }
            task.resources.networks.iter_mut().for_each(host_networks);
        }
        networks.iter_mut().for_each(host_networks);
    }
}

fn host_networks(network: &mut baton_model::resources::NetworkResource) {
    for port in network.reserved_ports.iter_mut().chain(&mut network.dynamic_ports) {
        if port.host_network.is_empty() {
            port.host_network = "default".to_owned();
        }
    }
}

fn finish(service: &mut Service, job: &str, group: &str, task: &str) {
    if service.name.contains("${") {
        let base = format!("{job}-{group}-{task}");
        for (variable, value) in [("${JOB}", job), ("${TASKGROUP}", group), ("${TASK}", task), ("${BASE}", &base)] {
            service.name = service.name.replace(variable, value);
        }
    }
    for check in &mut service.checks {
        if check.name.is_empty() {
            check.name = format!("service: \"{}\" check", service.name);
        }
    }
}
