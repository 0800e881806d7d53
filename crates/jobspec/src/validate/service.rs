//! Services and checks, at tasks and at groups.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use baton_model::service::{CheckRestart, Service, ServiceCheck};
use baton_model::{Nanos, Task, TaskGroup};

use crate::problem::Place;

const LEAST_INTERVAL: Nanos = Nanos::secs(1);
const LONGEST_NOTES: usize = 255;
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
        self::check(check, native, &mut place);
    }
    if native && service.connect.is_some() {
        place.add("Connect", "Service with provider nomad cannot include Connect blocks");
    }
}

fn is_on_update(text: &str) -> bool {
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

fn check(check: &ServiceCheck, native: bool, place: &mut Place<'_>) {
    let allowed: &[&str] = if native { &["tcp", "http"] } else { &["grpc", "tcp", "http", "script"] };
    let kind = check.check_type.to_lowercase();
    if !allowed.contains(&kind.as_str()) {
        place.add("Type", format!("invalid check type ({kind:?}), must be one of {}", allowed.join(", ")));
    }
    match kind.as_str() {
        "http" if check.path.is_empty() => place.add("Path", "http type must have http path"),
        "http" if is_absolute_url(&check.path) => place.add("Path", "http type must have relative http path"),
        "script" if check.command.is_empty() => place.add("Command", "script type must have a valid script path"),
        _ => {}
    }
    if check.interval.is_zero() {
        place
            .add("Interval", format!("missing required value interval. Interval cannot be less than {LEAST_INTERVAL}"));
    } else if check.interval < LEAST_INTERVAL {
        place.add("Interval", format!("interval ({}) cannot be lower than {LEAST_INTERVAL}", check.interval));
    }
    if check.timeout.is_zero() {
        place.add("Timeout", format!("missing required value timeout. Timeout cannot be less than {LEAST_INTERVAL}"));
    } else if check.timeout < LEAST_INTERVAL {
        place.add(
            "Timeout",
            format!("timeout ({}) is lower than required minimum timeout {LEAST_INTERVAL}", check.timeout),
        );
    }
    if !matches!(check.initial_status.as_str(), "" | "passing" | "warning" | "critical") {
        let message = format!(
            "invalid initial check state ({}), must be one of \"passing\", \"warning\", \"critical\" or empty",
            check.initial_status
        );
        place.add("InitialStatus", message);
    }
    match check.address_mode.as_str() {
        "" | "host" | "driver" | "alloc" | "alloc_ipv6" => {}
        "auto" => place.add("AddressMode", "invalid address_mode \"auto\" - auto only valid for services"),
        other => place.add("AddressMode", format!("invalid address_mode {other:?}")),
    }
    if !is_on_update(&check.on_update) {
        let message = format!(
            "on_update must be \"require_healthy\", \"ignore_warnings\", or \"ignore\"; got {:?}",
            check.on_update
        );
        place.add("OnUpdate", message);
    }
    if let Some(restart) = &check.check_restart {
        self::restart(restart, check, place);
    }
    if native {
        only_consul(check, place)
    } else {
        thresholds(check, &kind, place)
    }
    if check.notes.len() > LONGEST_NOTES {
        place.add("Notes", format!("notes must not be longer than {LONGEST_NOTES} characters"));
    }
}

fn is_absolute_url(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn restart(restart: &CheckRestart, check: &ServiceCheck, place: &mut Place<'_>) {
    if check.on_update == "ignore" {
        place.add("CheckRestart", "on_update value \"ignore\" is not compatible with check_restart");
    }
    if check.on_update == "ignore_warnings" && !restart.ignore_warnings {
        place.add(
            "CheckRestart",
            "on_update value \"ignore_warnings\" not supported with check_restart ignore_warnings value \"false\"",
        );
    }
    if restart.limit < 0 {
        place
            .add("CheckRestart.Limit", format!("limit must be greater than or equal to 0 but found {}", restart.limit));
    }
    if restart.grace.0 < 0 {
        let message = format!("grace period must be greater than or equal to 0 but found {}", restart.grace.0);
        place.add("CheckRestart.Grace", message);
    }
}

/// What checks of provider `nomad` cannot do.
fn only_consul(check: &ServiceCheck, place: &mut Place<'_>) {
    let mut refuse = |used: bool, field: &str, message: &str| {
        if used {
            place.add(field, message);
        }
    };
    refuse(check.expose, "Expose", "expose may only be set for Consul service checks");
    refuse(
        check.on_update == "ignore_warnings",
        "OnUpdate",
        "on_update may only be set to ignore_warnings for Consul service checks",
    );
    refuse(
        check.check_restart.as_ref().is_some_and(|restart| restart.ignore_warnings),
        "CheckRestart",
        "ignore_warnings on check_restart only supported for Consul service checks",
    );
    refuse(
        check.address_mode == "driver",
        "AddressMode",
        "address_mode = driver may only be set for Consul service checks",
    );
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];
    if check.check_type == "http" && !check.method.is_empty() && !METHODS.contains(&check.method.as_str()) {
        let message = format!("method type {:?} not supported in Nomad http check", check.method);
        refuse(true, "Method", &message);
    }
    for (used, field, name) in [
        (check.success_before_passing != 0, "SuccessBeforePassing", "success_before_passing"),
        (check.failures_before_critical != 0, "FailuresBeforeCritical", "failures_before_critical"),
        (check.failures_before_warning != 0, "FailuresBeforeWarning", "failures_before_warning"),
        (!check.tls_server_name.is_empty(), "TLSServerName", "tls_server_name"),
    ] {
        refuse(used, field, &format!("{name} may only be set for Consul service checks"));
    }
}

fn thresholds(check: &ServiceCheck, kind: &str, place: &mut Place<'_>) {
    for (value, field, name) in [
        (check.success_before_passing, "SuccessBeforePassing", "success_before_passing"),
        (check.failures_before_critical, "FailuresBeforeCritical", "failures_before_critical"),
        (check.failures_before_warning, "FailuresBeforeWarning", "failures_before_warning"),
    ] {
        if value < 0 {
            place.add(field, format!("{name} must be non-negative"));
        } else if value > 0 && !matches!(kind, "tcp" | "http" | "grpc") {
            place.add(field, format!("{name} not supported for check of type {kind:?}"));
        }
    }
    if check.expose && !matches!(kind, "http" | "grpc") {
        place.add("Expose", "expose may only be set on HTTP or gRPC checks");
    }
}
