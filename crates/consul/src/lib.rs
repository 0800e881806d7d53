//! Consul's HTTP API: the JSON shapes both sides of it speak, and a typed client.
//!
//! [`wire`] is used by Baton's own catalog (as a server) and by [`client`] (against a real Consul or against Baton).
//! Input is JSON from the network and therefore hostile: nothing here panics on it, bodies are bounded by named limits.

pub mod client;
pub mod decode;
pub mod wire;

pub use client::{Answered, Client, Config, Error, Read, Tls, Watch};
