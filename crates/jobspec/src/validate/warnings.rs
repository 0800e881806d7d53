//! What is accepted and probably not meant.

use baton_model::{Job, TaskGroup};

use crate::problem::Place;

pub(super) fn warnings(job: &Job, place: &mut Place<'_>) {
    let path = |index| format!("TaskGroups[{index}]");
    for (index, group) in job.task_groups.iter().enumerate() {
        self::group(group, &mut place.part(&path(index), &format!("Group {:?} has warnings: ", group.name)));
    }
    for (index, group) in job.task_groups.iter().enumerate() {
        shutdown_delays(group, &mut place.part(&path(index), ""));
    }
    let updates = || job.task_groups.iter().filter_map(|group| group.update.as_ref());
    if updates().any(|update| update.auto_promote) && !updates().all(|update| update.canary == 0 || update.auto_promote)
    {
        place.add("Update.AutoPromote", "auto_promote must be true for all groups to enable automatic promotion");
    }
    if job.periodic.as_ref().is_some_and(|periodic| !periodic.spec.is_empty()) {
        place.add("Periodic.Spec", "cron is deprecated and may be removed in a future release. Use crons instead");
    }
}

fn group(group: &TaskGroup, place: &mut Place<'_>) {
    if let Some(update) = &group.update
        && group.count > 1
        && update.max_parallel > group.count
    {
        let message = format!(
            "Update max parallel count is greater than task group count ({} > {}). A destructive change would result in \
             the simultaneous replacement of all allocations.",
            update.max_parallel, group.count
        );
        place.add("Update.MaxParallel", message);
    }
    if group.networks.first().is_some_and(|network| network.mbits > 0) {
        let message = "mbits has been deprecated as of Nomad 0.12.0. Please remove mbits from the network block";
        place.add("Networks[0].MBits", message);
    }
    for (index, task) in group.tasks.iter().enumerate() {
        let place = &mut place.part(&format!("Tasks[{index}]"), &format!("Task {:?} has warnings: ", task.name));
        if !task.resources.networks.is_empty() {
            let message = "task network resources have been deprecated as of Nomad 0.12.0. Please configure networking \
                           via group network block.";
            place.add("Resources.Networks[0]", message);
        }
        for (index, template) in task.templates.iter().enumerate() {
            if !template.vault_grace.is_zero() {
                let message = format!(
                    "Template[{index}] VaultGrace has been deprecated as of Nomad 0.11 and ignored since Vault 0.5. \
                     Please remove VaultGrace / vault_grace from template block."
                );
                place.add(&format!("Templates[{index}].VaultGrace"), message);
            }
        }
    }
}

/// Services that are stopped while still in rotation.
fn shutdown_delays(group: &TaskGroup, place: &mut Place<'_>) {
    for (index, task) in group.tasks.iter().enumerate() {
        let path = format!("Tasks[{index}]");
        let named = group.services.iter().any(|service| service.task_name == task.name);
        if named && task.shutdown_delay.is_zero() {
            let message = format!(
                "group {:?} references task {:?} in a service definition, but the task has no shutdown_delay set",
                group.name, task.name
            );
            place.add(&path, message);
        }
        if task.shutdown_delay.0 <= 0 && !task.services.is_empty() {
            let message = format!(
                "task {:?} in group {:?} defines services, but has no shutdown_delay set",
                task.name, group.name
            );
            place.add(&format!("{path}.Services[0]"), message);
        }
    }
    let delayed = group.shutdown_delay.is_some_and(|delay| delay.0 > 0)
        || group.tasks.iter().any(|task| task.shutdown_delay.0 > 0);
    let unscoped = group.services.iter().position(|service| service.task_name.is_empty());
    if let Some(index) = unscoped.filter(|_| !delayed) {
        let message = format!(
            "group {:?} defines services, but neither the group nor any of its tasks have shutdown_delay set",
            group.name
        );
        place.add(&format!("Services[{index}]"), message);
    }
}
