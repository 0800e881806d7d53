//! A job with its history.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_model::Job;
use serde::{Deserialize, Serialize};

/// Versions of a job that are kept, the current one included.
pub(crate) const VERSIONS_KEPT: usize = 6;

#[derive(Clone, Debug)]
pub struct JobRecord {
    pub job: Arc<Job>,
    /// Newest first; the first is the current one.
    pub versions: Vec<Arc<Job>>,
    pub submissions: BTreeMap<u64, Arc<Submission>>,
}

/// What a version was submitted with, kept for `job inspect -hcl`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Submission {
    pub source: String,
    /// `hcl2` or `json`.
    pub format: String,
    pub variable_flags: Option<BTreeMap<String, String>>,
    pub variables: String,
}
