//! Transactions: up to some dozens of operations that happen together or not at all.

use serde::{Deserialize, Serialize};

use super::{Base64, HealthCheck, KvPair, Node, NodeService};

/// The body of `PUT /v1/txn`.
pub type TxnRequest = Vec<TxnOp>;

/// One operation; exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TxnOp {
    #[serde(rename = "KV", skip_serializing_if = "Option::is_none")]
    pub kv: Option<KvOp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeOp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceOp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckOp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionOp>,
}

impl TxnOp {
    pub fn kv(op: KvOp) -> Self {
        Self { kv: Some(op), ..Self::default() }
    }
}

/// An operation on a key. Verbs: set, cas, lock, unlock, get, get-or-empty, get-tree, check-index, check-session,
/// check-not-exists, delete, delete-tree, delete-cas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KvOp {
    pub verb: String,
    pub key: String,
    pub value: Base64,
    pub flags: u64,
    pub index: u64,
    pub session: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// An operation on a node. Verbs: get, set, cas, delete, delete-cas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeOp {
    pub verb: String,
    pub node: Node,
}

/// An operation on a service of a node. Verbs as for nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceOp {
    pub verb: String,
    pub node: String,
    pub service: NodeService,
}

/// An operation on a check. Verbs as for nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckOp {
    pub verb: String,
    pub check: HealthCheck,
}

/// An operation on a session. Verb: delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SessionOp {
    pub verb: String,
    pub session: SessionRef,
}

/// A session by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SessionRef {
    #[serde(rename = "ID")]
    pub id: String,
}

/// The answer: results on success, errors when nothing was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TxnResponse {
    pub results: Option<Vec<TxnResult>>,
    pub errors: Option<Vec<TxnError>>,
}

/// What one operation yielded; exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TxnResult {
    #[serde(rename = "KV", skip_serializing_if = "Option::is_none")]
    pub kv: Option<KvPair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<NodeService>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<HealthCheck>,
}

/// Why one operation could not be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TxnError {
    pub op_index: u64,
    pub what: String,
}
