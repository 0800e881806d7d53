//! Says of every configured object whether it takes part, why not, and who uses it.

use super::{
    compile::Used,
    resolve::{Faults, provider_of, qualify},
};
use crate::{
    config::{Config, Middleware, Named, Router, Service, TcpMiddleware, TcpRouter, TcpService, UdpRouter, UdpService},
    problem::{Kind, Status},
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

pub(super) struct Builder<'a> {
    pub(super) config: &'a Config,
    pub(super) faults: &'a Faults,
    /// Routers after splitting.
    pub(super) routers: &'a Named<Router>,
    pub(super) used: &'a Used,
}

impl Builder<'_> {
    pub(super) fn build(&self) -> Report {
        let config = self.config;
        let users = |map: &std::collections::HashMap<String, Vec<String>>, name: &str| {
            map.get(name).cloned().unwrap_or_default()
        };
        let tcp_users = |name: &str| {
            let routers = config.tcp.routers.iter();
            routers.filter(|(n, r)| qualify(&r.service, provider_of(n)) == name).map(|(n, _)| n.clone()).collect()
        };
        let tcp_middleware_users = |name: &str| {
            let routers = config.tcp.routers.iter();
            routers
                .filter(|(n, r)| r.middlewares.iter().any(|m| qualify(m, provider_of(n)) == name))
                .map(|(n, _)| n.clone())
                .collect()
        };
        let udp_users = |name: &str| {
            let routers = config.udp.routers.iter();
            routers.filter(|(n, r)| qualify(&r.service, provider_of(n)) == name).map(|(n, _)| n.clone()).collect()
        };
        Report {
            routers: self.entries(Kind::Router, self.routers, |_, r| r.entry_points.clone()),
            services: self.entries(Kind::Service, &config.http.services, |n, _| users(&self.used.services, n)),
            middlewares: self
                .entries(Kind::Middleware, &config.http.middlewares, |n, _| users(&self.used.middlewares, n)),
            tcp_routers: self.entries(Kind::TcpRouter, &config.tcp.routers, |_, r| r.entry_points.clone()),
            tcp_services: self.entries(Kind::TcpService, &config.tcp.services, |n, _| tcp_users(n)),
            tcp_middlewares: self.entries(Kind::TcpMiddleware, &config.tcp.middlewares, |n, _| tcp_middleware_users(n)),
            udp_routers: self.entries(Kind::UdpRouter, &config.udp.routers, |_, r| r.entry_points.clone()),
            udp_services: self.entries(Kind::UdpService, &config.udp.services, |n, _| udp_users(n)),
        }
    }

    fn entries<T: Clone>(
        &self,
        kind: Kind,
        objects: &Named<T>,
        used_by: impl Fn(&str, &T) -> Vec<String>,
    ) -> Named<Entry<T>> {
        let entry = |name: &String, object: &T| Entry {
            object: object.clone(),
            provider: provider_of(name).to_owned(),
            status: self.faults.status(kind, name),
            errors: self.faults.messages(kind, name),
            used_by: used_by(name, object),
        };
        objects.iter().map(|(name, object)| (name.clone(), entry(name, object))).collect()
    }
}
