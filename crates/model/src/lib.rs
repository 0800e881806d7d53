//! The nouns that every part of Baton shares, in the shape of Nomad's HTTP API.
//!
//! A value of these types is *canonical*: every default is filled in. What a person wrote (a job file, a partial API
//! body) is turned into them by `baton-jobspec`. Serialised, they are the API's JSON: Pascal-case keys, durations as
//! integer nanoseconds, absent objects as `null`.
//!
//! Nothing here does I/O, reads a clock or decides anything.

pub mod alloc;
pub mod deployment;
pub mod eval;
pub mod id;
pub mod job;
pub mod nanos;
pub mod node;
pub mod plan;
pub mod regexp;
pub mod resources;
pub mod service;
pub mod task;
pub mod time;

pub use alloc::{AllocClientStatus, AllocDesiredStatus, Allocation};
pub use deployment::Deployment;
pub use eval::Evaluation;
pub use job::{Job, JobType, TaskGroup};
pub use nanos::Nanos;
pub use node::Node;
pub use task::Task;
pub use time::Timestamp;
