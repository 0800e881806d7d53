//! Defaults. A draft (what was written, in the API's JSON) becomes a canonical job.
//!
//! Works on JSON because only there "not written" and "written as zero" differ. Nulls count as not written.

use baton_model::{Job, Nanos};
use serde_json::{Map, Value as Json, json};

use crate::problem::Problem;

mod group;
mod service;
mod task;

pub use service::canonicalize_for_server;

type Object = Map<String, Json>;

const SECOND: i64 = Nanos::secs(1).0;
const MINUTE: i64 = Nanos::minutes(1).0;
const HOUR: i64 = Nanos::hours(1).0;

/// Fields that hold durations; as text they are read as in job files.
const DURATIONS: &[&str] = &[
    "Delay",
    "Grace",
    "HealthyDeadline",
    "Interval",
    "KillTimeout",
    "LostAfter",
    "MaxDelay",
    "MaxRunDuration",
    "MinHealthyTime",
    "ProgressDeadline",
    "ShutdownDelay",
    "Splay",
    "Stagger",
    "StopOnClientAfter",
    "Timeout",
    "VaultGrace",
];

/// Objects whose content is free, so that nulls and names in them mean nothing here.
const FREE: &[&str] =
    &["Config", "Env", "Meta", "Policy", "GetterOptions", "GetterHeaders", "CanaryMeta", "TaggedAddresses"];

/// Fills in every default of a job, depending on its type.
///
/// # Errors
/// What keeps the draft from being a job at all: a field of the wrong kind, an unknown job type.
pub fn canonicalize(draft: Json) -> Result<Job, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut draft = draft;
    clean(&mut draft, "", &mut problems);
    let Json::Object(mut job) = draft else {
        return Err(vec![Problem::new("", "Job must be specified as a JSON object")]);
    };
    let kind = text(&job, "Type").unwrap_or("service").to_owned();
    if !matches!(kind.as_str(), "service" | "batch" | "system" | "sysbatch") {
        problems.push(Problem::new("Type", format!("Invalid job type: {kind:?}")));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    self::job(&mut job, &kind);
    typed(Json::Object(job))
}

/// The first part that does not fit is named by its path.
fn typed(job: Json) -> Result<Job, Vec<Problem>> {
    let failure = match serde_json::from_value::<Job>(job.clone()) {
        Ok(job) => return Ok(job),
        Err(failure) => failure,
    };
    let mut problems = Vec::new();
    for (g, group) in job.get("TaskGroups").and_then(Json::as_array).into_iter().flatten().enumerate() {
        for (t, task) in group.get("Tasks").and_then(Json::as_array).into_iter().flatten().enumerate() {
            if let Err(why) = serde_json::from_value::<baton_model::Task>(task.clone()) {
                problems.push(Problem::new(format!("TaskGroups[{g}].Tasks[{t}]"), why.to_string()));
            }
        }
        if problems.is_empty()
            && let Err(why) = serde_json::from_value::<baton_model::TaskGroup>(group.clone())
        {
            problems.push(Problem::new(format!("TaskGroups[{g}]"), why.to_string()));
        }
    }
    if problems.is_empty() {
        problems.push(Problem::new("", failure.to_string()));
    }
    Err(problems)
}

/// Removes nulls and reads durations given as text.
fn clean(value: &mut Json, path: &str, problems: &mut Vec<Problem>) {
    match value {
        Json::Object(object) => {
            object.retain(|_, value| !value.is_null());
            for (key, value) in object {
                let path = crate::decode::join(path, key);
                match value {
                    Json::String(text) if DURATIONS.contains(&key.as_str()) => match text.parse::<Nanos>() {
                        Ok(nanos) => *value = Json::from(nanos.0),
                        Err(why) => problems.push(Problem::new(path, format!("time: {why}"))),
                    },
                    _ if FREE.contains(&key.as_str()) => {}
                    _ => clean(value, &path, problems),
                }
            }
        }
        Json::Array(items) => {
            items.retain(|item| !item.is_null());
            for (index, item) in items.iter_mut().enumerate() {
                clean(item, &format!("{path}[{index}]"), problems);
            }
        }
        _ => {}
    }
}

