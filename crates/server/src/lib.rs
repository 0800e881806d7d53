//! The control plane: what should run, where, and what became of it.
//!
//! Input are commands (from the HTTP API and from clients) and time; output is the [`State`], which everybody reads
//! without locks, and the feed of [`Event`]s. One writer thread turns commands into transactions of the store; the duties
//! (`duty.rs`) turn what is due into commands.
//!
//! Invariants: nobody sees a state that is not on the disk; every command happens wholly or not at all; one index, never
//! going back, not by a restart either, counts the changes of jobs, nodes, allocations and the catalog alike; only this
//! crate commits plans.

mod alloc;
mod catalog;
mod clock;
mod config;
mod deployment;
mod draft;
mod drain;
mod duty;
mod error;
mod eval;
mod event;
mod gc;
mod id;
mod job;
mod node;
mod planner;
mod search;
mod server;
#[cfg(test)]
mod simulation;
mod state;
mod writer;

pub use alloc::{AllocReport, UPDATES_MAX};
pub use baton_scheduler::Algorithm;
pub use baton_store::Table;
pub use config::{Config, GcThresholds, Heartbeat};
pub use deployment::DeploymentAnswer;
pub use drain::{DrainRequest, DrainSpec};
pub use error::ServerError;
pub use event::{EVENT_BACKLOG, Event, EventGroup, Payload};
pub use gc::GcAnswer;
pub use job::{
    DISPATCH_PAYLOAD_MAX, DispatchAnswer, DispatchRequest, JobPlan, NAMESPACE, RegisterAnswer, RegisterRequest,
    ScaleRequest, StopRequest,
};
pub use node::NodeAnswer;
pub use search::{CONTEXTS, Found, MATCHES_MAX, search};
pub use server::Server;
pub use state::{JobRecord, JobSummary, State, Submission};
pub use writer::Written;
