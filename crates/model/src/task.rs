//! A task: one process (tree) of a group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::job::{Affinity, Constraint};
use crate::resources::Resources;
use crate::service::Service;
use crate::{Nanos, Timestamp};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Task {
    pub name: String,
    pub driver: String,
    pub user: String,
    /// Free-form; the driver validates it.
    pub config: Map<String, Value>,
    pub env: BTreeMap<String, String>,
    pub services: Vec<Service>,
    pub resources: Resources,
    pub restart_policy: Option<RestartPolicy>,
    pub constraints: Vec<Constraint>,
    pub affinities: Vec<Affinity>,
    pub templates: Vec<Template>,
    pub artifacts: Vec<Artifact>,
    pub log_config: LogConfig,
    pub lifecycle: Option<Lifecycle>,
    pub dispatch_payload: Option<DispatchPayload>,
    pub volume_mounts: Vec<VolumeMount>,
    pub vault: Option<Value>,
    pub consul: Option<Value>,
    #[serde(rename = "CSIPluginConfig")]
    pub csi_plugin: Option<Value>,
    pub identities: Vec<Value>,
    pub actions: Vec<Action>,
    pub schedule: Option<Value>,
    pub secrets: Vec<Value>,
    pub scaling_policies: Vec<Value>,
    pub meta: BTreeMap<String, String>,
    pub kill_timeout: Nanos,
    /// Empty means the driver's default (SIGINT for raw_exec).
    pub kill_signal: String,
    pub shutdown_delay: Nanos,
    pub leader: bool,
    pub kind: String,
}

/// When a task that ended is started again on the same node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    pub attempts: i64,
    pub interval: Nanos,
    pub delay: Nanos,
    /// `fail` or `delay`.
    pub mode: String,
    pub render_templates: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Template {
    pub source_path: String,
    pub dest_path: String,
    pub embedded_tmpl: String,
    /// `restart`, `signal`, `noop` or `script`.
    pub change_mode: String,
    pub change_signal: String,
    pub change_script: Option<ChangeScript>,
    pub splay: Nanos,
    /// Octal text, such as `0644`.
    pub perms: String,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
    pub left_delim: String,
    pub right_delim: String,
    pub envvars: bool,
    pub once: bool,
    pub err_missing_key: bool,
    pub wait: Option<TemplateWait>,
    pub vault_grace: Nanos,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TemplateWait {
    pub min: Option<Nanos>,
    pub max: Option<Nanos>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChangeScript {
    pub command: String,
    pub args: Vec<String>,
    pub timeout: Nanos,
    pub fail_on_error: bool,
    pub run_on_first_render: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Artifact {
    pub getter_source: String,
    pub getter_options: BTreeMap<String, String>,
    pub getter_headers: BTreeMap<String, String>,
    /// `any`, `file` or `dir`.
    pub getter_mode: String,
    pub getter_insecure: bool,
    pub relative_dest: String,
    pub chown: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    pub max_files: i64,
    #[serde(rename = "MaxFileSizeMB")]
    pub max_file_size_mb: i64,
    pub disabled: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Lifecycle {
    /// `prestart`, `poststart` or `poststop`.
    pub hook: String,
    pub sidecar: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DispatchPayload {
    pub file: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeMount {
    pub volume: String,
    pub destination: String,
    pub read_only: bool,
    pub propagation_mode: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Action {
    pub name: String,
    pub command: String,
    pub args: Vec<String>,
}

/// `pending`, `running` or `dead`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskRunState {
    #[default]
    Pending,
    Running,
    Dead,
}

/// What became of a task, as the client reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskState {
    pub state: TaskRunState,
    pub failed: bool,
    pub restarts: u64,
    #[serde(with = "crate::time::rfc3339")]
    pub last_restart: Timestamp,
    #[serde(with = "crate::time::rfc3339")]
    pub started_at: Timestamp,
    #[serde(with = "crate::time::rfc3339")]
    pub finished_at: Timestamp,
    /// The newest events, oldest first; at most [`TASK_EVENTS_MAX`].
    pub events: Vec<TaskEvent>,
}

impl TaskState {
    /// Ended without failing.
    pub fn successful(&self) -> bool {
        self.state == TaskRunState::Dead && !self.failed
    }
}

/// How many events a task's state carries.
pub const TASK_EVENTS_MAX: usize = 10;

/// One line of a task's history. `kind` is one of the constants of [`event`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskEvent {
    #[serde(rename = "Type")]
    pub kind: String,
    pub time: Timestamp,
    pub message: String,
    pub display_message: String,
    pub details: BTreeMap<String, String>,
    pub exit_code: i64,
    pub signal: i64,
    pub fails_task: bool,
}

/// The `Type` texts of task events, as users of Nomad know them.
pub mod event {
    pub const RECEIVED: &str = "Received";
    pub const SETUP: &str = "Task Setup";
    pub const SETUP_FAILURE: &str = "Setup Failure";
    pub const DRIVER_FAILURE: &str = "Driver Failure";
    pub const STARTED: &str = "Started";
    pub const TERMINATED: &str = "Terminated";
    pub const RESTARTING: &str = "Restarting";
    pub const NOT_RESTARTING: &str = "Not Restarting";
    pub const KILLING: &str = "Killing";
    pub const KILLED: &str = "Killed";
    pub const SIGNALING: &str = "Signaling";
    pub const RESTART_SIGNAL: &str = "Restart Signaled";
    pub const DOWNLOADING_ARTIFACTS: &str = "Downloading Artifacts";
    pub const ARTIFACT_FAILED: &str = "Failed Artifact Download";
    pub const TEMPLATE: &str = "Template";
    pub const HOOK_FAILED: &str = "Task hook failed";
    pub const HOOK_MESSAGE: &str = "Task hook message";
    pub const SIBLING_FAILED: &str = "Sibling Task Failed";
    pub const LEADER_DEAD: &str = "Leader Task Dead";
    pub const MAIN_DEAD: &str = "Main Tasks Dead";
    pub const ALLOC_UNHEALTHY: &str = "Alloc Unhealthy";
    pub const DISK_EXCEEDED: &str = "Disk Resources Exceeded";
}
