//! How an allocation gets from one version of its group to another: not at all, in place, or by replacement.
//!
//! Compares what the process sees. Everything that needs a new process is destructive; what only the agent uses (services,
//! checks, policies, signals) changes in place. Beyond that, an edit of nothing but a template's text changes in place when
//! the allocation announced that a reload re-reads all of its configuration.

use std::collections::BTreeMap;

use baton_model::task::{Task, Template};
use baton_model::{Allocation, Job, TaskGroup};

/// A job (or group, or task) sets this `meta` key to `full` to say that its tasks re-read everything when their templates'
/// change mode is applied.
pub const RELOAD_META: &str = "baton_reload";

/// What a new version means for an existing allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The same version.
    None,
    /// Bookkeeping, services, policies: no restart.
    InPlace,
    /// Templates are rendered again and their change mode applied: no restart.
    TemplateReload,
    /// A new allocation replaces it; the reason names the field.
    Destructive(&'static str),
}

/// Compares the allocation's own job with the new one.
pub fn change(alloc: &Allocation, job: &Job, group: &TaskGroup) -> Change {
    let Some(old_job) = alloc.job.as_deref() else { return Change::Destructive("job") };
    if old_job.job_modify_index == job.job_modify_index && old_job.create_index == job.create_index {
        return Change::None;
    }
    between(old_job, job, group, alloc.reload_full)
}

/// Compares two versions of the group. `reload_full`: an allocation announced that a reload re-reads everything.
pub(crate) fn between(old_job: &Job, job: &Job, group: &TaskGroup, reload_full: bool) -> Change {
    let Some(old_group) = old_job.group(&group.name) else { return Change::Destructive("group") };
    if let Some(reason) = needs_new_process(old_job, old_group, job, group) {
        return Change::Destructive(reason);
    }
    match template_change(old_group, group) {
        TemplateChange::None => Change::InPlace,
        TemplateChange::TextOnly if reload_full || reloads(job, group) => Change::TemplateReload,
        TemplateChange::TextOnly | TemplateChange::More => Change::Destructive("templates"),
    }
}

fn reloads(job: &Job, group: &TaskGroup) -> bool {
    group
        .tasks
        .iter()
        .filter(|task| !task.templates.is_empty())
        .all(|task| effective_meta(job, group, task).get(RELOAD_META).is_some_and(|value| *value == "full"))
}

/// The first field that a running process cannot take over; templates apart.
fn needs_new_process(old_job: &Job, old: &TaskGroup, job: &Job, new: &TaskGroup) -> Option<&'static str> {
    if old.tasks.len() != new.tasks.len() {
        return Some("tasks");
    }
    if old.ephemeral_disk != new.ephemeral_disk {
        return Some("ephemeral_disk");
    }
    if old.networks != new.networks {
        return Some("network");
    }
    if old.consul != new.consul {
        return Some("consul");
    }
    if old.volumes != new.volumes {
        return Some("volume");
    }
    for task in &new.tasks {
        let Some(old_task) = old.task(&task.name) else { return Some("tasks") };
        if let Some(reason) = task_needs_new_process(old_task, task) {
            return Some(reason);
        }
        if effective_meta(old_job, old, old_task) != effective_meta(job, new, task) {
            return Some("meta");
        }
        let renders = |policy: Option<&baton_model::task::RestartPolicy>, group: &TaskGroup| {
            policy.unwrap_or(&group.restart_policy).render_templates
        };
        if renders(old_task.restart_policy.as_ref(), old) != renders(task.restart_policy.as_ref(), new) {
            return Some("restart.render_templates");
        }
    }
    None
}

fn task_needs_new_process(old: &Task, new: &Task) -> Option<&'static str> {
    let resources = |task: &Task| baton_model::resources::Resources { disk_mb: 0, ..task.resources.clone() };
    let checks = [
        (old.driver == new.driver, "driver"),
        (old.user == new.user, "user"),
        (old.config == new.config, "config"),
        (old.env == new.env, "env"),
        (old.artifacts == new.artifacts, "artifact"),
        (old.vault == new.vault, "vault"),
        (old.consul == new.consul, "consul"),
        (old.secrets == new.secrets, "secret"),
        (old.csi_plugin == new.csi_plugin, "csi_plugin"),
        (old.volume_mounts == new.volume_mounts, "volume_mount"),
        (old.identities == new.identities, "identity"),
        (old.dispatch_payload == new.dispatch_payload, "dispatch_payload"),
        (old.log_config.disabled == new.log_config.disabled, "logs.disabled"),
        (resources(old) == resources(new), "resources"),
    ];
    checks.into_iter().find_map(|(same, reason)| (!same).then_some(reason))
}

enum TemplateChange {
    None,
    TextOnly,
    More,
}

