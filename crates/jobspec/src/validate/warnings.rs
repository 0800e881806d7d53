//! What is accepted and probably not meant.

use baton_model::{Job, TaskGroup};

pub(super) fn warnings(job: &Job) -> Vec<String> {
    let mut out = Vec::new();
    for group in &job.task_groups {
        self::group(group, &mut out);
    }
    for group in &job.task_groups {
        shutdown_delays(group, &mut out);
    }
    let updates = || job.task_groups.iter().filter_map(|group| group.update.as_ref());
    if updates().any(|update| update.auto_promote) && !updates().all(|update| update.canary == 0 || update.auto_promote)
    {
        out.push("auto_promote must be true for all groups to enable automatic promotion".to_owned());
    }
    if job.periodic.as_ref().is_some_and(|periodic| !periodic.spec.is_empty()) {
        out.push("cron is deprecated and may be removed in a future release. Use crons instead".to_owned());
    }
    out
}

fn group(group: &TaskGroup, out: &mut Vec<String>) {
    let mut add = |text: String| out.push(format!("Group {:?} has warnings: {text}", group.name));
    if let Some(update) = &group.update
        && group.count > 1
        && update.max_parallel > group.count
    {
        add(format!(
            "Update max parallel count is greater than task group count ({} > {}). A destructive change would result in \
             the simultaneous replacement of all allocations.",
            update.max_parallel, group.count
        ));
    }
    if group.networks.first().is_some_and(|network| network.mbits > 0) {
        add("mbits has been deprecated as of Nomad 0.12.0. Please remove mbits from the network block".to_owned());
    }
    for task in &group.tasks {
        let mut add = |text: String| add(format!("Task {:?} has warnings: {text}", task.name));
        if !task.resources.networks.is_empty() {
            add("task network resources have been deprecated as of Nomad 0.12.0. Please configure networking via group \
                 network block."
                .to_owned());
        }
        for (index, template) in task.templates.iter().enumerate() {
            if !template.vault_grace.is_zero() {
                add(format!(
                    "Template[{index}] VaultGrace has been deprecated as of Nomad 0.11 and ignored since Vault 0.5. \
                     Please remove VaultGrace / vault_grace from template block."
                ));
            }
        }
    }
}

/// Services that are stopped while still in rotation.
fn shutdown_delays(group: &TaskGroup, out: &mut Vec<String>) {
    let mut unscoped = false;
    for service in &group.services {
        unscoped |= service.task_name.is_empty();
    }
    for task in &group.tasks {
        let named = group.services.iter().any(|service| service.task_name == task.name);
        if named && task.shutdown_delay.is_zero() {
            out.push(format!(
                "group {:?} references task {:?} in a service definition, but the task has no shutdown_delay set",
                group.name, task.name
            ));
        }
        if task.shutdown_delay.0 <= 0 && !task.services.is_empty() {
            out.push(format!(
                "task {:?} in group {:?} defines services, but has no shutdown_delay set",
                task.name, group.name
            ));
        }
    }
    let delayed = group.shutdown_delay.is_some_and(|delay| delay.0 > 0)
        || group.tasks.iter().any(|task| task.shutdown_delay.0 > 0);
    if unscoped && !delayed {
        out.push(format!(
            "group {:?} defines services, but neither the group nor any of its tasks have shutdown_delay set",
            group.name
        ));
    }
}
