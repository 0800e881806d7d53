//! Rules of one task: resources, logs, templates, artifacts, mounts.

use std::collections::HashMap;

use baton_model::resources::Resources;
use baton_model::task::{Action, Artifact, Lifecycle, Template, VolumeMount};
use baton_model::{JobType, Task, TaskGroup};

use super::{placement, service};
use crate::problem::Place;

const LEAST_CPU: i64 = 1;
const LEAST_MEMORY_MB: i64 = 10;
/// `memory_max` without a limit.
const NO_LIMIT: i64 = -1;

pub(super) fn task(kind: JobType, group: &TaskGroup, task: &Task, place: &mut Place<'_>) {
    if task.name.is_empty() {
        place.add("Name", "Missing task name");
    }
    if task.name == "alloc" {
        place.add("Name", "Task cannot be named \"alloc\"");
    }
    if task.name.contains(['/', '\\']) {
        place.add("Name", "Task name cannot include slashes");
    } else if task.name.contains('\0') {
        place.add("Name", "Task name cannot include null characters");
    }
    if task.driver.is_empty() {
        place.add("Driver", "Missing task driver");
    }
    if task.kill_timeout.0 < 0 {
        place.add("KillTimeout", "KillTimeout must be a positive value");
    } else if let Some(update) = group.update.as_ref().filter(|_| kind == JobType::Service)
        && update.progress_deadline.0 > 0
        && task.kill_timeout > update.progress_deadline
    {
        let message = format!(
            "KillTimout ({}) longer than the group's ProgressDeadline ({})",
            task.kill_timeout, update.progress_deadline
        );
        place.add("KillTimeout", message);
    }
    if task.shutdown_delay.0 < 0 {
        place.add("ShutdownDelay", "ShutdownDelay must be a positive value");
    }
    resources(&task.resources, &mut place.part("Resources", ""));
    logs(task, group, place);
    for (index, constraint) in task.constraints.iter().enumerate() {
        placement::constraint(constraint, index, place);
        if matches!(constraint.operand.as_str(), "distinct_hosts" | "distinct_property") {
            let message =
                format!("Constraint {} has disallowed Operand at task level: {}", index + 1, constraint.operand);
            place.add(&format!("Constraints[{index}]"), message);
        }
    }
    placement::affinities(&task.affinities, kind, place);
    service::task(task, group, place);
    for (index, entry) in task.artifacts.iter().enumerate() {
        let context = format!("Artifact {} validation failed: ", index + 1);
        artifact(entry, &mut place.part(&format!("Artifacts[{index}]"), &context));
    }
    if task.vault.is_some() {
        change_signal(task.vault.as_ref(), place);
    }
    templates(task, place);
    actions(&task.actions, place);
    if let Some(payload) = &task.dispatch_payload
        && escapes(&format!("local/{}", payload.file))
    {
        place.add(
            "DispatchPayload.File",
            "Dispatch Payload validation failed: destination escapes allocation directory",
        );
    }
    if let Some(lifecycle) = &task.lifecycle {
        self::lifecycle(lifecycle, &mut place.part("Lifecycle", "Lifecycle validation failed: "));
    }
    for (index, mount) in task.volume_mounts.iter().enumerate() {
        volume_mount(mount, index, group, place);
    }
}

fn change_signal(vault: Option<&serde_json::Value>, place: &mut Place<'_>) {
    let field =
        |name: &str| vault.and_then(|vault| vault.get(name)).and_then(|value| value.as_str()).unwrap_or_default();
    match field("ChangeMode") {
        "signal" if field("ChangeSignal").is_empty() => {
            place.add("Vault", "Vault validation failed: Signal must be specified when using change mode \"signal\"");
        }
        "" | "signal" | "noop" | "restart" => {}
        other => place.add("Vault.ChangeMode", format!("Vault validation failed: Unknown change mode {other:?}")),
    }
}

