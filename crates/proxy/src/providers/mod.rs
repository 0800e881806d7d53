//! Providers' input and output: watching files, following a catalog.
//!
//! A provider brings raw material, nothing is parsed here: [`files`] gives texts, [`catalog`] gives service instances.
//! Whoever wires the proxy turns them into a configuration and applies it. What a provider saw last stays valid until it
//! sees something else: a directory that cannot be read or a catalog that does not answer changes nothing.

pub mod catalog;
pub mod files;
