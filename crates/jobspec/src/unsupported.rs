//! What Nomad does and Baton does not, named with what to do instead. Such a job is read and validated, never run.

use baton_model::{Job, Task, TaskGroup};

use crate::problem::Problem;

/// The driver that Baton runs.
const DRIVER: &str = "raw_exec";

/// Everything in the job that Baton would have to ignore.
pub fn unsupported(job: &Job) -> Vec<Problem> {
    let mut found = Vec::new();
    if job.multiregion.is_some() {
        found.push(Problem::new(
            "Multiregion",
            "multiregion is not supported: register the job in each cluster by itself",
        ));
    }
    if !matches!(job.namespace.as_str(), "" | "default") {
        found.push(Problem::new(
            "Namespace",
            format!("namespace {:?} is not supported: there is only \"default\"", job.namespace),
        ));
    }
    for (g, group) in job.task_groups.iter().enumerate() {
        let path = format!("TaskGroups[{g}]");
        in_group(group, &path, &mut found);
        for (t, task) in group.tasks.iter().enumerate() {
            in_task(task, &format!("{path}.Tasks[{t}]"), &mut found);
        }
    }
    found
}

fn in_group(group: &TaskGroup, path: &str, found: &mut Vec<Problem>) {
    for (name, volume) in &group.volumes {
        let kind = if volume.volume_type == "csi" { "CSI volumes" } else { "host volumes" };
        found.push(Problem::new(
            format!("{path}.Volumes.{name}"),
            format!(
                "volume {name:?}: {kind} are not supported: tasks see the node's files, so mount the storage there"
            ),
        ));
    }
    for (n, network) in group.networks.iter().enumerate() {
        if !matches!(network.mode.as_str(), "" | "host" | "none") {
            found.push(Problem::new(
                format!("{path}.Networks[{n}].Mode"),
                format!("network mode {:?} is not supported: use \"host\"", network.mode),
            ));
        }
    }
    for (s, service) in group.services.iter().enumerate() {
        connect(service.connect.is_some(), &format!("{path}.Services[{s}].Connect"), found);
    }
    if group
        .consul
        .as_ref()
        .is_some_and(|consul| consul.get("Namespace").is_some() || consul.get("Partition").is_some())
    {
        found.push(Problem::new(
            format!("{path}.Consul"),
            "Consul namespaces and partitions are not supported: remove the consul block",
        ));
    }
}

fn connect(used: bool, path: &str, found: &mut Vec<Problem>) {
    if used {
        found.push(Problem::new(path, "connect is not supported: expose a port and let the proxy route to it"));
    }
}

fn in_task(task: &Task, path: &str, found: &mut Vec<Problem>) {
    let mut refuse = |field: &str, message: String| found.push(Problem::new(format!("{path}.{field}"), message));
    if !task.driver.is_empty() && task.driver != DRIVER {
        let instead = match task.driver.as_str() {
            "docker" | "podman" | "containerd-driver" | "rkt" => {
                "run the program itself with raw_exec, or the container tool's client as a raw_exec command"
            }
            "java" => "run java with raw_exec: command = \"java\", args = [\"-jar\", …]",
            "qemu" => "run qemu-system with raw_exec",
            "exec" => "use raw_exec; nothing isolates the task then",
            _ => "use raw_exec",
        };
        refuse("Driver", format!("driver {:?} is not supported: {instead}", task.driver));
    }
    if task.vault.is_some() {
        refuse(
            "Vault",
            "vault is not supported: put the secret into a file on the node, or into the key-value store".to_owned(),
        );
    }
    if !task.secrets.is_empty() {
        refuse("Secrets", "secret is not supported: read the value with a template instead".to_owned());
    }
    if task.csi_plugin.is_some() {
        refuse("CSIPluginConfig", "csi_plugin is not supported: mount the storage on the node".to_owned());
    }
    if !task.resources.devices.is_empty() {
        refuse(
            "Resources.Devices",
            "device is not supported: constrain the task to nodes with a meta attribute".to_owned(),
        );
    }
    if task.resources.numa.is_some() {
        refuse(
            "Resources.NUMA",
            "numa is not supported: pin the program with taskset or numactl as the command".to_owned(),
        );
    }
    if task.schedule.is_some() {
        refuse("Schedule", "schedule is not supported: use a periodic batch job".to_owned());
    }
    if !task.identities.is_empty() {
        refuse("Identities", "identity is not supported: remove the block".to_owned());
    }
    for (a, artifact) in task.artifacts.iter().enumerate() {
        if let Some(getter) = foreign_getter(&artifact.getter_source) {
            let message = format!(
                "artifacts by {getter} are not supported: use http, https or a file, or fetch it in a prestart task"
            );
            refuse(&format!("Artifacts[{a}].GetterSource"), message);
        }
    }
    for (s, service) in task.services.iter().enumerate() {
        connect(service.connect.is_some(), &format!("{path}.Services[{s}].Connect"), found);
    }
}

/// How Nomad would fetch an artifact, where that is neither HTTP nor a file.
fn foreign_getter(source: &str) -> Option<&str> {
    const HOSTS: [(&str, &str); 4] =
        [("github.com/", "git"), ("gitlab.com/", "git"), ("bitbucket.org/", "git"), ("git@", "git")];
    let getter = source.split_once("::").or_else(|| source.split_once("://")).map(|(getter, _)| getter);
    match getter {
        Some(getter) if getter.contains(['$', '/']) => None,
        Some(getter) => Some(getter).filter(|getter| !matches!(*getter, "http" | "https" | "file")),
        None => HOSTS.iter().find(|(host, _)| source.starts_with(host)).map(|(_, getter)| *getter),
    }
}
