//! A job and its groups.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resources::NetworkResource;
use crate::service::Service;
use crate::task::{RestartPolicy, Task};
use crate::{Nanos, Timestamp};

/// What kind of scheduling a job gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobType {
    #[default]
    Service,
    Batch,
    System,
    Sysbatch,
}

impl JobType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Batch => "batch",
            Self::System => "system",
            Self::Sysbatch => "sysbatch",
        }
    }

    /// Runs to an end by itself.
    pub fn is_batch(self) -> bool {
        matches!(self, Self::Batch | Self::Sysbatch)
    }

    /// One allocation on each feasible node.
    pub fn is_system(self) -> bool {
        matches!(self, Self::System | Self::Sysbatch)
    }
}

impl fmt::Display for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A job as registered. `version` moves when the specification changes, `modify_index` also when its status does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Job {
    #[serde(rename = "ID")]
    pub id: String,
    pub name: String,
    pub namespace: String,
    pub region: String,
    #[serde(rename = "Type")]
    pub job_type: JobType,
    pub priority: i64,
    pub all_at_once: bool,
    pub datacenters: Vec<String>,
    pub node_pool: String,
    pub constraints: Vec<Constraint>,
    pub affinities: Vec<Affinity>,
    pub spreads: Vec<Spread>,
    pub task_groups: Vec<TaskGroup>,
    pub update: Option<UpdateStrategy>,
    pub periodic: Option<Periodic>,
    #[serde(rename = "ParameterizedJob")]
    pub parameterized: Option<Parameterized>,
    pub multiregion: Option<Value>,
    #[serde(rename = "UI")]
    pub ui: Option<Value>,
    pub meta: BTreeMap<String, String>,
    #[serde(rename = "ParentID")]
    pub parent_id: String,
    pub dispatched: bool,
    /// Base64 of what `job dispatch` sent along.
    pub payload: Option<String>,
    pub stop: bool,
    pub status: String,
    pub status_description: String,
    pub stable: bool,
    pub version: u64,
    pub submit_time: Timestamp,
    pub create_index: u64,
    pub modify_index: u64,
    pub job_modify_index: u64,
}

impl Job {
    pub fn group(&self, name: &str) -> Option<&TaskGroup> {
        self.task_groups.iter().find(|group| group.name == name)
    }

    pub fn is_periodic(&self) -> bool {
        self.periodic.is_some()
    }

    pub fn is_parameterized(&self) -> bool {
        self.parameterized.is_some() && !self.dispatched
    }

    /// Equal in everything a person specifies: indexes, status, version and times left out.
    pub fn same_specification(&self, other: &Self) -> bool {
        let normal = |job: &Self| Self {
            status: String::new(),
            status_description: String::new(),
            stable: false,
            version: 0,
            submit_time: Timestamp::NEVER,
            create_index: 0,
            modify_index: 0,
            job_modify_index: 0,
            ..job.clone()
        };
        normal(self) == normal(other)
    }
}

/// Tasks that run together on one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskGroup {
    pub name: String,
    pub count: i64,
    pub constraints: Vec<Constraint>,
    pub affinities: Vec<Affinity>,
    pub spreads: Vec<Spread>,
    pub tasks: Vec<Task>,
    pub networks: Vec<NetworkResource>,
    pub services: Vec<Service>,
    pub volumes: BTreeMap<String, VolumeRequest>,
    pub restart_policy: RestartPolicy,
    pub reschedule_policy: Option<ReschedulePolicy>,
    pub update: Option<UpdateStrategy>,
    pub migrate: Option<MigrateStrategy>,
    pub ephemeral_disk: EphemeralDisk,
    pub disconnect: Option<Disconnect>,
    pub scaling: Option<Value>,
    pub consul: Option<Value>,
    pub meta: BTreeMap<String, String>,
    pub shutdown_delay: Option<Nanos>,
    pub max_run_duration: Option<Nanos>,
}

impl TaskGroup {
    pub fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name == name)
    }
}

/// A hard placement rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Constraint {
    #[serde(rename = "LTarget")]
    pub l_target: String,
    #[serde(rename = "RTarget")]
    pub r_target: String,
    pub operand: String,
}

/// As filter reasons show it: `${meta.client_type} = edge`.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.l_target, self.operand, self.r_target)
    }
}

/// A soft placement rule; the weight is −100 to 100.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Affinity {
    #[serde(rename = "LTarget")]
    pub l_target: String,
    #[serde(rename = "RTarget")]
    pub r_target: String,
    pub operand: String,
    pub weight: i64,
}

/// Spread allocations over the values of an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Spread {
    pub attribute: String,
    pub weight: i64,
    pub spread_target: Vec<SpreadTarget>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SpreadTarget {
    pub value: String,
    pub percent: i64,
}

/// How a new version replaces the old one. `max_parallel` 0 means: no deployment, all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateStrategy {
    /// Accepted and kept; has no effect, as in Nomad since 0.6.
    pub stagger: Nanos,
    pub max_parallel: i64,
    pub health_check: String,
    pub min_healthy_time: Nanos,
    pub healthy_deadline: Nanos,
    pub progress_deadline: Nanos,
    pub auto_revert: bool,
    pub auto_promote: bool,
    pub canary: i64,
}

impl UpdateStrategy {
    pub fn is_empty(&self) -> bool {
        self.max_parallel == 0
    }
}

/// How allocations leave a draining node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MigrateStrategy {
    pub max_parallel: i64,
    pub health_check: String,
    pub min_healthy_time: Nanos,
    pub healthy_deadline: Nanos,
}

/// Whether and when a failed allocation is placed anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ReschedulePolicy {
    pub attempts: i64,
    pub interval: Nanos,
    pub delay: Nanos,
    /// `constant`, `exponential` or `fibonacci`.
    pub delay_function: String,
    pub max_delay: Nanos,
    pub unlimited: bool,
}

impl ReschedulePolicy {
    pub fn enabled(&self) -> bool {
        self.unlimited || self.attempts > 0
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EphemeralDisk {
    #[serde(rename = "SizeMB")]
    pub size_mb: i64,
    pub sticky: bool,
    pub migrate: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Disconnect {
    pub lost_after: Nanos,
    pub stop_on_client_after: Option<Nanos>,
    pub replace: bool,
    pub reconcile: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeRequest {
    pub name: String,
    #[serde(rename = "Type")]
    pub volume_type: String,
    pub source: String,
    pub read_only: bool,
    pub access_mode: String,
    pub attachment_mode: String,
    pub per_alloc: bool,
    pub sticky: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Periodic {
    pub enabled: bool,
    pub spec: String,
    pub specs: Vec<String>,
    pub spec_type: String,
    pub prohibit_overlap: bool,
    pub time_zone: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Parameterized {
    pub payload: String,
    pub meta_required: Vec<String>,
    pub meta_optional: Vec<String>,
}
