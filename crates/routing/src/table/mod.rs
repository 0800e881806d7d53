//! A whole configuration compiled into one immutable table.
//!
//! [`compile`] resolves names, applies entry point defaults, checks objects against each other and indexes the
//! routes of each entry point, those for TLS connections apart from those for plain ones. The result answers
//! "which route" in time that does not grow with the number of hosts, and says of every object whether it
//! takes part ([`Report`]).

mod compile;
mod entry_points;
mod index;
mod report;
mod resolve;
mod tcp;
mod tls;
pub mod validate;

use std::{collections::HashMap, sync::Arc};

pub use compile::compile;
pub use index::Matcher;
pub use report::{Entry, Report};
pub use tcp::{TcpMatcher, TcpRoute};
pub use tls::{NamedTlsOptions, TlsHosts};

use crate::{
    config::{
        Bind, EntryPoint, Middleware, Named, Router, ServersTransport, Service, TcpMiddleware, TcpServersTransport,
        TcpService, Tls, UdpService,
    },
    problem::Problem,
    rule::{Request, Rule},
};

/// The provider name of what Baton defines itself.
pub const INTERNAL: &str = "internal";

/// What the proxy is able to do; the rest of a configuration is closed, not ignored.
#[derive(Debug, Clone, Copy)]
pub struct Implemented {
    /// Middleware kinds by configuration key.
    pub middlewares: &'static [&'static str],
    /// Service kinds in lower case ([`Service::kind`]).
    pub services: &'static [&'static str],
}

impl Implemented {
    /// Everything that the model knows except plugins.
    pub const ALL: Self = Self {
        middlewares: Middleware::KEYS.split_at(Middleware::KEYS.len() - 1).0,
        services: &["loadbalancer", "weighted", "highestrandomweight", "mirroring", "failover", "internal"],
    };
}

/// Index of a route in [`RouteTable::routes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// Everything that the proxy needs to serve, never changed after it is built.
#[derive(Debug)]
pub struct RouteTable {
    /// Enabled HTTP routes; ids index it.
    pub routes: Vec<Arc<Route>>,
    /// Usable HTTP services by qualified name, with the names inside them qualified. Children always exist
    /// here and never form a cycle.
    pub services: HashMap<Arc<str>, Arc<NamedService>>,
    pub servers_transports: HashMap<Arc<str>, Arc<ServersTransport>>,
    pub entry_points: Named<EntryPointRoutes>,
    pub tcp_services: HashMap<Arc<str>, Arc<TcpService>>,
    pub tcp_servers_transports: HashMap<Arc<str>, Arc<TcpServersTransport>>,
    pub udp_services: HashMap<Arc<str>, Arc<UdpService>>,
    /// Certificates and stores as configured; loading them is the proxy's work.
    pub tls: Tls,
    /// Options for names that no router mentions, and for connections without a name.
    pub default_tls_options: Arc<NamedTlsOptions>,
    pub problems: Vec<Problem>,
    pub report: Report,
}

impl RouteTable {
    pub fn route(&self, id: RouteId) -> &Arc<Route> {
        &self.routes[id.0 as usize]
    }

    /// The route for a request that arrived at an entry point, `secure` when over TLS.
    pub fn lookup(&self, entry_point: &str, secure: bool, request: &impl Request) -> Option<&Arc<Route>> {
        self.entry_points.get(entry_point)?.matcher(secure).lookup(request).map(|id| self.route(id))
    }
}

/// One entry point with everything that can be reached through it.
#[derive(Debug)]
pub struct EntryPointRoutes {
    pub options: EntryPoint,
    /// `options.address` taken apart.
    pub bind: Bind,
    /// Routes for connections without TLS.
    pub plain: Matcher,
    /// Routes for TLS connections.
    pub secure: Matcher,
    /// TCP routes for connections, asked before HTTP ones.
    pub tcp: TcpMatcher,
    /// Service of the UDP router here, by qualified name.
    pub udp: Option<Arc<str>>,
    /// Which TLS options hold for which host name here.
    pub tls_hosts: TlsHosts,
}

impl EntryPointRoutes {
    pub fn matcher(&self, secure: bool) -> &Matcher {
        if secure { &self.secure } else { &self.plain }
    }

    /// Whether anything here speaks TLS, so that a ClientHello is to be expected.
    pub fn expects_tls(&self) -> bool {
        !self.secure.is_empty() || self.tcp.expects_tls() || self.options.http.tls.is_some()
    }
}

/// One HTTP route, ready to serve.
#[derive(Debug)]
pub struct Route {
    pub id: RouteId,
    /// Qualified, with the entry point in front for copies: `web-shop@file`.
    pub name: Arc<str>,
    pub provider: Arc<str>,
    /// As declared, after entry point defaults.
    pub config: Router,
    pub rule: Rule,
    pub priority: i64,
    /// Outermost first; chains are replaced by their members.
    pub middlewares: Vec<Arc<NamedMiddleware>>,
    pub service: Arc<NamedService>,
    /// Answer 503 and do nothing else, because of this.
    pub closed: Option<String>,
    /// Options of the routes' TLS, `None` for plain routes.
    pub tls_options: Option<Arc<NamedTlsOptions>>,
}

/// A middleware with its qualified name; equal configuration under an equal name may keep its state over a
/// reload.
#[derive(Debug, PartialEq)]
pub struct NamedMiddleware {
    pub name: Arc<str>,
    pub config: Middleware,
}

/// A service with its qualified name; equal configuration under an equal name may keep its state over a
/// reload.
#[derive(Debug, PartialEq)]
pub struct NamedService {
    pub name: Arc<str>,
    pub config: Service,
}

/// A TCP middleware with its qualified name.
#[derive(Debug, PartialEq)]
pub struct NamedTcpMiddleware {
    pub name: Arc<str>,
    pub config: TcpMiddleware,
}

#[cfg(test)]
mod tests;
