//! The agent: a server, its HTTP faces, and clients that run allocations, wired together.
//!
//! [`control`] is the server side with the two APIs; [`node`] is one client with its keeper; [`clients`] lets the API
//! reach the clients of this process; [`membership`] makes the server's nodes nodes of the catalog; [`follower`] serves
//! the catalog where there is no server, from the copy in [`replica`]. [`config`] and [`run`]
//! are `baton agent`, which starts one of each; `baton dev` starts one control side and several nodes, over the same
//! protocol.
//!
//! Order of a start: store, server, faces, nodes. Order of an end: nodes, faces, server, store.

mod address;
mod base;
pub mod clients;
pub mod config;
pub mod control;
mod follower;
mod host;
pub mod local;
mod membership;
pub mod node;
pub mod occupied;
mod replica;
pub mod run;
mod socket;

pub use control::{Control, ControlSetup};
pub use node::{NodeLimits, NodeSetup, RunningNode};
