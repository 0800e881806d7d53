//! The HTTP faces of an agent: Nomad's API and Consul's, behind one guard, served on TCP and on local sockets.

pub mod consul;
pub mod guard;
pub mod nomad;
mod seats;
mod serve;

pub use serve::{Listener, serve};
