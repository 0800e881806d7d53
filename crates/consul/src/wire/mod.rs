//! The nouns of Consul's HTTP API with their exact JSON keys.
//!
//! Absent values follow Consul: empty lists and maps are written as `[]` and `{}`, the few fields it leaves out
//! when empty are left out here too. Decode with [`crate::decode`], which accepts what Go's decoder accepts.

mod agent;
mod check;
mod event;
mod kv;
mod node;
mod service;
mod session;
mod text;
mod txn;

pub use agent::{AgentConfig, AgentSelf, Coordinate, Member, RaftConfiguration, RaftServer};
pub use check::{
    Aggregate, CheckRegistration, CheckUpdate, HealthCheck, NODE_MAINTENANCE, SERF_HEALTH, SERVICE_MAINTENANCE, Status,
};
pub use event::UserEvent;
pub use kv::KvPair;
pub use node::{CatalogDeregistration, CatalogNode, CatalogNodeList, CatalogRegistration, Node};
pub use service::{
    AgentHealth, AgentService, CatalogService, NodeService, ServiceAddress, ServiceEntry, ServiceRegistration, Weights,
};
pub use session::{Behavior, ServiceCheckRef, Session, SessionRequest};
pub use text::{Base64, Text};
pub use txn::{
    CheckOp, KvOp, NodeOp, ServiceOp, SessionOp, SessionRef, TxnError, TxnOp, TxnRequest, TxnResponse, TxnResult,
};

use std::collections::BTreeMap;

/// Free-form pairs of a node or a service.
pub type Meta = BTreeMap<String, String>;
/// Any JSON object, kept but not looked at.
pub type Object = serde_json::Map<String, serde_json::Value>;
