//! Baton's own model of an edge: entry points, routers, middlewares, services and TLS options, and the
//! immutable table that they are compiled into.
//!
//! Input is a [`config::Config`], plain data that a front end has read from somebody's file format. Output is
//! a [`table::RouteTable`] that the proxy shares between its cores and asks once per request. Nothing here
//! does I/O or reads a clock.
//!
//! Invariants: a table is complete and never changes; a mistake in one object disables that object only and
//! is listed as a [`problem::Problem`]; looking a route up allocates nothing.

pub mod config;
pub mod problem;
pub mod rule;
pub mod table;

pub use config::Config;
pub use problem::{Kind, ObjectRef, Problem, Severity, Status};
pub use rule::{Request, Rule};
pub use table::{Implemented, Matcher, Route, RouteId, RouteTable, compile};
