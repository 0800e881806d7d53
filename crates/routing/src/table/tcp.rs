//! TCP routes of one entry point.

use std::sync::Arc;

use super::{NamedTcpMiddleware, NamedTlsOptions};
use crate::{
    config::TcpRouter,
    rule::{Hello, TcpRule},
};

/// One TCP route, ready to serve.
#[derive(Debug)]
pub struct TcpRoute {
    pub name: Arc<str>,
    pub provider: Arc<str>,
    pub config: TcpRouter,
    pub rule: TcpRule,
    pub priority: i64,
    pub middlewares: Vec<Arc<NamedTcpMiddleware>>,
    /// Qualified name of a service in the table.
    pub service: Arc<str>,
    /// Options for the TLS that is terminated here; `None` for plain and passed-through connections.
    pub tls_options: Option<Arc<NamedTlsOptions>>,
}

impl TcpRoute {
    /// Whether the route serves TLS connections (terminated or passed through).
    pub fn is_tls(&self) -> bool {
        self.config.tls.is_some()
    }
}

/// TCP routes in order of priority.
#[derive(Debug, Default)]
pub struct TcpMatcher {
    plain: Vec<Arc<TcpRoute>>,
    secure: Vec<Arc<TcpRoute>>,
}

impl TcpMatcher {
    /// Routes come best first.
    pub(super) fn new(routes: Vec<Arc<TcpRoute>>) -> Self {
        let (secure, plain) = routes.into_iter().partition(|r| r.is_tls());
        Self { plain, secure }
    }

    /// The best route for a connection; `secure` when its first bytes are a TLS ClientHello. A plain
    /// catch-all also takes TLS connections that nothing else wants.
    pub fn lookup(&self, secure: bool, hello: &impl Hello) -> Option<&Arc<TcpRoute>> {
        let find = |routes: &'_ [Arc<TcpRoute>]| routes.iter().position(|r| r.rule.matches(hello));
        if secure {
            if let Some(at) = find(&self.secure) {
                return self.secure.get(at);
            }
        }
        find(&self.plain).and_then(|at| self.plain.get(at))
    }

    /// Whether some route takes plain connections.
    pub fn takes_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    pub fn expects_tls(&self) -> bool {
        !self.secure.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.secure.is_empty()
    }
}
