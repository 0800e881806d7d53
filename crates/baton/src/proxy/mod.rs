//! `baton proxy`: Traefik's configuration in, traffic out.
//!
//! This is where the front end (`traefik`) and the data plane (`proxy`) meet. [`startup`] finds and reads the static
//! configuration; [`Sources`] hold what the providers said last; [`Runtime`] turns both into a route table and gives it
//! to the engine, again and again.
//!
//! Invariants: a configuration that cannot be used changes nothing and is told; one bad file keeps its own last good
//! version and no other file's; sockets are stored with the supervisor before the process calls itself ready.

pub mod agent;
mod drain;
mod internals;
mod observe;
mod runtime;
mod sources;
mod startup;

use baton_routing::Implemented;

pub use runtime::run;
pub use sources::moment;
pub use startup::Start;

/// What can be served: every kind of service, kinds of middlewares as far as the proxy builds them.
pub const IMPLEMENTED: Implemented = Implemented::ALL;
