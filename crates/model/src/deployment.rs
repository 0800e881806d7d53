//! A deployment: the supervised roll-out of one job version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Nanos, Timestamp};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentStatus {
    #[default]
    Running,
    Paused,
    Failed,
    Successful,
    Cancelled,
    Initializing,
    Pending,
    Blocked,
    Unblocking,
}

impl DeploymentStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Successful => "successful",
            Self::Cancelled => "cancelled",
            Self::Initializing => "initializing",
            Self::Pending => "pending",
            Self::Blocked => "blocked",
            Self::Unblocking => "unblocking",
        }
    }

    /// Still going on (paused included).
    pub fn is_active(self) -> bool {
        !matches!(self, Self::Failed | Self::Successful | Self::Cancelled)
    }
}

/// The `StatusDescription` texts that users and tools look for.
pub mod description {
    pub const RUNNING: &str = "Deployment is running";
    pub const RUNNING_NEEDS_PROMOTION: &str = "Deployment is running but requires manual promotion";
    pub const RUNNING_AUTO_PROMOTION: &str = "Deployment is running pending automatic promotion";
    pub const PAUSED: &str = "Deployment is paused";
    pub const SUCCESSFUL: &str = "Deployment completed successfully";
    pub const STOPPED_JOB: &str = "Cancelled because job is stopped";
    pub const NEWER_JOB: &str = "Cancelled due to newer version of job";
    pub const FAILED_ALLOCATIONS: &str = "Failed due to unhealthy allocations";
    pub const PROGRESS_DEADLINE: &str = "Failed due to progress deadline";
    pub const FAILED_BY_USER: &str = "Deployment marked as failed";
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Deployment {
    #[serde(rename = "ID")]
    pub id: String,
    pub namespace: String,
    #[serde(rename = "JobID")]
    pub job_id: String,
    pub job_version: u64,
    pub job_modify_index: u64,
    pub job_spec_modify_index: u64,
    pub job_create_index: u64,
    pub is_multiregion: bool,
    pub task_groups: BTreeMap<String, DeploymentState>,
    pub status: DeploymentStatus,
    pub status_description: String,
    pub eval_priority: i64,
    pub create_index: u64,
    pub modify_index: u64,
    pub create_time: Timestamp,
    pub modify_time: Timestamp,
}

impl Deployment {
    /// Canaries are out and somebody has to promote them.
    pub fn requires_promotion(&self) -> bool {
        self.status == DeploymentStatus::Running
            && self.task_groups.values().any(|group| group.desired_canaries > 0 && !group.promoted)
    }

    pub fn has_auto_promote(&self) -> bool {
        self.status == DeploymentStatus::Running
            && self.requires_promotion()
            && self.task_groups.values().all(|group| group.desired_canaries == 0 || group.auto_promote)
    }
}

/// The state of one group in a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeploymentState {
    pub auto_revert: bool,
    pub auto_promote: bool,
    pub progress_deadline: Nanos,
    #[serde(with = "crate::time::rfc3339")]
    pub require_progress_by: Timestamp,
    pub promoted: bool,
    pub desired_canaries: i64,
    pub placed_canaries: Vec<String>,
    pub desired_total: i64,
    pub placed_allocs: i64,
    pub healthy_allocs: i64,
    pub unhealthy_allocs: i64,
}
