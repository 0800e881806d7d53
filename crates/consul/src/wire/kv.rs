//! Entries of the key-value store.

use serde::{Deserialize, Serialize};

use super::Base64;

/// One key. `session` is empty unless a session holds the key's lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KvPair {
    /// How often the lock was acquired.
    pub lock_index: u64,
    pub key: String,
    pub flags: u64,
    pub value: Base64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    pub create_index: u64,
    pub modify_index: u64,
}
