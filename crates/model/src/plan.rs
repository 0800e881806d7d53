//! What the scheduler decided: everything the server must write, in one transaction.
//!
//! A plan leaves no choice to the runner: node, ports and resources are in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alloc::{AllocClientStatus, AllocMetric};
use crate::deployment::DeploymentStatus;
use crate::eval::EvalStatus;
use crate::{Allocation, Deployment, Evaluation};

/// The outcome of one evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Plan {
    pub eval_id: String,
    /// Allocations to stop.
    pub stops: Vec<Stop>,
    /// New allocations, complete.
    pub placements: Vec<Allocation>,
    /// Existing allocations with a new job version and no restart.
    pub in_place: Vec<Allocation>,
    /// Allocations whose bookkeeping changes only (follow-up evaluation, status unknown).
    pub annotations: Vec<Allocation>,
    /// A deployment to create or to replace.
    pub deployment: Option<Deployment>,
    pub deployment_updates: Vec<DeploymentUpdate>,
    /// Evaluations to create: blocked or waiting ones.
    pub follow_ups: Vec<Evaluation>,
    /// Per group, why something could not be placed.
    pub failed: BTreeMap<String, AllocMetric>,
    /// Per group, how many placements wait for room.
    pub queued: BTreeMap<String, i64>,
    /// Per group, what happens; shown by `job plan`.
    pub desired: BTreeMap<String, DesiredUpdates>,
    /// What becomes of the evaluation that asked.
    pub eval_outcome: EvalOutcome,
}

/// The end of the evaluation that a plan answers; `failed` and `queued` of the plan belong to it too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EvalOutcome {
    /// `complete`, or `blocked` when a blocked evaluation was tried again and still finds no room.
    pub status: EvalStatus,
    pub status_description: String,
    #[serde(rename = "DeploymentID")]
    pub deployment_id: String,
    /// The blocked evaluation among `follow_ups`.
    pub blocked_eval: String,
}

impl Plan {
    /// Changes nothing.
    pub fn is_no_op(&self) -> bool {
        self.stops.is_empty()
            && self.placements.is_empty()
            && self.in_place.is_empty()
            && self.annotations.is_empty()
            && self.deployment.is_none()
            && self.deployment_updates.is_empty()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Stop {
    #[serde(rename = "AllocID")]
    pub alloc_id: String,
    pub description: String,
    /// Set when the server decides the client's side too (`lost`).
    pub client_status: Option<AllocClientStatus>,
    #[serde(rename = "FollowupEvalID")]
    pub followup_eval_id: String,
    /// Baton: end it only after this successor has taken the listeners over and is healthy. While set, the desired
    /// status of the old allocation stays `run` (it resumes if the successor fails): the client ends it when the
    /// successor is proven, and a later plan has the plain stop.
    pub after: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeploymentUpdate {
    #[serde(rename = "DeploymentID")]
    pub deployment_id: String,
    pub status: DeploymentStatus,
    pub status_description: String,
}

/// How many allocations of a group are touched, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DesiredUpdates {
    pub ignore: u64,
    pub place: u64,
    pub migrate: u64,
    pub stop: u64,
    pub in_place_update: u64,
    pub destructive_update: u64,
    pub canary: u64,
    pub preemptions: u64,
    pub disconnect: u64,
    pub reconnect: u64,
    pub reschedule_now: u64,
    pub reschedule_later: u64,
}
