//! Jobs of every kind, with whatever a job file may ask for.

use baton_jobspec::{canonicalize, validate};
use baton_model::Job;
use serde_json::{Value, json};

use super::cluster::Random;

pub(super) const IDS: [&str; 10] = ["web", "api", "green", "green", "once", "all", "sweep", "probe", "nightly", "work"];

/// Some version of the job of that name.
pub(super) fn some(id: &str, random: &mut Random) -> Job {
    let mut job = match id {
        "web" | "api" => service(id, random),
        "green" => canaries(id, random),
        "all" => system(id, random),
        "sweep" | "probe" => base(id, "sysbatch", random),
        _ => batch(id, random),
    };
    if id == "nightly" {
        let enabled = random.chance(90);
        job["Periodic"] = json!({
            "Enabled": enabled, "Specs": ["*/15 * * * *"], "ProhibitOverlap": random.chance(50),
        });
    }
    if id == "work" || id == "probe" {
        job["ParameterizedJob"] = json!({ "Payload": "optional", "MetaOptional": ["who"] });
    }
    let job = canonicalize(job).unwrap_or_else(|problems| panic!("{id}: {problems:?}"));
    let errors = validate(&job).errors;
    assert!(errors.is_empty(), "{id}: {errors:?}");
    job
}

fn base(id: &str, kind: &str, random: &mut Random) -> Value {
    let mut task = json!({
        "Name": "main",
        "Driver": "raw_exec",
        "Config": { "command": "serve", "args": [random.below(3).to_string()] },
        "Resources": { "CPU": 100, "MemoryMB": *random.of(&[50, 50, 50, 400]) },
    });
    if random.chance(50) {
        task["Services"] = json!([{ "Name": id, "Tags": [random.below(3).to_string()] }]);
    }
    if random.chance(30) {
        task["Templates"] = json!([{ "EmbeddedTmpl": random.below(3).to_string(), "DestPath": "local/a" }]);
    }
    json!({
        "ID": id,
        "Type": kind,
        "Priority": *random.of(&[50, 50, 70]),
        "TaskGroups": [{ "Name": "group", "Count": 1, "Tasks": [task] }],
    })
}

fn group(job: &mut Value) -> &mut Value {
    &mut job["TaskGroups"][0]
}

fn network(job: &mut Value, random: &mut Random) {
    match random.below(4) {
        0 => group(job)["Networks"] = json!([{ "DynamicPorts": [{ "Label": "http" }] }]),
        1 => group(job)["Networks"] = json!([{ "ReservedPorts": [{ "Label": "http", "Value": 8080 }] }]),
        _ => {}
    }
}

fn service(id: &str, random: &mut Random) -> Value {
    let mut job = base(id, "service", random);
    network(&mut job, random);
    group(&mut job)["Count"] = json!(random.below(5));
    if random.chance(30) {
        job["Constraints"] = json!([{ "Operand": "distinct_hosts", "RTarget": "true" }]);
    }
    if random.chance(20) {
        group(&mut job)["Constraints"] =
            json!([{ "LTarget": "${meta.rack}", "Operand": "distinct_property", "RTarget": "2" }]);
    }
    if random.chance(20) {
        group(&mut job)["Spreads"] = json!([{ "Attribute": "${meta.rack}", "Weight": 50 }]);
    }
    let canary = *random.of(&[0, 0, 1, 2]);
    group(&mut job)["Update"] = json!({
        "MaxParallel": *random.of(&[0, 1, 1, 2]),
        "Canary": canary,
        "AutoPromote": canary > 0 && random.chance(50),
        "AutoRevert": random.chance(50),
        "ProgressDeadline": *random.of(&[600_000_000_000_i64, 600_000_000_000, 0]),
    });
    reschedule(&mut job, random);
    if random.chance(25) {
        group(&mut job)["Disconnect"] = json!({
            "LostAfter": 3_600_000_000_000_i64,
            "Replace": random.chance(60),
            "Reconcile": *random.of(&["best_score", "longest_running", "keep_original", "keep_replacement"]),
        });
    }
    job
}

/// A service whose every version starts with canaries.
fn canaries(id: &str, random: &mut Random) -> Value {
    let mut job = service(id, random);
    group(&mut job)["Count"] = json!(1 + random.below(3));
    let update = &mut group(&mut job)["Update"];
    update["MaxParallel"] = json!(1 + random.below(2));
    update["Canary"] = json!(1 + random.below(2));
    update["AutoPromote"] = json!(random.chance(25));
    job
}

fn reschedule(job: &mut Value, random: &mut Random) {
    let policy = match random.below(3) {
        0 => json!({ "Attempts": 2, "Interval": 3_600_000_000_000_i64, "Delay": 30_000_000_000_i64,
            "DelayFunction": "constant", "Unlimited": false }),
        1 => json!({ "Attempts": 0, "Unlimited": false }),
        _ => return,
    };
    group(job)["ReschedulePolicy"] = policy;
}

fn system(id: &str, random: &mut Random) -> Value {
    let mut job = base(id, "system", random);
    network(&mut job, random);
    job["Update"] = json!({ "MaxParallel": *random.of(&[1, 2]), "Canary": *random.of(&[0, 0, 50]) });
    if random.chance(20) {
        job["Constraints"] = json!([{ "LTarget": "${meta.rack}", "Operand": "=", "RTarget": "a" }]);
    }
    job
}

fn batch(id: &str, random: &mut Random) -> Value {
    let mut job = base(id, "batch", random);
    group(&mut job)["Count"] = json!(1 + random.below(3));
    reschedule(&mut job, random);
    job
}
