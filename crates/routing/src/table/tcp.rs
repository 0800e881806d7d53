//! TCP routes and UDP services of entry points.

use std::{collections::HashMap, sync::Arc};

use super::{
    NamedTcpMiddleware, NamedTlsOptions, entry_points,
    resolve::{Faults, check_weighted, provider_of, qualify},
    tls,
};
use crate::{
    config::{Config, Protocol, TcpRouter, TcpService, UdpService, default_entry_points},
    problem::{Kind, Severity, Status},
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
        if secure && let Some(at) = find(&self.secure) {
            return self.secure.get(at);
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

/// Enabled TCP routes by entry point, best first.
pub(super) fn routes(
    config: &Config,
    options: &HashMap<String, Arc<NamedTlsOptions>>,
    faults: &mut Faults,
) -> HashMap<String, Vec<Arc<TcpRoute>>> {
    let defaults = default_entry_points(&config.entry_points, Protocol::Tcp);
    let mut by_entry_point: HashMap<String, Vec<Arc<TcpRoute>>> = HashMap::new();
    for (name, router) in &config.tcp.routers {
        let wanted = if router.entry_points.is_empty() { &defaults } else { &router.entry_points };
        let usable = entry_points::existing(config, Kind::TcpRouter, name, wanted, faults);
        if faults.reason(Kind::TcpRouter, name, Severity::Disabled).is_some()
            || faults.reason(Kind::TcpRouter, name, Severity::Closed).is_some()
        {
            continue;
        }
        match route(config, name, router, options, faults) {
            Ok(route) => {
                let route = Arc::new(route);
                for entry_point in usable {
                    by_entry_point.entry(entry_point).or_default().push(route.clone());
                }
            }
            Err(reason) => faults.add(Kind::TcpRouter, name, Severity::Disabled, reason),
        }
    }
    for routes in by_entry_point.values_mut() {
        routes.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
    }
    by_entry_point
}

fn route(
    config: &Config,
    name: &str,
    router: &TcpRouter,
    options: &HashMap<String, Arc<NamedTlsOptions>>,
    faults: &Faults,
) -> Result<TcpRoute, String> {
    let provider = provider_of(name);
    let rule = router.matcher.clone().ok_or("the router has no usable rule")?;
    if router.tls.is_none() && rule.names_host() {
        return Err(format!("invalid rule: {:?}, has HostSNI matcher, but no TLS on router", router.rule));
    }
    if router.service.is_empty() {
        return Err("the service is missing on the router".to_owned());
    }
    let service = qualify(&router.service, provider);
    check_weighted(&config.tcp.services, &service, &tcp_members)?;
    if let Some(reason) = faults.reason(Kind::TcpService, &service, Severity::Disabled) {
        return Err(format!("the service {service:?} is unusable: {reason}"));
    }
    let mut middlewares = Vec::new();
    for middleware in &router.middlewares {
        let middleware = qualify(middleware, provider);
        let Some(object) = config.tcp.middlewares.get(&middleware) else {
            return Err(format!("middleware {middleware:?} does not exist"));
        };
        if faults.status(Kind::TcpMiddleware, &middleware) == Status::Disabled {
            return Err(format!("invalid middleware {middleware:?}"));
        }
        middlewares.push(Arc::new(NamedTcpMiddleware { name: middleware.into(), config: object.clone() }));
    }
    let tls_options = match &router.tls {
        Some(tls) if !tls.passthrough => {
            let wanted = tls::options_name(&tls.options, provider);
            Some(options.get(&wanted).cloned().ok_or_else(|| format!("unknown TLS options: {wanted}"))?)
        }
        _ => None,
    };
    Ok(TcpRoute {
        name: name.into(),
        provider: provider.into(),
        priority: router.effective_priority(),
        config: router.clone(),
        rule,
        middlewares,
        service: service.into(),
        tls_options,
    })
}

fn tcp_members(service: &TcpService) -> Vec<String> {
    match service {
        TcpService::Weighted(w) => w.services.iter().map(|s| s.name.clone()).collect(),
        TcpService::LoadBalancer(_) | TcpService::Invalid => Vec::new(),
    }
}

fn udp_members(service: &UdpService) -> Vec<String> {
    match service {
        UdpService::Weighted(w) => w.services.iter().map(|s| s.name.clone()).collect(),
        UdpService::LoadBalancer(_) | UdpService::Invalid => Vec::new(),
    }
}

/// TCP services with the names inside them qualified.
pub(super) fn services(config: &Config) -> HashMap<Arc<str>, Arc<TcpService>> {
    let qualified = |name: &str, service: &TcpService| {
        let mut service = service.clone();
        match &mut service {
            TcpService::LoadBalancer(b) if !b.servers_transport.is_empty() => {
                b.servers_transport = qualify(&b.servers_transport, provider_of(name));
            }
            TcpService::Weighted(w) => w.services.iter_mut().for_each(|s| s.name = qualify(&s.name, provider_of(name))),
            TcpService::LoadBalancer(_) | TcpService::Invalid => {}
        }
        service
    };
    config.tcp.services.iter().map(|(n, s)| (n.as_str().into(), Arc::new(qualified(n, s)))).collect()
}

/// UDP services with the names inside them qualified.
pub(super) fn udp_services(config: &Config) -> HashMap<Arc<str>, Arc<UdpService>> {
    let qualified = |name: &str, service: &UdpService| {
        let mut service = service.clone();
        if let UdpService::Weighted(w) = &mut service {
            w.services.iter_mut().for_each(|s| s.name = qualify(&s.name, provider_of(name)));
        }
        service
    };
    config.udp.services.iter().map(|(n, s)| (n.as_str().into(), Arc::new(qualified(n, s)))).collect()
}

/// The UDP service of each entry point; the first router by name has it, others are told.
pub(super) fn udp_routes(config: &Config, faults: &mut Faults) -> HashMap<String, Arc<str>> {
    let defaults = default_entry_points(&config.entry_points, Protocol::Udp);
    let mut names: Vec<&String> = config.udp.routers.keys().collect();
    names.sort();
    let mut taken: HashMap<String, (Arc<str>, String)> = HashMap::new();
    for name in names {
        let router = &config.udp.routers[name.as_str()];
        let wanted = if router.entry_points.is_empty() { &defaults } else { &router.entry_points };
        let usable = entry_points::existing(config, Kind::UdpRouter, name, wanted, faults);
        if faults.status(Kind::UdpRouter, name) == Status::Disabled {
            continue;
        }
        if router.service.is_empty() {
            faults.add(Kind::UdpRouter, name, Severity::Disabled, "the service is missing on the router");
            continue;
        }
        let service = qualify(&router.service, provider_of(name));
        if let Err(reason) = check_weighted(&config.udp.services, &service, &udp_members) {
            faults.add(Kind::UdpRouter, name, Severity::Disabled, reason);
            continue;
        }
        for entry_point in usable {
            match taken.get(&entry_point) {
                Some((_, owner)) => {
                    let message = format!("entry point {entry_point:?} already belongs to the router {owner:?}");
                    faults.add(Kind::UdpRouter, name, Severity::Warning, message);
                }
                None => {
                    taken.insert(entry_point, (service.as_str().into(), name.clone()));
                }
            }
        }
    }
    taken.into_iter().map(|(entry_point, (service, _))| (entry_point, service)).collect()
}
