//! Defaults of groups: counts, policies, networks, volumes.

use serde_json::{Value as Json, json};

use super::{HOUR, MINUTE, Object, SECOND, fill, fill_text, number, object, objects, service, targets, task, text};

/// Policies written at the job, merged under each group's.
pub(super) struct Inherited {
    pub(super) update: Option<Json>,
    pub(super) reschedule: Option<Json>,
    pub(super) migrate: Option<Json>,
}

pub(super) struct JobNames<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
}

pub(super) fn default_update() -> Json {
    json!({
        "Stagger": 30 * SECOND,
        "MaxParallel": 1,
        "HealthCheck": "checks",
        "MinHealthyTime": 10 * SECOND,
        "HealthyDeadline": 5 * MINUTE,
        "ProgressDeadline": 10 * MINUTE,
        "AutoRevert": false,
        "AutoPromote": false,
        "Canary": 0,
    })
}

fn default_migrate() -> Json {
    json!({"MaxParallel": 1, "HealthCheck": "checks", "MinHealthyTime": 10 * SECOND, "HealthyDeadline": 5 * MINUTE})
}

fn default_restart(kind: &str) -> Json {
    let (attempts, interval) = if matches!(kind, "batch" | "sysbatch") { (3, 24 * HOUR) } else { (2, 30 * MINUTE) };
    json!({"Attempts": attempts, "Interval": interval, "Delay": 15 * SECOND, "Mode": "fail", "RenderTemplates": false})
}

fn default_reschedule(kind: &str) -> Json {
    match kind {
        "batch" => json!({
            "Attempts": 1,
            "Interval": 24 * HOUR,
            "Delay": 5 * SECOND,
            "DelayFunction": "constant",
            "MaxDelay": 0,
            "Unlimited": false,
        }),
        "service" => json!({
            "Attempts": 0,
            "Interval": 0,
            "Delay": 30 * SECOND,
            "DelayFunction": "exponential",
            "MaxDelay": HOUR,
            "Unlimited": true,
        }),
        _ => json!({}),
    }
}

pub(super) fn group(group: &mut Object, kind: &str, job: &JobNames<'_>, inherited: &Inherited) {
    let name = text(group, "Name").unwrap_or_default().to_owned();
    let least = object(group, "Scaling").and_then(|scaling| number(scaling, "Min"));
    fill(group, json!({"Count": least.unwrap_or(1)}));
    let count = number(group, "Count").unwrap_or(1);
    targets(group);
    merge(group, "EphemeralDisk", [Some(&json!({"SizeMB": 300, "Sticky": false, "Migrate": false}))]);
    merge(group, "RestartPolicy", [Some(&default_restart(kind))]);
    let scheduled_anew = matches!(kind, "service" | "batch");
    if scheduled_anew || group.contains_key("ReschedulePolicy") {
        merge(group, "ReschedulePolicy", [inherited.reschedule.as_ref(), Some(&default_reschedule(kind))]);
    } else if let Some(reschedule) = &inherited.reschedule {
        group.insert("ReschedulePolicy".to_owned(), reschedule.clone());
    }
    if matches!(kind, "service" | "system") || group.contains_key("Update") || inherited.update.is_some() {
        merge(group, "Update", [inherited.update.as_ref(), Some(&default_update())]);
    }
    if kind == "service" || group.contains_key("Migrate") || inherited.migrate.is_some() {
        merge(group, "Migrate", [inherited.migrate.as_ref(), Some(&default_migrate())]);
    }
    if let Some(disconnect) = object(group, "Disconnect") {
        fill(disconnect, json!({"LostAfter": 0, "Replace": true}));
        fill_text(disconnect, &[("Reconcile", "best_score")]);
    }
    if let Some(scaling) = object(group, "Scaling") {
        fill(scaling, json!({"Enabled": true, "Min": count, "Type": "horizontal", "Policy": {}}));
        fill(scaling, json!({"Target": {"Namespace": job.namespace, "Job": job.id, "Group": name}}));
    }
    if let Some(volumes) = object(group, "Volumes") {
        for (label, volume) in volumes {
            if let Some(volume) = volume.as_object_mut() {
                fill_text(volume, &[("Name", label)]);
            }
        }
    }
    for entry in objects(group, "Services") {
        service::service(entry, &format!("{}-{name}", job.name));
    }
    let restart = group.get("RestartPolicy").cloned();
    for entry in objects(group, "Tasks") {
        task::task(entry, job.name, &name, restart.as_ref());
    }
}

/// What is written in the group wins, then each layer in turn, field by field.
pub(super) fn merge<const N: usize>(parent: &mut Object, field: &str, layers: [Option<&Json>; N]) {
    let entry = parent.entry(field).or_insert_with(|| json!({}));
    if let Json::Object(target) = entry {
        for layer in layers.into_iter().flatten() {
            fill(target, layer.clone());
        }
    }
}
