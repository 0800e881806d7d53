//! User events.

use serde::{Deserialize, Serialize};

use super::Base64;

/// An event fired by a user; a small broadcast, never persisted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UserEvent {
    #[serde(rename = "ID")]
    pub id: String,
    pub name: String,
    pub payload: Base64,
    pub node_filter: String,
    pub service_filter: String,
    pub tag_filter: String,
    pub version: u64,
    #[serde(rename = "LTime")]
    pub ltime: u64,
}