fn template_change(old: &TaskGroup, new: &TaskGroup) -> TemplateChange {
    let mut change = TemplateChange::None;
    for task in &new.tasks {
        let before = old.task(&task.name).map_or(&[][..], |task| &task.templates);
        if before == task.templates {
            continue;
        }
        if before.len() != task.templates.len()
            || !before.iter().zip(&task.templates).all(|(old, new)| without_text(old) == without_text(new))
        {
            return TemplateChange::More;
        }
        change = TemplateChange::TextOnly;
    }
    change
}

/// A template without the fields that a reload takes over. One whose environment the process has keeps its text: only a new
/// process sees a new environment.
fn without_text(template: &Template) -> Template {
    if template.envvars {
        return template.clone();
    }
    Template {
        embedded_tmpl: String::new(),
        perms: String::new(),
        left_delim: String::new(),
        right_delim: String::new(),
        ..template.clone()
    }
}

/// What the task sees: the task's over the group's over the job's.
fn effective_meta<'a>(job: &'a Job, group: &'a TaskGroup, task: &'a Task) -> BTreeMap<&'a str, &'a str> {
    [&job.meta, &group.meta, &task.meta]
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use baton_model::service::Service;

    use super::*;

    type Edit = fn(&mut Job);

    fn job() -> Job {
        let template = Template { embedded_tmpl: "a".into(), dest_path: "local/a".into(), ..Template::default() };
        let task = Task { name: "web".into(), driver: "raw_exec".into(), templates: vec![template], ..Task::default() };
        let group = TaskGroup { name: "g".into(), count: 1, tasks: vec![task], ..TaskGroup::default() };
        Job { id: "j".into(), task_groups: vec![group], job_modify_index: 1, ..Job::default() }
    }

    fn alloc(reload_full: bool) -> Allocation {
        Allocation { task_group: "g".into(), job: Some(Arc::new(job())), reload_full, ..Allocation::default() }
    }

    fn changed(reload_full: bool, edit: impl FnOnce(&mut Job)) -> Change {
        let mut new = Job { job_modify_index: 2, ..job() };
        edit(&mut new);
        change(&alloc(reload_full), &new, &new.task_groups[0])
    }

    fn task(job: &mut Job) -> &mut Task {
        &mut job.task_groups[0].tasks[0]
    }

    #[test]
    fn same_index_is_no_change() {
        let job = job();
        assert_eq!(change(&alloc(false), &job, &job.task_groups[0]), Change::None);
    }

    #[test]
    fn what_the_process_sees_is_destructive() {
        let destructive: [(&str, Edit); 8] = [
            ("driver", |job| task(job).driver = "exec".into()),
            ("env", |job| drop(task(job).env.insert("A".into(), "b".into()))),
            ("resources", |job| task(job).resources.cpu = 7),
            ("meta", |job| drop(job.meta.insert("k".into(), "v".into()))),
            ("templates", |job| task(job).templates[0].embedded_tmpl = "b".into()),
            ("templates", |job| task(job).templates[0].dest_path = "local/b".into()),
            ("ephemeral_disk", |job| job.task_groups[0].ephemeral_disk.size_mb = 9),
            ("logs.disabled", |job| task(job).log_config.disabled = true),
        ];
        for (reason, edit) in destructive {
            assert_eq!(changed(false, edit), Change::Destructive(reason), "{reason}");
        }
    }

    #[test]
    fn what_the_agent_uses_changes_in_place() {
        let in_place: [Edit; 6] = [
            |job| task(job).services.push(Service::default()),
            |job| task(job).kill_signal = "SIGTERM".into(),
            |job| task(job).log_config.max_files = 3,
            |job| job.task_groups[0].count = 3,
            |job| job.priority = 70,
            |job| task(job).leader = true,
        ];
        for (index, edit) in in_place.into_iter().enumerate() {
            assert_eq!(changed(false, edit), Change::InPlace, "{index}");
        }
    }

    #[test]
    fn template_text_reloads_where_the_task_announced_it() {
        let text = |job: &mut Job| task(job).templates[0].embedded_tmpl = "b".into();
        assert_eq!(changed(true, text), Change::TemplateReload);
        assert_eq!(changed(true, |job| task(job).templates[0].perms = "0600".into()), Change::TemplateReload);
        let mode = |job: &mut Job| task(job).templates[0].change_mode = "noop".into();
        assert_eq!(changed(true, mode), Change::Destructive("templates"));
        let and_env = |job: &mut Job| {
            task(job).templates[0].embedded_tmpl = "b".into();
            task(job).env.insert("A".into(), "b".into());
        };
        assert_eq!(changed(true, and_env), Change::Destructive("env"));
    }

    #[test]
    fn template_text_reloads_where_the_job_asks_for_it() {
        let mut old = job();
        old.meta.insert(RELOAD_META.into(), "full".into());
        let mut new = Job { job_modify_index: 2, ..old.clone() };
        task(&mut new).templates[0].embedded_tmpl = "b".into();
        let alloc = Allocation { job: Some(Arc::new(old)), ..alloc(false) };
        assert_eq!(change(&alloc, &new, &new.task_groups[0]), Change::TemplateReload);
    }
}
