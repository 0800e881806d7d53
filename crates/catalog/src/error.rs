//! Why a command was not applied. Texts that clients of Consul look at are Consul's.

use baton_consul::wire::TxnError;
use serde::{Deserialize, Serialize};

/// A refused command; the state is as before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum CatalogError {
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    #[error("Must provide node")]
    MissingNode,
    #[error("Must provide address if SkipNodeUpdate is not set")]
    MissingAddress,
    #[error("Missing node registration")]
    UnknownNode,
    #[error("No service registered with ID \"{0}\"")]
    UnknownService(String),
    /// A check was registered for a service that is not there.
    #[error("ServiceID \"{0}\" does not exist")]
    CheckWithoutService(String),
    #[error("check node {check:?} does not match node {node:?}")]
    ForeignCheck { check: String, node: String },
    #[error(
        "failed inserting node: Error while renaming Node ID: {id:?}: Node name {node} is reserved by node {id} with name {holder}"
    )]
    NodeIdTaken { id: String, node: String, holder: String },
    #[error("missing session")]
    MissingSession,
    #[error("Missing check '{0}' registration")]
    MissingCheck(String),
    #[error("Check '{0}' is in critical state")]
    CheckCritical(String),
    #[error("Unknown check \"{0}\"")]
    UnknownCheck(String),
    #[error("CheckID \"{0}\" does not have associated TTL")]
    NoTtl(String),
    #[error("Session id '{0}' not found")]
    UnknownSession(String),
    #[error("invalid session \"{0}\"")]
    InvalidSession(String),
    #[error("Invalid Session TTL '{given}', must be between [10s=24h0m0s]")]
    SessionTtl { given: i64 },
    #[error("Invalid Behavior setting '{0}'")]
    Behavior(String),
    #[error("Transaction contains too many operations ({given} > {limit})")]
    TooManyOps { given: usize, limit: usize },
    /// At least one operation failed; all are undone.
    #[error("transaction failed: {}", .0.first().map_or("", |error| error.what.as_str()))]
    Txn(Vec<TxnError>),
    /// The owner's indexes must grow; anything else would make watchers miss changes.
    #[error("index {given} is not above the catalog's index {current}")]
    StaleIndex { given: u64, current: u64 },
    /// A stored row cannot be read back.
    #[error("row {key:?} of table {table:?} is unreadable: {reason}")]
    Row { table: String, key: String, reason: String },
}

impl CatalogError {
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}
