//! An allocation: one instance of a group on one node.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::resources::AllocatedResources;
use crate::task::TaskState;
use crate::{Job, Nanos, Timestamp};

/// What the server wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AllocDesiredStatus {
    #[default]
    Run,
    Stop,
    Evict,
}

impl AllocDesiredStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Stop => "stop",
            Self::Evict => "evict",
        }
    }
}

/// What the client reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AllocClientStatus {
    #[default]
    Pending,
    Running,
    Complete,
    Failed,
    Lost,
    Unknown,
}

impl AllocClientStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }

    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Lost)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Allocation {
    #[serde(rename = "ID")]
    pub id: String,
    pub namespace: String,
    #[serde(rename = "EvalID")]
    pub eval_id: String,
    /// `job.group[index]`.
    pub name: String,
    #[serde(rename = "NodeID")]
    pub node_id: String,
    pub node_name: String,
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// The job as it was when this allocation was made or last updated in place.
    pub job: Option<Arc<Job>>,
    pub task_group: String,
    pub allocated_resources: AllocatedResources,
    pub desired_status: AllocDesiredStatus,
    pub desired_description: String,
    pub desired_transition: DesiredTransition,
    pub client_status: AllocClientStatus,
    pub client_description: String,
    pub task_states: BTreeMap<String, TaskState>,
    pub alloc_states: Vec<AllocState>,
    #[serde(rename = "DeploymentID")]
    pub deployment_id: String,
    pub deployment_status: Option<AllocDeploymentStatus>,
    #[serde(rename = "FollowupEvalID")]
    pub followup_eval_id: String,
    pub previous_allocation: String,
    pub next_allocation: String,
    pub reschedule_tracker: Option<RescheduleTracker>,
    pub preempted_allocations: Vec<String>,
    pub preempted_by_allocation: String,
    pub network_status: Option<NetworkStatus>,
    pub metrics: AllocMetric,
    /// Baton: the task stored its listeners and can hand them to a successor. Reported by the client.
    pub handover: bool,
    /// Baton: every task announced that a reload re-reads its whole configuration, so that an edit of a template's text
    /// needs no new process. Reported by the client.
    pub reload_full: bool,
    /// Baton: this allocation takes over from that one beside it; both count as one until the old one drains.
    pub succeeds: String,
    pub create_index: u64,
    pub modify_index: u64,
    pub alloc_modify_index: u64,
    pub create_time: Timestamp,
    pub modify_time: Timestamp,
}

/// Baton: a client description that starts so says that a successor could not take over (it ended, did not become ready
/// in time, or found the address in use). The next attempt stops the old allocation first.
pub const SUCCESSION_FAILED: &str = "succession failed";

impl Allocation {
    /// Failed in its role as a successor; see [`SUCCESSION_FAILED`].
    pub fn succession_failed(&self) -> bool {
        !self.succeeds.is_empty()
            && self.client_status == AllocClientStatus::Failed
            && self.client_description.starts_with(SUCCESSION_FAILED)
    }

    /// The server no longer wants it.
    pub fn server_terminal(&self) -> bool {
        self.desired_status != AllocDesiredStatus::Run
    }

    /// The client is done with it.
    pub fn client_terminal(&self) -> bool {
        self.client_status.is_terminal()
    }

    /// Terminal on either side.
    pub fn terminal(&self) -> bool {
        self.server_terminal() || self.client_terminal()
    }

    /// The number in `job.group[index]`.
    pub fn index(&self) -> Option<usize> {
        self.name.strip_suffix(']')?.rsplit_once('[')?.1.parse().ok()
    }

    /// `job.group[index]`.
    pub fn make_name(job_id: &str, group: &str, index: usize) -> String {
        format!("{job_id}.{group}[{index}]")
    }

    pub fn is_canary(&self) -> bool {
        self.deployment_status.as_ref().is_some_and(|status| status.canary)
    }

    pub fn deployment_health(&self) -> Option<bool> {
        self.deployment_status.as_ref().and_then(|status| status.healthy)
    }

    /// Every task ended without failing.
    pub fn ran_successfully(&self) -> bool {
        !self.task_states.is_empty() && self.task_states.values().all(TaskState::successful)
    }
}

/// What the server asks the reconciler to do with an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DesiredTransition {
    pub migrate: Option<bool>,
    pub reschedule: Option<bool>,
    pub force_reschedule: Option<bool>,
    pub no_shutdown_delay: Option<bool>,
    pub migrate_disable_placement: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AllocDeploymentStatus {
    pub healthy: Option<bool>,
    #[serde(with = "crate::time::rfc3339")]
    pub timestamp: Timestamp,
    pub canary: bool,
    pub modify_index: u64,
}

/// A change of a status field with its time, kept for reconnecting nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AllocState {
    pub field: String,
    pub value: String,
    #[serde(with = "crate::time::rfc3339")]
    pub time: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RescheduleTracker {
    pub events: Vec<RescheduleEvent>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RescheduleEvent {
    pub reschedule_time: Timestamp,
    #[serde(rename = "PrevAllocID")]
    pub prev_alloc_id: String,
    #[serde(rename = "PrevNodeID")]
    pub prev_node_id: String,
    pub delay: Nanos,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkStatus {
    pub interface_name: String,
    pub address: String,
}

/// Why an allocation was placed where it is, or why it could not be placed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AllocMetric {
    pub nodes_evaluated: u64,
    pub nodes_filtered: u64,
    pub nodes_in_pool: u64,
    pub nodes_available: BTreeMap<String, u64>,
    pub class_filtered: BTreeMap<String, u64>,
    pub constraint_filtered: BTreeMap<String, u64>,
    pub nodes_exhausted: u64,
    pub class_exhausted: BTreeMap<String, u64>,
    pub dimension_exhausted: BTreeMap<String, u64>,
    pub quota_exhausted: Vec<String>,
    #[serde(rename = "ScoreMetaData")]
    pub score_meta: Vec<NodeScore>,
    pub allocation_time: Nanos,
    pub coalesced_failures: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeScore {
    #[serde(rename = "NodeID")]
    pub node_id: String,
    pub scores: BTreeMap<String, f64>,
    pub norm_score: f64,
}
