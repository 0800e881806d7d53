//! The service catalog as a pure state machine with Consul's semantics: nodes, services, checks, keys, sessions, locks.
//!
//! Input is a [`Command`] with the time and the index it happens at; output is an [`Outcome`] and the [`Row`]s that
//! changed, for whoever makes them durable. Queries are plain functions of the [`State`]; what a blocking query waits
//! for is the index of its [`Scope`].
//!
//! Invariants:
//! - No clock, no I/O: `now` is an argument, counted from any origin the owner likes.
//! - A command that fails changes nothing.
//! - A lock is held by at most one live session.
//! - The index of a scope never goes back, and moves whenever what the scope shows moves. The one exception is a
//!   check's output text: it alone wakes nobody and is not persisted.

mod apply;
mod command;
mod error;
mod feed;
pub mod filter;
mod query;
mod row;
mod scope;
mod state;
mod tx;

pub use command::{Applied, Command, KvCommand, KvVerb, Now, Outcome};
pub use error::CatalogError;
pub use feed::{Feed, FeedRow, Forwarded};
pub use query::RunnableCheck;
pub use row::{Row, TABLES};
pub use scope::Scope;
pub use state::State;

/// Largest value of a key, in bytes (Consul's `kv_max_value_size`).
pub const MAX_VALUE: usize = 512 * 1024;
/// Longest key, node name, service name or id, in bytes.
pub const MAX_NAME: usize = 4096;
/// Most operations in one transaction.
pub const MAX_TXN_OPS: usize = 128;
/// A check's output is cut here, in bytes (Consul's `check_output_max_size`).
pub const MAX_OUTPUT: usize = 4096;
/// What a TTL check says for which nobody spoke in time.
pub const TTL_EXPIRED: &str = "TTL expired";
/// User events that are remembered.
pub const MAX_EVENTS: usize = 256;
/// Largest payload of a user event, in bytes.
pub const MAX_EVENT_PAYLOAD: usize = 8 * 1024;
/// Deleted keys remembered one by one; beyond it they are folded into one index, which wakes every prefix watch once.
pub const MAX_TOMBSTONES: usize = 10_000;
/// Changes that are kept for followers, and the bytes they may take; one further behind gets everything.
pub const MAX_LOG_CHANGES: usize = 4096;
pub const MAX_LOG_BYTES: usize = 16 * 1024 * 1024;
/// Consul never removes a service sooner than this after its check went critical.
pub const MIN_DEREGISTER_AFTER: std::time::Duration = std::time::Duration::from_secs(60);
/// Bounds of a session's TTL and lock delay.
pub const MIN_SESSION_TTL: std::time::Duration = std::time::Duration::from_secs(10);
pub const MAX_SESSION_TTL: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
pub const DEFAULT_LOCK_DELAY: std::time::Duration = std::time::Duration::from_secs(15);
pub const MAX_LOCK_DELAY: std::time::Duration = std::time::Duration::from_secs(60);