fn resources(resources: &Resources, place: &mut Place<'_>) {
    if resources.cores > 0 && resources.cpu > 0 {
        place.add("Cores", "Task can only ask for 'cpu' or 'cores' resource, not both.");
    }
    if resources.cores < 0 {
        place.add("Cores", format!("cores value ({}) cannot be negative", resources.cores));
    }
    if resources.cpu < LEAST_CPU && resources.cores == 0 {
        place.add("CPU", format!("minimum CPU value is {LEAST_CPU}; got {}", resources.cpu));
    }
    if resources.memory_mb < LEAST_MEMORY_MB {
        place.add("MemoryMB", format!("minimum MemoryMB value is {LEAST_MEMORY_MB}; got {}", resources.memory_mb));
    }
    let most = resources.memory_max_mb;
    if most != 0 && most != NO_LIMIT && most < resources.memory_mb {
        let message =
            format!("MemoryMaxMB value ({most}) should be larger than MemoryMB value ({})", resources.memory_mb);
        place.add("MemoryMaxMB", message);
    }
}

fn logs(task: &Task, group: &TaskGroup, place: &mut Place<'_>) {
    let logs = &task.log_config;
    let place = &mut place.part("LogConfig", "");
    if logs.max_files < 1 {
        place.add("MaxFiles", format!("minimum number of files is 1; got {}", logs.max_files));
    }
    if logs.max_file_size_mb < 1 {
        place.add("MaxFileSizeMB", format!("minimum file size is 1MB; got {}", logs.max_file_size_mb));
    }
    let usage = logs.max_files.saturating_mul(logs.max_file_size_mb);
    let disk = group.ephemeral_disk.size_mb;
    if usage > disk {
        place.add("", format!("log storage ({usage} MB) must be less than requested disk capacity ({disk} MB)"));
    }
}

fn artifact(artifact: &Artifact, place: &mut Place<'_>) {
    if artifact.getter_source.is_empty() {
        place.add("GetterSource", "source must be specified");
    }
    if !matches!(artifact.getter_mode.as_str(), "" | "any" | "file" | "dir") {
        let message = format!("invalid artifact mode {:?}; must be one of: any, file, dir", artifact.getter_mode);
        place.add("GetterMode", message);
    }
    if escapes(&artifact.relative_dest) {
        place.add("RelativeDest", "destination escapes allocation directory");
    }
    if let Some(checksum) = artifact.getter_options.get("checksum").filter(|checksum| !checksum.contains("${"))
        && let Some(message) = wrong_checksum(checksum.trim())
    {
        place.add("GetterOptions.checksum", message);
    }
}

fn wrong_checksum(checksum: &str) -> Option<String> {
    if checksum.is_empty() {
        return Some("checksum value cannot be empty".to_owned());
    }
    let parts: Vec<&str> = checksum.split(':').collect();
    let [kind, value] = parts.as_slice() else {
        return Some(format!("checksum must be given as \"type:value\"; got {checksum:?}"));
    };
    if value.len() % 2 != 0 || !value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(format!("invalid checksum: {value:?} is not hexadecimal"));
    }
    let length = match *kind {
        "md5" => 16,
        "sha1" => 20,
        "sha256" => 32,
        "sha512" => 64,
        other => return Some(format!("unsupported checksum type: {other}")),
    };
    (value.len() != 2 * length).then(|| format!("invalid {kind} checksum: {value}"))
}

fn templates(task: &Task, place: &mut Place<'_>) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, entry) in task.templates.iter().enumerate() {
        let path = format!("Templates[{index}]");
        let context = format!("Template {} validation failed: ", index + 1);
        template(entry, &mut place.part(&path, &context));
        match seen.get(entry.dest_path.as_str()) {
            Some(first) => {
                place.add(
                    &format!("{path}.DestPath"),
                    format!("Template {} has same destination as {}", index + 1, first + 1),
                );
            }
            None => {
                seen.insert(&entry.dest_path, index);
            }
        }
    }
}

