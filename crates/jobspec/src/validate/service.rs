//! Services and checks, at tasks and at groups.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use baton_model::service::{Service, ServiceCheck};
use baton_model::{Task, TaskGroup};

use super::check;
use crate::problem::Place;

const LONGEST_NAME: usize = 63;

/// Services of the group, and what the services of all its tasks must have in common.
pub(super) fn group(group: &TaskGroup, place: &mut Place<'_>) {
    let mut ids = HashSet::new();
    let mut twice = BTreeSet::new();
    let mut providers = BTreeSet::new();
    let mut note = |service: &Service, owner: &str| {
        if !ids.insert((service.name.clone(), owner.to_owned(), service.port_label.clone())) {
            let port = if service.port_label.is_empty() { String::new() } else { format!(":{}", service.port_label) };
            twice.insert(format!("{owner}->{}{port}", service.name));
        }
        providers.insert(service.provider.clone());
    };
    for (t, task) in group.tasks.iter().enumerate() {
        for (s, service) in task.services.iter().enumerate() {
            note(service, &task.name);
            let path = format!("Tasks[{t}].Services[{s}]");
            if !service.task_name.is_empty() && service.task_name != task.name {
                let message = format!(
                    "Service {} is invalid: may only specify task the service belongs to, got {:?}",
                    service.name, service.task_name
                );
                place.add(&format!("{path}.TaskName"), message);
            }
            for (c, check) in service.checks.iter().enumerate() {
                if !check.task_name.is_empty() && check.task_name != task.name {
                    let message = format!(
                        "Check {} is invalid: may only specify task the check belongs to, got {:?}",
                        check.name, check.task_name
                    );
                    place.add(&format!("{path}.Checks[{c}].TaskName"), message);
                }
            }
        }
    }
    for (s, service) in group.services.iter().enumerate() {
        note(service, "group");
        let path = format!("Services[{s}]");
        let before = place.found.len();
        let context = format!("Service[{s}] {} validation failed: ", service.name);
        self::service(service, &mut place.part(&path, &context));
        if place.found.len() > before {
            continue;
        }
        if service.address_mode == "driver" {
            let message = format!(
                "service {:?} cannot use address_mode=\"driver\", only services defined in a \"task\" block can use this mode",
                service.name
            );
            place.add(&format!("{path}.AddressMode"), message);
        }
        for (c, check) in service.checks.iter().enumerate() {
            group_check(group, service, check, &mut place.part(&format!("{path}.Checks[{c}]"), ""));
        }
    }
    if !twice.is_empty() {
        let list: Vec<String> = twice.into_iter().collect();
        place.add("", format!("Services are not unique: {}", list.join(", ")));
    }
    if providers.len() > 1 {
        place.add("", "Multiple service providers used: task group services must use the same provider");
    }
}

fn group_check(group: &TaskGroup, service: &Service, check: &ServiceCheck, place: &mut Place<'_>) {
    let task = if check.task_name.is_empty() { &service.task_name } else { &check.task_name };
    if check.check_type == "script" && task.is_empty() {
        let message = format!("Check {} must specify task parameter: a script check runs inside a task", check.name);
        return place.add("TaskName", message);
    }
    if check.task_name.is_empty() {
        return;
    }
    if check.address_mode == "driver" {
        let message = format!(
            "Check {:?} invalid: cannot use address_mode=\"driver\", only checks defined in a \"task\" service block can use this mode",
            service.name
        );
        place.add("AddressMode", message);
    }
    if group.task(&check.task_name).is_none() {
        place.add("TaskName", format!("Check {} invalid: refers to non-existent task {}", check.name, check.task_name));
    }
}

