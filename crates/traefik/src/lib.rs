//! Front end for Traefik's configuration: static files, flags and environment, dynamic files, catalog tags and
//! rule texts of its versions 2 and 3 become `baton-routing`'s model; the compiled model is shown back through
//! the read API that Traefik's dashboards and scripts know.
//!
//! Everything here is pure: bytes and instances come in, configurations and findings go out. Watching files
//! and asking catalogs is done by the proxy's providers.
//!
//! Invariants: input of any kind never panics; all mistakes in a text are reported at once, with place and
//! suggestion; a mistake never widens what is served (an object with an unknown key is closed).

pub mod api;
mod assemble;
pub mod check;
mod decode;
mod document;
pub mod dynamic;
pub mod finding;
pub mod rules;
pub mod static_config;
pub mod tags;

pub use assemble::assemble;
pub use document::Format;
pub use finding::{Finding, Severity};
