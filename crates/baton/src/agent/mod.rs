//! The agent: a server, its HTTP faces, and clients that run allocations, wired together.
//!
//! [`control`] is the server side with the two APIs; [`node`] is one client with its keeper; [`clients`] lets the API
//! reach the clients of this process. `baton agent` starts one of each, `baton dev` one control side and several nodes,
//! over the same protocol.
//!
//! Order of a start: store, server, faces, nodes. Order of an end: nodes, faces, server, store.

pub mod clients;
pub mod config;
pub mod control;
pub mod local;
pub mod node;

pub use control::{Control, ControlSetup};
pub use node::{NodeSetup, RunningNode};
