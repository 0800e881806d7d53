//! api

pub mod consul;
pub mod guard;
pub mod nomad;
mod serve;

pub use serve::{Listener, serve};
