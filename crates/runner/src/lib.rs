//! Allocations → processes: what a node does.
//!
//! [`Client::start`] follows a server through a [`link::ServerLink`] and keeps this node's allocations as the server wants
//! them: directories, artifacts, templates, processes (through the keeper), services and checks, health, logs. A restarted
//! agent takes up what runs; a server or catalog that is away stops nothing.

pub mod alloc;
pub mod artifact;
mod client;
pub mod config;
pub mod files;
pub mod fingerprint;
mod keeper;
pub mod link;
pub mod logs;
mod rooted;
mod script;
pub mod service;
mod state;
pub mod stats;
pub mod task;
pub mod template;

pub use client::{AllocError, Client, ClientError, ClientHandle, Shutdown};
pub use config::{ClientConfig, KeeperConfig};
