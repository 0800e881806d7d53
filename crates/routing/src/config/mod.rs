//! The configuration as plain data: what somebody wants, before it is checked and compiled.
//!
//! Names of routers, services and middlewares are qualified (`name@provider`); references inside an object may
//! be unqualified and then mean the same provider. Every type serializes in the spelling that users know from
//! their files (camelCase, zero values left out), so that it can be shown to them as they wrote it.

mod auth;
mod entry_point;
mod escapes;
mod headers;
mod middleware;
mod record;
mod router;
mod service;
mod settings;
mod tcp;
mod timespan;
mod tls;
mod transport;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use auth::*;
pub use entry_point::*;
pub use escapes::*;
pub use headers::*;
pub use middleware::*;
pub use record::Omit;
pub use router::*;
pub use service::*;
pub use settings::*;
pub use tcp::*;
pub use timespan::{Timespan, TimespanError};
pub use tls::*;
pub use transport::*;

use crate::problem::Problem;

/// Name → object, in the order in which they were declared.
pub type Named<T> = IndexMap<String, T>;

/// Everything that one route table is compiled from: entry points from the static side, the rest merged from
/// all providers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    pub entry_points: Named<EntryPoint>,
    pub http: Http,
    pub tcp: Tcp,
    pub udp: Udp,
    pub tls: Tls,
    /// Order of providers for routers of equal priority, first wins; providers not named follow by name.
    pub provider_precedence: Vec<String>,
    /// Routers on one host with different TLS options are disabled (true) or all use `default` (false).
    pub strict_tls_options: bool,
    /// Some configuration asked for copies of routers per entry point although the entry point has no
    /// defaults of its own (a default rule syntax does so); only names are affected.
    pub split_all_entry_points: bool,
    /// What the front ends found wrong with objects of this configuration.
    pub problems: Vec<Problem>,
}

/// The HTTP side of a configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Http {
    pub routers: Named<Router>,
    pub services: Named<Service>,
    pub middlewares: Named<Middleware>,
    pub servers_transports: Named<ServersTransport>,
}