/// Services of one task.
pub(super) fn task(task: &Task, group: &TaskGroup, place: &mut Place<'_>) {
    let mut names = HashSet::new();
    let mut wanted: BTreeMap<&str, (BTreeSet<&str>, String)> = BTreeMap::new();
    for (s, service) in task.services.iter().enumerate() {
        let path = format!("Services[{s}]");
        let context = format!("service[{s}] {:?} validation failed: ", service.name);
        self::service(service, &mut place.part(&path, &context));
        if matches!(service.address_mode.as_str(), "alloc" | "alloc_ipv6") {
            let message = format!(
                "service {:?} cannot use address_mode={:?}, only services defined in a \"group\" block can use this mode",
                service.name, service.address_mode
            );
            place.add(&format!("{path}.AddressMode"), message);
        }
        if !names.insert((&service.name, &service.port_label)) {
            place.add(&path, format!("service {:?} is duplicate", service.name));
        }
        let mut want = |label, field| {
            wanted.entry(label).or_insert_with(|| (BTreeSet::new(), field)).0.insert(&service.name);
        };
        if !service.port_label.is_empty()
            && (service.address_mode != "driver" || service.port_label.parse::<i64>().is_err())
        {
            want(&service.port_label, format!("{path}.PortLabel"));
        }
        if service.connect.is_some() {
            let message = format!(
                "service {:?} cannot have \"connect\" block, only services defined in a \"group\" block can",
                service.name
            );
            place.add(&format!("{path}.Connect"), message);
        }
        let mut checks = HashSet::new();
        for (c, check) in service.checks.iter().enumerate() {
            let path = format!("{path}.Checks[{c}]");
            if !checks.insert(&check.name) {
                place.add(&path, format!("check {:?} is duplicate", check.name));
            }
            if let Some(label) = task_check(service, check, &mut place.part(&path, "")) {
                want(label, format!("{path}.PortLabel"));
            }
        }
    }
    let first = group.networks.first().into_iter();
    let known: HashSet<&str> = first
        .chain(&task.resources.networks)
        .flat_map(|network| network.ports())
        .map(|port| port.label.as_str())
        .collect();
    for (label, (services, path)) in wanted {
        if !known.contains(label) {
            let services: Vec<&str> = services.into_iter().collect();
            place.add(
                &path,
                format!("port label {label:?} referenced by services {} does not exist", services.join(", ")),
            );
        }
    }
}

/// The port label that the check needs, if any.
fn task_check<'a>(service: &'a Service, check: &'a ServiceCheck, place: &mut Place<'_>) -> Option<&'a str> {
    if matches!(check.address_mode.as_str(), "alloc" | "alloc_ipv6") {
        let message = format!(
            "check {:?} cannot use address_mode={:?}, only checks defined in a \"group\" service block can use this mode",
            service.name, check.address_mode
        );
        place.add("AddressMode", message);
    }
    if !requires_port(check) {
        return None;
    }
    let label = if check.port_label.is_empty() { &service.port_label } else { &check.port_label };
    if label.is_empty() {
        place.add("", format!("check {:?} is missing a port", check.name));
        return None;
    }
    match label.parse::<i64>() {
        Ok(number) if check.address_mode == "driver" => {
            if number <= 0 {
                place.add("PortLabel", format!("check {:?} has invalid numeric port {number}", check.name));
            }
            None
        }
        Ok(number) => {
            let message = format!(
                "check {:?} cannot use a numeric port {number} without setting address_mode=\"driver\"",
                check.name
            );
            place.add("PortLabel", message);
            None
        }
        Err(_) => Some(label),
    }
}

fn requires_port(check: &ServiceCheck) -> bool {
    matches!(check.check_type.as_str(), "grpc" | "http" | "tcp")
}

fn service(service: &Service, place: &mut Place<'_>) {
    if !is_name(&without_references(&service.name)) {
        place.add(
            "Name",
            format!(
                "Service name must be valid per RFC 1123 and can contain only alphanumeric characters or dashes and must be no longer than {LONGEST_NAME} characters: {:?}",
                service.name
            ),
        );
    }
    match service.address_mode.as_str() {
        "" | "auto" => {}
        "host" | "driver" | "alloc" | "alloc_ipv6" => {
            if !service.address.is_empty() {
                place.add("AddressMode", "Service address_mode must be \"auto\" if address is set");
            }
        }
        other => {
            let message = format!("Service address_mode must be \"auto\", \"host\", or \"driver\"; not {other:?}");
            place.add("AddressMode", message);
        }
    }
    if !is_on_update(&service.on_update) {
        let message = format!(
            "Service on_update must be \"require_healthy\", \"ignore_warnings\", or \"ignore\"; not {:?}",
            service.on_update
        );
        place.add("OnUpdate", message);
    }
    let native = match service.provider.as_str() {
        "consul" => false,
        "nomad" => true,
        other => {
            return place.add("Provider", format!("Service provider must be \"consul\", or \"nomad\"; not {other:?}"));
        }
    };
    for (c, check) in service.checks.iter().enumerate() {
        let path = format!("Checks[{c}]");
        if service.port_label.is_empty() && check.port_label.is_empty() && requires_port(check) {
            let message = format!(
                "Check {} invalid: check requires a port but neither check nor service {:?} have a port",
                check.name, service.name
            );
            place.add(&path, message);
            continue;
        }
        let context = format!("Check {} invalid: ", check.name);
        let mut place = place.part(&path, &context);
        check::check(check, native, &mut place);
    }
    if native && service.connect.is_some() {
        place.add("Connect", "Service with provider nomad cannot include Connect blocks");
    }
}

pub(super) fn is_on_update(text: &str) -> bool {
    matches!(text, "" | "ignore" | "require_healthy" | "ignore_warnings")
}

/// `${…}` becomes a placeholder, since its value is known only at run time.
fn without_references(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((_, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str("ENV-VAR");
        rest = after;
    }
    out + rest
}

fn is_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= LONGEST_NAME
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
