//! How a node talks to its server: registration, heartbeats, its allocations, their state.
//!
//! A server that does not answer stops nothing: whoever uses a link goes on with what it knows and tries again.

mod http;

use std::time::Duration;

use baton_model::{Allocation, Nanos, Node};
use futures::future::BoxFuture;
use serde::Deserialize;

pub use http::HttpLink;

/// The server's answer to a registration or heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Lease {
    /// How long the node counts as alive without another heartbeat.
    #[serde(rename = "HeartbeatTTL")]
    pub heartbeat_ttl: Nanos,
}

/// A node's allocations as of an index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assigned {
    pub index: u64,
    pub allocs: Vec<Allocation>,
}

/// Why the server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("cannot reach the server at {address}: {reason}")]
    Unreachable { address: String, reason: String },
    #[error("the server refused {request}: {status} {body}")]
    Refused { request: String, status: u16, body: String },
    #[error("the server's answer to {request} has an unexpected shape: {reason}")]
    Malformed { request: String, reason: String },
}

impl LinkError {
    /// The server does not know this node (its state was lost, or the node was purged): register again.
    pub fn is_unknown_node(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// A server as a node sees it.
pub trait ServerLink: Send + Sync {
    /// Makes the node known, or tells what changed about it.
    fn register<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<Lease, LinkError>>;

    /// Says that the node is alive.
    fn heartbeat<'a>(&'a self, node_id: &'a str) -> BoxFuture<'a, Result<Lease, LinkError>>;

    /// All allocations of the node, with their jobs; waits until there is something newer than `index`, at most `wait`.
    fn allocs<'a>(&'a self, node_id: &'a str, index: u64, wait: Duration)
    -> BoxFuture<'a, Result<Assigned, LinkError>>;

    /// Reports the client's side of allocations: status, task states, health, hand-over.
    fn update<'a>(&'a self, node_id: &'a str, allocs: &'a [Allocation]) -> BoxFuture<'a, Result<(), LinkError>>;
}

/// An error with its causes; reqwest's own text leaves them out.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
