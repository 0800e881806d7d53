//! Says of every configured object whether it takes part, why not, and who uses it.

use crate::{
    config::{Middleware, Named, Router, Service, TcpMiddleware, TcpRouter, TcpService, UdpRouter, UdpService},
    problem::Status,
};

/// One object as the read API shows it.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    pub object: T,
    pub provider: String,
    pub status: Status,
    pub errors: Vec<String>,
    /// Routers: entry points in use. Services and middlewares: routers that use them.
    pub used_by: Vec<String>,
}

/// All objects by qualified name.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub routers: Named<Entry<Router>>,
    pub services: Named<Entry<Service>>,
    pub middlewares: Named<Entry<Middleware>>,
    pub tcp_routers: Named<Entry<TcpRouter>>,
    pub tcp_services: Named<Entry<TcpService>>,
    pub tcp_middlewares: Named<Entry<TcpMiddleware>>,
    pub udp_routers: Named<Entry<UdpRouter>>,
    pub udp_services: Named<Entry<UdpService>>,
}
