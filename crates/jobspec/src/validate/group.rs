//! Rules of one group.

use std::collections::HashMap;

use baton_model::job::{Disconnect, VolumeRequest};
use baton_model::{Job, JobType, TaskGroup};
use serde_json::Value as Json;

use super::{network, placement, policy, service, task};
use crate::problem::Place;

pub(super) fn group(job: &Job, group: &TaskGroup, place: &mut Place<'_>) {
    let kind = job.job_type;
    if group.name.contains('\0') {
        place.add("Name", "Task group name contains null character");
    }
    if group.count < 0 {
        place.add("Count", "Task group count can't be negative");
    }
    // A gateway's task is made for it.
    let is_gateway = |connect: &Json| connect.get("Gateway").is_some();
    let gateway = group.services.iter().filter_map(|service| service.connect.as_ref()).any(is_gateway);
    if group.tasks.is_empty() && !gateway {
        place.add("", "Missing tasks for task group");
    }
    if let Some(disconnect) = &group.disconnect {
        self::disconnect(disconnect, kind, &mut place.part("Disconnect", ""));
    }
    if let Some(duration) = group.max_run_duration {
        if duration.0 <= 0 {
            place.add("MaxRunDuration", "MaxRunDuration must be greater than zero");
        }
        if !kind.is_batch() {
            place.add("MaxRunDuration", format!("Job type \"{kind}\" does not allow max_run_duration"));
        }
    }
    placement::rules(&group.constraints, &group.affinities, &group.spreads, kind, place);
    policy::restart(&group.restart_policy, &mut place.part("RestartPolicy", ""));
    match &group.reschedule_policy {
        Some(_) if kind.is_system() => {
            place.add("ReschedulePolicy", "System or sysbatch jobs should not have a reschedule policy");
        }
        Some(policy) => policy::reschedule(policy, &mut place.part("ReschedulePolicy", "")),
        None => {}
    }
    if group.ephemeral_disk.size_mb < 10 {
        let size = group.ephemeral_disk.size_mb;
        place.add("EphemeralDisk.SizeMB", format!("minimum DiskMB value is 10; got {size}"));
    }
    if let Some(update) = &group.update {
        if !matches!(kind, JobType::Service | JobType::System) {
            place.add("Update", format!("Job type \"{kind}\" does not allow update block"));
        }
        policy::update(update, &mut place.part("Update", ""));
    }
    match &group.migrate {
        Some(migrate) if kind == JobType::Service => policy::migrate(migrate, &mut place.part("Migrate", "")),
        Some(_) => place.add("Migrate", format!("Job type \"{kind}\" does not allow migrate block")),
        None => {}
    }
    tasks(group, place);
    for (name, volume) in &group.volumes {
        let context = format!("Task group volume validation for {name} failed: ");
        self::volume(volume, kind, &mut place.part(&format!("Volumes.{name}"), &context));
    }
    network::ports(group, &mut place.part("", "Task group network validation failed: "));
    service::group(group, &mut place.part("", "Task group service validation failed: "));
    scaling(group, place);
    for (index, entry) in group.tasks.iter().enumerate() {
        let context = format!("Task {} validation failed: ", entry.name);
        task::task(kind, group, entry, &mut place.part(&format!("Tasks[{index}]"), &context));
    }
}

fn tasks(group: &TaskGroup, place: &mut Place<'_>) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, task) in group.tasks.iter().enumerate() {
        let path = format!("Tasks[{index}]");
        if task.name.is_empty() {
            place.add(&path, format!("Task {} missing name", index + 1));
        } else if let Some(first) = seen.get(task.name.as_str()) {
            place.add(&path, format!("Task {} redefines '{}' from task {}", index + 1, task.name, first + 1));
        } else {
            seen.insert(&task.name, index);
        }
    }
    if let Some(second) = group.tasks.iter().enumerate().filter(|(_, task)| task.leader).nth(1) {
        place.add(&format!("Tasks[{}].Leader", second.0), "Only one task may be marked as leader");
    }
    if !group.tasks.is_empty() && group.tasks.iter().all(|task| task.lifecycle.is_some()) {
        place.add("", format!("Task group {} must have at least one main task", group.name));
    }
}

fn disconnect(disconnect: &Disconnect, kind: JobType, place: &mut Place<'_>) {
    if disconnect.lost_after.0 < 0 {
        place.add("LostAfter", "disconnect.lost_after cannot be a negative duration");
    }
    if let Some(after) = disconnect.stop_on_client_after {
        if after.0 < 0 {
            place.add("StopOnClientAfter", "disconnect.stop_on_client_after cannot be a negative duration");
        }
        if kind.is_system() {
            place.add("StopOnClientAfter", "stop_on_client_after can only be used with service or batch job types");
        }
        if disconnect.lost_after.0 > 0 {
            place.add(
                "StopOnClientAfter",
                "Disconnect cannot be configured with both lost_after and stop_on_client_after",
            );
        }
    }
    if !matches!(
        disconnect.reconcile.as_str(),
        "" | "keep_original" | "keep_replacement" | "best_score" | "longest_running"
    ) {
        place.add("Reconcile", format!("reconcile option is invalid: {:?}", disconnect.reconcile));
    }
}

fn volume(volume: &VolumeRequest, kind: JobType, place: &mut Place<'_>) {
    if !matches!(volume.volume_type.as_str(), "host" | "csi") {
        place.add("Type", format!("volume has unrecognized type {}", volume.volume_type));
    }
    if volume.source.is_empty() {
        place.add("Source", "volume has an empty source");
    }
    if volume.volume_type == "host" && kind == JobType::System && volume.sticky {
        place.add("Sticky", "host volumes cannot be sticky in system jobs");
    }
}

fn scaling(group: &TaskGroup, place: &mut Place<'_>) {
    let Some(scaling) = &group.scaling else { return };
    let number = |field: &str| scaling.get(field).and_then(Json::as_i64);
    let place = &mut place.part("Scaling", "Task group scaling policy validation failed: Scaling policy invalid: ");
    let Some(max) = number("Max").filter(|max| *max >= 0) else {
        return place.add("Max", "maximum count must be specified and non-negative");
    };
    let min = number("Min").unwrap_or(group.count);
    if min < 0 {
        place.add("Min", "minimum count must be specified and non-negative");
    }
    if max < min {
        place.add("Max", "maximum count must not be less than minimum count");
    }
    if max < group.count {
        place.add("Max", "task group count must not be greater than maximum count in scaling policy");
    }
    if group.count < min {
        place.add("Min", "task group count must not be less than minimum count in scaling policy");
    }
}
