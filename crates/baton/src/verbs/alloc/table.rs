//! The Allocations table.

use baton_model::{AllocClientStatus, AllocDesiredStatus, Timestamp, id};
use serde::Deserialize;

use crate::cli::{table, times};

/// What the list endpoints say of an allocation.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AllocStub {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "NodeID")]
    pub node_id: String,
    #[serde(rename = "JobID")]
    pub job_id: String,
    pub task_group: String,
    pub job_version: u64,
    pub desired_status: AllocDesiredStatus,
    pub client_status: AllocClientStatus,
    pub create_time: Timestamp,
    pub modify_time: Timestamp,
}

/// `ID  Node ID  Task Group  Version  Desired  Status  Created  Modified`
pub fn allocations(stubs: &[AllocStub]) -> String {
    let now = times::now();
    let rows = stubs.iter().map(|alloc| {
        [
            id::short(&alloc.id).to_owned(),
            id::short(&alloc.node_id).to_owned(),
            alloc.task_group.clone(),
            alloc.job_version.to_string(),
            alloc.desired_status.as_str().to_owned(),
            alloc.client_status.as_str().to_owned(),
            times::ago(alloc.create_time, now),
            times::ago(alloc.modify_time, now),
        ]
    });
    table::columns(&["ID", "Node ID", "Task Group", "Version", "Desired", "Status", "Created", "Modified"], rows)
}
