//! What changes from one version of a job to the next, in the shape that `plan` and `job history` show.
//!
//! Works on the canonical jobs' JSON: plain values become fields, lists of objects are matched by name where they have
//! one, and compared as sets where they have not.

mod annotations;
mod object;

use std::collections::BTreeMap;

use baton_model::{Job, Task, TaskGroup};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use object::{Comparison, compare, json};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum DiffType {
    #[default]
    None,
    Added,
    Deleted,
    Edited,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JobDiff {
    #[serde(rename = "Type")]
    pub diff_type: DiffType,
    #[serde(rename = "ID")]
    pub id: String,
    pub fields: Vec<FieldDiff>,
    pub objects: Vec<ObjectDiff>,
    pub task_groups: Vec<TaskGroupDiff>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskGroupDiff {
    #[serde(rename = "Type")]
    pub diff_type: DiffType,
    pub name: String,
    pub fields: Vec<FieldDiff>,
    pub objects: Vec<ObjectDiff>,
    pub tasks: Vec<TaskDiff>,
    /// Allocations by what happens to them (`create`, `in-place update`, …); the scheduler fills it.
    pub updates: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskDiff {
    #[serde(rename = "Type")]
    pub diff_type: DiffType,
    pub name: String,
    pub fields: Vec<FieldDiff>,
    pub objects: Vec<ObjectDiff>,
    pub annotations: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ObjectDiff {
    #[serde(rename = "Type")]
    pub diff_type: DiffType,
    pub name: String,
    pub fields: Vec<FieldDiff>,
    pub objects: Vec<ObjectDiff>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FieldDiff {
    #[serde(rename = "Type")]
    pub diff_type: DiffType,
    pub name: String,
    pub old: String,
    pub new: String,
    pub annotations: Vec<String>,
}

/// Fields of a job that are not its specification.
const NOT_SPECIFIED: &[&str] = &[
    "ID",
    "Status",
    "StatusDescription",
    "Version",
    "Stable",
    "CreateIndex",
    "ModifyIndex",
    "JobModifyIndex",
    "SubmitTime",
    "Update",
    "TaskGroups",
];

/// Compares two versions of a job; nothing stands for "not there". With `contextual`, unchanged fields of changed objects
/// are listed, too.
pub fn diff<'a>(old: Option<&'a Job>, new: Option<&'a Job>, contextual: bool) -> JobDiff {
    let groups = |job: Option<&'a Job>| job.map(|job| job.task_groups.as_slice()).unwrap_or_default();
    let mut task_groups: Vec<TaskGroupDiff> = pairs(groups(old), groups(new), |group| group.name.as_str())
        .into_iter()
        .map(|(old, new)| group(old, new, contextual))
        .filter(|group| contextual || group.diff_type != DiffType::None)
        .collect();
    task_groups.sort_by(|a, b| a.name.cmp(&b.name));
    let Comparison { diff_type, fields, objects } = compare(
        old.map(|job| without(json(job), NOT_SPECIFIED)).as_ref(),
        new.map(|job| without(json(job), NOT_SPECIFIED)).as_ref(),
        contextual,
    );
    let nested = task_groups.iter().any(|group| group.diff_type != DiffType::None);
    JobDiff {
        diff_type: with_nested(diff_type, nested),
        id: new.or(old).map(|job| job.id.clone()).unwrap_or_default(),
        fields,
        objects,
        task_groups,
    }
}

fn group<'a>(old: Option<&'a TaskGroup>, new: Option<&'a TaskGroup>, contextual: bool) -> TaskGroupDiff {
    let tasks = |group: Option<&'a TaskGroup>| group.map(|group| group.tasks.as_slice()).unwrap_or_default();
    let mut task_diffs: Vec<TaskDiff> = pairs(tasks(old), tasks(new), |task| task.name.as_str())
        .into_iter()
        .map(|(old, new)| task(old, new, contextual))
        .filter(|task| contextual || task.diff_type != DiffType::None)
        .collect();
    task_diffs.sort_by(|a, b| a.name.cmp(&b.name));
    let Comparison { diff_type, fields, objects } = compare(
        old.map(|group| without(json(group), &["Tasks", "Name"])).as_ref(),
        new.map(|group| without(json(group), &["Tasks", "Name"])).as_ref(),
        contextual,
    );
    let nested = task_diffs.iter().any(|task| task.diff_type != DiffType::None);
    let mut diff = TaskGroupDiff {
        diff_type: with_nested(diff_type, nested),
        name: new.or(old).map(|group| group.name.clone()).unwrap_or_default(),
        fields,
        objects,
        tasks: task_diffs,
        updates: BTreeMap::new(),
    };
    annotations::annotate(&mut diff);
    diff
}

fn task(old: Option<&Task>, new: Option<&Task>, contextual: bool) -> TaskDiff {
    let Comparison { diff_type, fields, objects } = compare(
        old.map(|task| without(json(task), &["Name"])).as_ref(),
        new.map(|task| without(json(task), &["Name"])).as_ref(),
        contextual,
    );
    TaskDiff {
        diff_type,
        name: new.or(old).map(|task| task.name.clone()).unwrap_or_default(),
        fields,
        objects,
        annotations: Vec::new(),
    }
}

/// Old and new of the same name; then what is new only.
fn pairs<'a, T>(old: &'a [T], new: &'a [T], name: impl Fn(&T) -> &str) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let same = |a: &T, b: &T| name(a) == name(b);
    let kept = old.iter().map(|before| (Some(before), new.iter().find(|after| same(before, after))));
    let added = new.iter().filter(|after| !old.iter().any(|before| same(before, after)));
    kept.chain(added.map(|after| (None, Some(after)))).collect()
}

fn without(mut object: Map<String, Json>, fields: &[&str]) -> Map<String, Json> {
    object.retain(|field, _| !fields.contains(&field.as_str()));
    object
}

fn with_nested(diff_type: DiffType, nested: bool) -> DiffType {
    if diff_type == DiffType::None && nested { DiffType::Edited } else { diff_type }
}
