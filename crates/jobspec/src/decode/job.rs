//! What is rearranged after a job was decoded: short forms, ports, lone tasks, inherited `vault`.

use serde_json::{Map, Value as Json};

use super::Spans;

type Object = Map<String, Json>;

/// Short forms of operators; the value is the right-hand side.
const OPERATORS: [&str; 6] = ["version", "semver", "regexp", "set_contains_any", "set_contains_all", "set_contains"];

/// `distinct_hosts = true`, `regexp = "…"` and the like become operand and targets.
pub(super) fn constraint(constraint: &mut Object) {
    operators(constraint);
    if let Some(on) = constraint.remove("distinct_hosts") {
        constraint.insert("Operand".to_owned(), "distinct_hosts".into());
        constraint.insert("RTarget".to_owned(), Json::String((on == Json::Bool(true)).to_string()));
    }
    if let Some(property) = text(constraint.remove("distinct_property")) {
        constraint.insert("Operand".to_owned(), "distinct_property".into());
        constraint.insert("LTarget".to_owned(), property);
    }
    for (name, opposite) in [("is_set", "is_not_set"), ("is_not_set", "is_set")] {
        // `is_set = "${meta.x}"` names the attribute; with `attribute` beside it, the value is true or false.
        let Some(value) = text(constraint.remove(name)) else { continue };
        let operand = match value.as_str() {
            Some("false") => opposite,
            Some("true") => name,
            _ => {
                constraint.entry("LTarget").or_insert(value);
                name
            }
        };
        constraint.insert("Operand".to_owned(), operand.into());
    }
    constraint.entry("Operand").or_insert("=".into());
}

pub(super) fn affinity(affinity: &mut Object) {
    operators(affinity);
    affinity.entry("Operand").or_insert("=".into());
}

fn operators(rule: &mut Object) {
    for name in OPERATORS {
        if let Some(value) = text(rule.remove(name)) {
            rule.insert("Operand".to_owned(), name.into());
            rule.insert("RTarget".to_owned(), value);
        }
    }
    if rule.get("Operand").and_then(Json::as_str) == Some("") {
        rule.remove("Operand");
    }
}

fn text(value: Option<Json>) -> Option<Json> {
    value.filter(|value| value.as_str().is_some_and(|text| !text.is_empty()))
}

/// The decoded job in the API's shape.
pub(crate) fn arrange(job: &mut Object, label: &str, spans: &mut Spans) {
    for field in ["ID", "Name"] {
        job.entry(field).or_insert_with(|| label.into());
    }
    if let Some(periodic) = job.get_mut("Periodic").and_then(Json::as_object_mut)
        && (periodic.contains_key("Spec") || periodic.contains_key("Specs"))
    {
        periodic.insert("SpecType".to_owned(), "cron".into());
    }
    lone_tasks(job, spans);
    let vault = job.remove("Vault");
    let secrets = job.remove("Secrets");
    for (g, group) in objects(job, "TaskGroups").enumerate() {
        ports(group, &format!("TaskGroups[{g}]"), spans);
        let vault = group.remove("Vault").or_else(|| vault.clone());
        for (t, task) in objects(group, "Tasks").enumerate() {
            if let Some(resources) = task.get_mut("Resources").and_then(Json::as_object_mut) {
                ports(resources, &format!("TaskGroups[{g}].Tasks[{t}].Resources"), spans);
            }
            if let (Some(vault), None) = (&vault, task.get("Vault")) {
                task.insert("Vault".to_owned(), vault.clone());
            }
            if let Some(Json::Array(inherited)) = &secrets
                && let Json::Array(own) = task.entry("Secrets").or_insert_with(|| Json::Array(Vec::new()))
            {
                own.extend(inherited.iter().cloned());
            }
        }
    }
}

fn objects<'a>(parent: &'a mut Object, field: &str) -> impl Iterator<Item = &'a mut Object> {
    parent.get_mut(field).and_then(Json::as_array_mut).into_iter().flatten().filter_map(Json::as_object_mut)
}

/// A task directly below the job becomes a group of its name, before the other groups.
fn lone_tasks(job: &mut Object, spans: &mut Spans) {
    let Some(Json::Array(tasks)) = job.remove("Tasks") else { return };
    let count = tasks.len();
    let mut groups: Vec<Json> = tasks
        .into_iter()
        .map(|task| {
            let name = task.get("Name").cloned().unwrap_or_default();
            Json::Object(Map::from_iter([("Name".to_owned(), name), ("Tasks".to_owned(), Json::Array(vec![task]))]))
        })
        .collect();
    *spans =
        std::mem::take(spans).into_iter().map(|(path, span)| (moved(&path, count).unwrap_or(path), span)).collect();
    if let Some(Json::Array(others)) = job.remove("TaskGroups") {
        groups.extend(others);
    }
    job.insert("TaskGroups".to_owned(), Json::Array(groups));
}

/// `Tasks[i]…` → `TaskGroups[i].Tasks[0]…`; `TaskGroups[i]…` → `TaskGroups[i + count]…`.
fn moved(path: &str, count: usize) -> Option<String> {
    let numbered = |prefix: &str| {
        let (number, rest) = path.strip_prefix(prefix)?.split_once(']')?;
        Some((number.parse::<usize>().ok()?, rest.to_owned()))
    };
    if let Some((index, rest)) = numbered("Tasks[") {
        return Some(format!("TaskGroups[{index}].Tasks[0]{rest}"));
    }
    numbered("TaskGroups[").map(|(index, rest)| format!("TaskGroups[{}]{rest}", index + count))
}

/// Ports with a static number are reserved, the others dynamic.
fn ports(parent: &mut Object, path: &str, spans: &mut Spans) {
    for (n, network) in objects(parent, "Networks").enumerate() {
        let Some(Json::Array(ports)) = network.remove("DynamicPorts") else { continue };
        let mut reserved = match network.remove("ReservedPorts") {
            Some(Json::Array(ports)) => ports,
            _ => Vec::new(),
        };
        let mut dynamic = Vec::new();
        for (index, port) in ports.into_iter().enumerate() {
            let fixed = port.get("Value").and_then(Json::as_i64).unwrap_or(0) > 0;
            let (list, field) = if fixed { (&mut reserved, "ReservedPorts") } else { (&mut dynamic, "DynamicPorts") };
            let (from, to) = (
                format!("{path}.Networks[{n}].DynamicPorts[{index}]"),
                format!("{path}.Networks[{n}].{field}[{}]", list.len()),
            );
            for suffix in ["", ".Value", ".To", ".HostNetwork"] {
                if let Some(span) = spans.get(&format!("{from}{suffix}")).copied() {
                    spans.insert(format!("{to}{suffix}"), span);
                }
            }
            list.push(port);
        }
        for (field, list) in [("ReservedPorts", reserved), ("DynamicPorts", dynamic)] {
            if !list.is_empty() {
                network.insert(field.to_owned(), Json::Array(list));
            }
        }
    }
}