fn template(template: &Template, place: &mut Place<'_>) {
    if template.source_path.is_empty() && template.embedded_tmpl.is_empty() {
        place.add("", "Must specify a source path or have an embedded template");
    }
    if template.dest_path.is_empty() {
        place.add("DestPath", "Must specify a destination for the template");
    }
    if escapes(&template.dest_path) {
        place.add("DestPath", "destination escapes allocation directory");
    }
    match template.change_mode.as_str() {
        "noop" | "restart" => {}
        "signal" => {
            if template.change_signal.is_empty() {
                place.add("ChangeSignal", "Must specify signal value when change mode is signal");
            }
            if template.envvars {
                place.add("ChangeMode", "cannot use signals with env var templates");
            }
        }
        "script" => match &template.change_script {
            None => {
                place.add("ChangeMode", "must specify change script configuration value when change mode is script")
            }
            Some(script) if script.command.is_empty() => {
                place.add("ChangeScript.Command", "must specify script path value when change mode is script");
            }
            Some(_) => {}
        },
        _ => {
            place.add("ChangeMode", "Invalid change mode. Must be one of the following: noop, signal, script, restart")
        }
    }
    if template.splay.0 < 0 {
        place.add("Splay", "Must specify positive splay value");
    }
    const HIGHEST_PERMS: u64 = 0o7777;
    if !template.perms.is_empty() && !u64::from_str_radix(&template.perms, 8).is_ok_and(|perms| perms <= HIGHEST_PERMS)
    {
        place.add("Perms", format!("Failed to parse {:?} as octal: invalid syntax", template.perms));
    }
    if let Some((min, max)) = template.wait.as_ref().and_then(|wait| Some((wait.min?, wait.max?)))
        && min > max
    {
        place.add("Wait", format!("wait min {min} is greater than max {max}"));
    }
}

/// Whether a path below the task's directory leads out of the allocation's.
fn escapes(path: &str) -> bool {
    // `/` at the front is taken as the task directory; so are references whose value is not known yet.
    let mut depth = 1i64;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

fn actions(actions: &[Action], place: &mut Place<'_>) {
    const LONGEST_NAME: usize = 128;
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, action) in actions.iter().enumerate() {
        let context = format!("Action {} validation failed: ", action.name);
        let mut part = place.part(&format!("Actions[{index}]"), &context);
        if action.command.is_empty() {
            part.add("Command", "command cannot be empty");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if action.name.is_empty() || action.name.len() > LONGEST_NAME || !action.name.chars().all(fits) {
            part.add("Name", format!("invalid name {:?}", action.name));
        }
        if seen.insert(&action.name, index).is_some() {
            place.add(&format!("Actions[{index}]"), format!("Action {} defined multiple times", action.name));
        }
    }
}

fn lifecycle(lifecycle: &Lifecycle, place: &mut Place<'_>) {
    match lifecycle.hook.as_str() {
        "prestart" | "poststart" | "poststop" => {}
        "" => place.add("Hook", "no lifecycle hook provided"),
        other => place.add("Hook", format!("invalid hook: {other}")),
    }
}

fn volume_mount(mount: &VolumeMount, index: usize, group: &TaskGroup, place: &mut Place<'_>) {
    let path = format!("VolumeMounts[{index}]");
    if !group.volumes.contains_key(&mount.volume) {
        place.add(
            &format!("{path}.Volume"),
            format!("Volume Mount ({index}) references undefined volume {}", mount.volume),
        );
    }
    if !matches!(mount.propagation_mode.as_str(), "" | "private" | "host-to-task" | "bidirectional") {
        let message = format!(
            "Volume Mount ({index}) is invalid: \"propagation mode {:?} not supported\"",
            mount.propagation_mode
        );
        place.add(&format!("{path}.PropagationMode"), message);
    }
    if mount.destination.is_empty() {
        place.add(
            &format!("{path}.Destination"),
            format!("Volume Mount ({index}) is invalid: \"destination is empty\""),
        );
    }
}
