//! What a server refuses: rules over a canonical job. Messages hold the words that Nomad's do.

mod check;
mod group;
mod network;
mod placement;
mod policy;
mod service;
mod task;
mod warnings;

use std::collections::HashMap;

use baton_model::{Job, JobType};

use crate::canonicalize_for_server;
use crate::problem::{Place, Problem};
use crate::schedule::Cron;

/// Errors keep a job from being registered, warnings do not.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

/// Applies every rule.
pub fn validate(job: &Job) -> Validation {
    let mut job = job.clone();
    canonicalize_for_server(&mut job);
    let mut errors = Vec::new();
    self::job(&job, &mut Place::root(&mut errors));
    let mut warnings = Vec::new();
    warnings::warnings(&job, &mut Place::root(&mut warnings));
    Validation { errors, warnings }
}

fn job(job: &Job, place: &mut Place<'_>) {
    if job.region.is_empty() {
        place.add("Region", "Missing job region");
    }
    if job.id.is_empty() {
        place.add("ID", "Missing job ID");
    } else if job.id.contains(' ') {
        place.add("ID", "Job ID contains a space");
    } else if job.id.contains('\0') {
        place.add("ID", "Job ID contains a null character");
    }
    if job.name.is_empty() {
        place.add("Name", "Missing job name");
    } else if job.name.contains('\0') {
        place.add("Name", "Job Name contains a null character");
    }
    if job.namespace.is_empty() {
        place.add("Namespace", "Job must be in a namespace");
    }
    const HIGHEST_PRIORITY: i64 = 100;
    if !(1..=HIGHEST_PRIORITY).contains(&job.priority) {
        place.add("Priority", format!("Job priority must be between [1, {HIGHEST_PRIORITY}]"));
    }
    if job.datacenters.is_empty() {
        place.add("Datacenters", "Missing job datacenters");
    }
    for (index, datacenter) in job.datacenters.iter().enumerate() {
        if datacenter.is_empty() {
            place.add(&format!("Datacenters[{index}]"), "Job datacenter must be non-empty string");
        }
    }
    placement::rules(&job.constraints, &job.affinities, &job.spreads, job.job_type, place);
    if let Some(description) = job.ui.as_ref().and_then(|ui| ui.get("Description")).and_then(|text| text.as_str())
        && description.len() > 1000
    {
        place.add(
            "UI.Description",
            format!("UI description must be under 1000 characters, currently {}", description.len()),
        );
    }
    groups(job, place);
    periodic(job, place);
    parameterized(job, place);
}

fn groups(job: &Job, place: &mut Place<'_>) {
    if job.task_groups.is_empty() {
        place.add("", "Missing job task groups");
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, group) in job.task_groups.iter().enumerate() {
        let path = format!("TaskGroups[{index}]");
        if group.name.is_empty() {
            place.add(&path, format!("Job task group {} missing name", index + 1));
        } else if let Some(first) = seen.get(group.name.as_str()) {
            let message = format!("Job task group {} redefines '{}' from group {}", index + 1, group.name, first + 1);
            place.add(&path, message);
        } else {
            seen.insert(&group.name, index);
        }
        if group.shutdown_delay.is_some_and(|delay| delay.0 < 0) {
            place.add(&format!("{path}.ShutdownDelay"), "ShutdownDelay must be a positive value");
        }
        if job.job_type == JobType::System && group.count > 1 {
            place.add(
                &format!("{path}.Count"),
                format!(
                    "Job task group {} has count {}. Count cannot exceed 1 with system scheduler",
                    group.name, group.count
                ),
            );
        }
        let context = format!("Task group {} validation failed: ", group.name);
        group::group(job, group, &mut place.part(&path, &context));
    }
}

fn periodic(job: &Job, place: &mut Place<'_>) {
    let Some(periodic) = job.periodic.as_ref().filter(|periodic| periodic.enabled) else { return };
    if !job.job_type.is_batch() {
        place.add("Periodic", "Periodic can only be used with \"batch\" or \"sysbatch\" scheduler");
    }
    let place = &mut place.part("Periodic", "");
    if !periodic.spec.is_empty() && !periodic.specs.is_empty() {
        place.add("Spec", "Only cron or crons may be used");
    }
    if periodic.spec.is_empty() && periodic.specs.is_empty() {
        place.add("", "Must specify a spec");
    }
    if jiff::tz::TimeZone::get(&periodic.time_zone).is_err()
        && !periodic.time_zone.is_empty()
        && periodic.time_zone != "Local"
    {
        place.add(
            "TimeZone",
            format!("Invalid time zone {:?}: unknown time zone {}", periodic.time_zone, periodic.time_zone),
        );
    }
    if periodic.spec_type != "cron" {
        return place.add("SpecType", format!("Unknown periodic specification type {:?}", periodic.spec_type));
    }
    let one = (!periodic.spec.is_empty()).then(|| ("Spec".to_owned(), &periodic.spec));
    let many = periodic.specs.iter().enumerate().map(|(index, spec)| (format!("Specs[{index}]"), spec));
    for (field, spec) in one.into_iter().chain(many) {
        if let Err(why) = spec.parse::<Cron>() {
            place.add(&field, format!("Invalid cron spec {spec:?}: {why}"));
        }
    }
}

fn parameterized(job: &Job, place: &mut Place<'_>) {
    let Some(parameterized) = &job.parameterized else { return };
    if !job.job_type.is_batch() {
        place.add("ParameterizedJob", "Parameterized job can only be used with \"batch\" or \"sysbatch\" scheduler");
    }
    let place = &mut place.part("ParameterizedJob", "");
    if !matches!(parameterized.payload.as_str(), "optional" | "required" | "forbidden") {
        place.add("Payload", format!("Unknown payload requirement: {:?}", parameterized.payload));
    }
    let both: Vec<&str> = parameterized
        .meta_required
        .iter()
        .filter(|key| parameterized.meta_optional.contains(key))
        .map(String::as_str)
        .collect();
    if !both.is_empty() {
        let keys = both.join(", ");
        place.add(
            "MetaOptional",
            format!("Required and optional meta keys should be disjoint. Following keys exist in both: [{keys}]"),
        );
    }
}