fn job(job: &mut Object, kind: &str) {
    let id = text(job, "ID").or_else(|| text(job, "Name")).unwrap_or_default().to_owned();
    let name = text(job, "Name").unwrap_or(&id).to_owned();
    job.insert("ID".to_owned(), id.into());
    job.insert("Name".to_owned(), name.clone().into());
    job.insert("Type".to_owned(), kind.into());
    fill_text(job, &[("Region", "global"), ("Namespace", "default"), ("NodePool", "default")]);
    if number(job, "Priority").unwrap_or(0) == 0 {
        job.insert("Priority".to_owned(), 50.into());
    }
    if job.get("Datacenters").and_then(Json::as_array).is_none_or(Vec::is_empty) {
        job.insert("Datacenters".to_owned(), json!(["*"]));
    }
    targets(job);
    if let Some(periodic) = object(job, "Periodic") {
        fill(periodic, json!({"Enabled": true, "SpecType": "cron", "ProhibitOverlap": false, "Spec": ""}));
        fill_text(periodic, &[("TimeZone", "UTC")]);
    }
    if let Some(parameterized) = object(job, "ParameterizedJob") {
        fill_text(parameterized, &[("Payload", "optional")]);
    }
    let inherited = group::Inherited {
        update: job.get("Update").cloned(),
        reschedule: job.remove("Reschedule"),
        migrate: job.remove("Migrate"),
    };
    let (job_id, namespace) =
        (text(job, "ID").unwrap_or_default().to_owned(), text(job, "Namespace").unwrap_or_default().to_owned());
    for group in objects(job, "TaskGroups") {
        group::group(group, kind, &group::JobNames { id: &job_id, name: &name, namespace: &namespace }, &inherited);
    }
    match object(job, "Update") {
        Some(update) => fill(update, group::default_update()),
        None if kind == "service" => {
            job.insert("Update".to_owned(), group::default_update());
        }
        None => {}
    }
}

/// Operators and weights of constraints, affinities and spreads.
fn targets(parent: &mut Object) {
    for constraint in objects(parent, "Constraints") {
        fill_text(constraint, &[("Operand", "=")]);
    }
    for affinity in objects(parent, "Affinities") {
        fill_text(affinity, &[("Operand", "=")]);
        fill(affinity, json!({"Weight": 50}));
    }
    for spread in objects(parent, "Spreads") {
        fill(spread, json!({"Weight": 50}));
    }
}

fn text<'a>(object: &'a Object, field: &str) -> Option<&'a str> {
    object.get(field).and_then(Json::as_str).filter(|text| !text.is_empty())
}

fn number(object: &Object, field: &str) -> Option<i64> {
    object.get(field).and_then(Json::as_i64)
}

fn object<'a>(parent: &'a mut Object, field: &str) -> Option<&'a mut Object> {
    parent.get_mut(field).and_then(Json::as_object_mut)
}

fn objects<'a>(parent: &'a mut Object, field: &str) -> impl Iterator<Item = &'a mut Object> {
    parent.get_mut(field).and_then(Json::as_array_mut).into_iter().flatten().filter_map(Json::as_object_mut)
}

/// Sets what is not there.
fn fill(target: &mut Object, defaults: Json) {
    if let Json::Object(defaults) = defaults {
        for (field, value) in defaults {
            target.entry(field).or_insert(value);
        }
    }
}

/// Sets what is not there or empty.
fn fill_text(target: &mut Object, defaults: &[(&str, &str)]) {
    for (field, value) in defaults {
        if text(target, field).is_none() {
            target.insert((*field).to_owned(), (*value).into());
        }
    }
}
