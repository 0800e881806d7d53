//! Defaults of tasks: resources, logs, templates, artifacts.

use serde_json::{Value as Json, json};

use super::group::merge;
use super::{Object, SECOND, fill, fill_text, number, object, objects, service, targets, text};

pub(super) fn task(task: &mut Object, job: &str, group: &str, restart: Option<&Json>) {
    let name = text(task, "Name").unwrap_or_default().to_owned();
    fill(task, json!({"KillTimeout": 5 * SECOND, "ShutdownDelay": 0, "Leader": false}));
    targets(task);
    merge(task, "RestartPolicy", [restart]);
    resources(task);
    logs(task);
    for entry in objects(task, "Services") {
        service::service(entry, &format!("{job}-{group}-{name}"));
    }
    for entry in objects(task, "Templates") {
        template(entry);
    }
    for entry in objects(task, "Artifacts") {
        artifact(entry);
    }
    for entry in objects(task, "VolumeMounts") {
        fill(entry, json!({"ReadOnly": false}));
        fill_text(entry, &[("PropagationMode", "private")]);
    }
    if let Some(vault) = object(task, "Vault") {
        fill(vault, json!({"Env": true, "DisableFile": false, "AllowTokenExpiration": false}));
        fill_text(vault, &[("ChangeMode", "restart"), ("Cluster", "default")]);
    }
    if let Some(identities) = task.get_mut("Identities").and_then(Json::as_array_mut) {
        for identity in identities.iter_mut().filter_map(Json::as_object_mut) {
            fill_text(identity, &[("Name", "default")]);
        }
    }
}

fn resources(task: &mut Object) {
    merge(task, "Resources", []);
    let Some(resources) = object(task, "Resources") else { return };
    // Disk is asked for by the group; what stands here is ignored, as by the API.
    resources.remove("DiskMB");
    let cores = number(resources, "Cores").unwrap_or(0);
    fill(resources, json!({"CPU": if cores > 0 { 0 } else { 100 }, "Cores": 0, "MemoryMB": 300, "MemoryMaxMB": 0}));
    for device in objects(resources, "Devices") {
        fill(device, json!({"Count": 1}));
        targets(device);
    }
}

fn logs(task: &mut Object) {
    merge(task, "LogConfig", []);
    let Some(logs) = object(task, "LogConfig") else { return };
    let enabled = logs.remove("Enabled").and_then(|enabled| enabled.as_bool());
    fill(logs, json!({"MaxFiles": 10, "MaxFileSizeMB": 10, "Disabled": enabled == Some(false)}));
}

fn template(template: &mut Object) {
    fill_text(template, &[("ChangeMode", "restart"), ("Perms", "0644"), ("LeftDelim", "{{"), ("RightDelim", "}}")]);
    fill(
        template,
        json!({"Splay": 5 * SECOND, "Envvars": false, "Once": false, "ErrMissingKey": false, "VaultGrace": 0}),
    );
    let signal = text(template, "ChangeSignal").map(str::to_uppercase);
    match (text(template, "ChangeMode"), signal) {
        (_, Some(signal)) => {
            template.insert("ChangeSignal".to_owned(), signal.into());
        }
        (Some("signal"), None) => {
            template.insert("ChangeSignal".to_owned(), "SIGHUP".into());
        }
        _ => {}
    }
    if let Some(script) = object(template, "ChangeScript") {
        fill(script, json!({"Args": [], "Timeout": 5 * SECOND, "FailOnError": false, "RunOnFirstRender": false}));
    }
}

fn artifact(artifact: &mut Object) {
    fill_text(artifact, &[("GetterMode", "any")]);
    fill(artifact, json!({"GetterInsecure": false, "Chown": false}));
    let source = text(artifact, "GetterSource").unwrap_or_default();
    let path = source.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().filter(|name| !name.is_empty());
    let destination = match (text(artifact, "GetterMode"), file) {
        (Some("file"), Some(file)) => format!("local/{file}"),
        _ => "local/".to_owned(),
    };
    fill_text(artifact, &[("RelativeDest", &destination)]);
}
