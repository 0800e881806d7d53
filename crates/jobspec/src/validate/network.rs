//! Ports of a group and its tasks together.

use std::collections::HashMap;

use baton_model::TaskGroup;
use baton_model::resources::{NetworkResource, Port};

use crate::problem::Place;

const HIGHEST_PORT: i64 = 65_535;

pub(super) fn ports(group: &TaskGroup, place: &mut Place<'_>) {
    let mut labels: HashMap<&str, String> = HashMap::new();
    let mut numbers: HashMap<(&str, i64), String> = HashMap::new();
    for (n, network) in group.networks.iter().enumerate() {
        for (path, port) in with_paths(network, &format!("Networks[{n}]")) {
            match labels.get(port.label.as_str()) {
                Some(other) => place.add(&path, format!("Port label {} already in use by {other}", port.label)),
                None => {
                    labels.insert(&port.label, "taskgroup network".to_owned());
                }
            }
            number(port, &path, "taskgroup network", port.ignore_collision, &mut numbers, place);
            if port.to < -1 {
                place.add(
                    &format!("{path}.To"),
                    format!("Port {:?} cannot be mapped to negative value {}", port.label, port.to),
                );
            } else if port.to > HIGHEST_PORT {
                let message = format!(
                    "Port {:?} cannot be mapped to a port ({}) greater than {HIGHEST_PORT}",
                    port.label, port.to
                );
                place.add(&format!("{path}.To"), message);
            }
            if port.ignore_collision && !matches!(network.mode.as_str(), "" | "host") {
                let message = format!(
                    "Port {:?} collision may not be ignored on non-host network mode {:?}",
                    port.label, network.mode
                );
                place.add(&format!("{path}.IgnoreCollision"), message);
            }
        }
        if !network.hostname.is_empty() && !network.hostname.contains("${") && !is_domain_name(&network.hostname) {
            place.add(&format!("Networks[{n}].Hostname"), "Hostname is not a valid DNS name");
        }
    }
    for (t, task) in group.tasks.iter().enumerate() {
        for (n, network) in task.resources.networks.iter().enumerate() {
            for (path, port) in with_paths(network, &format!("Tasks[{t}].Resources.Networks[{n}]")) {
                if let Some(other) = labels.get(port.label.as_str()) {
                    place.add(&path, format!("Port label {} already in use by {other}", port.label));
                }
                number(port, &path, &task.name, false, &mut numbers, place);
            }
        }
    }
}

fn with_paths<'a>(network: &'a NetworkResource, path: &str) -> Vec<(String, &'a Port)> {
    let reserved =
        network.reserved_ports.iter().enumerate().map(|(p, port)| (format!("{path}.ReservedPorts[{p}]"), port));
    let dynamic = network.dynamic_ports.iter().enumerate().map(|(p, port)| (format!("{path}.DynamicPorts[{p}]"), port));
    reserved.chain(dynamic).collect()
}

fn number<'a>(
    port: &'a Port,
    path: &str,
    owner: &str,
    may_collide: bool,
    numbers: &mut HashMap<(&'a str, i64), String>,
    place: &mut Place<'_>,
) {
    if port.value == 0 {
        return;
    }
    let field = format!("{path}.Value");
    match numbers.get(&(port.host_network.as_str(), port.value)) {
        Some(_) if may_collide => {}
        Some(other) => place.add(&field, format!("Static port {} already reserved by {other}", port.value)),
        None if port.value > HIGHEST_PORT => {
            place.add(&field, format!("Port {} ({}) cannot be greater than {HIGHEST_PORT}", port.label, port.value));
        }
        None if port.value < 0 => {
            place.add(&field, format!("Port {} ({}) cannot be negative", port.label, port.value));
        }
        None => {
            numbers.insert((&port.host_network, port.value), format!("{owner}:{}", port.label));
        }
    }
}

fn is_domain_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(|label| !label.is_empty() && label.len() <= 63)
}
