//! What a change means for what runs.

use super::{DiffType, ObjectDiff, TaskDiff, TaskGroupDiff};

const CREATE: &str = "forces create";
const DESTROY: &str = "forces destroy";
const IN_PLACE: &str = "forces in-place update";
const REPLACE: &str = "forces create/destroy update";

/// Fields of a task that change while it runs.
const LIVE_FIELDS: &[&str] = &["KillTimeout", "KillSignal", "ShutdownDelay", "Leader"];
/// Objects of a task that change while it runs.
const LIVE_OBJECTS: &[&str] = &["Service", "Constraint", "Affinity", "Lifecycle", "Action", "ScalingPolicies"];

/// Marks the count and the tasks of a group.
pub(super) fn annotate(group: &mut TaskGroupDiff) {
    for field in group.fields.iter_mut().filter(|field| field.name == "Count" && field.diff_type != DiffType::None) {
        let number = |text: &str| text.parse::<i64>().unwrap_or(0);
        match number(&field.old).cmp(&number(&field.new)) {
            std::cmp::Ordering::Less => field.annotations.push(CREATE.to_owned()),
            std::cmp::Ordering::Greater => field.annotations.push(DESTROY.to_owned()),
            std::cmp::Ordering::Equal => {}
        }
    }
    for task in &mut group.tasks {
        let annotation = match task.diff_type {
            DiffType::None => continue,
            DiffType::Added => CREATE,
            DiffType::Deleted => DESTROY,
            _ if replaces(task) => REPLACE,
            _ => IN_PLACE,
        };
        task.annotations.push(annotation.to_owned());
    }
}

fn replaces(task: &TaskDiff) -> bool {
    let field = task
        .fields
        .iter()
        .any(|field| field.diff_type != DiffType::None && !LIVE_FIELDS.contains(&field.name.as_str()));
    field || task.objects.iter().any(|object| object.diff_type != DiffType::None && replaces_by(object))
}

fn replaces_by(object: &ObjectDiff) -> bool {
    let changed =
        |name: &str| object.fields.iter().any(|field| field.name == name && field.diff_type != DiffType::None);
    match object.name.as_str() {
        "LogConfig" => changed("Disabled"),
        "RestartPolicy" => changed("RenderTemplates"),
        name => !LIVE_OBJECTS.contains(&name),
    }
}
