//! What happened, for the event stream.

use std::sync::Arc;

use baton_model::{Allocation, Deployment, Evaluation, Job, Node};

/// One change, told to whoever listens.
#[derive(Clone, Debug)]
pub struct Event {
    /// `Job`, `Node`, `Allocation`, `Evaluation` or `Deployment`.
    pub topic: &'static str,
    /// The kind of change, such as `JobRegistered`.
    pub kind: &'static str,
    pub key: String,
    /// Other keys under which a subscriber finds it (the job of an allocation).
    pub filter_keys: Vec<String>,
    pub index: u64,
    pub payload: Payload,
}

#[derive(Clone, Debug)]
pub enum Payload {
    Job(Arc<Job>),
    Node(Arc<Node>),
    Allocation(Arc<Allocation>),
    Evaluation(Arc<Evaluation>),
    Deployment(Arc<Deployment>),
}

/// Batches of events that a slow listener may fall behind before it misses some.
pub const EVENT_BACKLOG: usize = 256;
