//! The data plane: entry points, TLS, HTTP/1.1 and HTTP/2, middlewares, load balancing.
//!
//! Input is a compiled [`RouteTable`](baton_routing::RouteTable); output is traffic. Start with [`engine`]; the life of a
//! connection is in [`conn`], the shape of middlewares in [`middleware`], answers from inside the process in [`service`],
//! probes of servers in [`health`].
//!
//! Invariants: a connection stays on its core and its state is never shared; a configuration is read once per request and
//! swapped without touching connections; nothing waits while it holds the core's scratch buffer; every bound stands in
//! [`limits`].

pub mod access;
pub mod balance;
pub mod body;
pub mod conn;
pub mod core;
pub mod counters;
pub mod engine;
pub mod exchange;
mod files;
mod forward;
mod gather;
pub mod h1;
pub mod health;
pub mod io;
pub mod limits;
pub mod message;
pub mod middleware;
pub mod normalize;
pub mod providers;
pub mod service;
pub mod snapshot;
pub mod tls;
pub mod upstream;

pub use engine::{DrainPlan, Engine, EngineConfig, EngineError, EngineHandle};
