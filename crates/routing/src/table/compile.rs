//! From a configuration to a table: attach, validate, resolve, order, index.

use std::{collections::HashMap, sync::Arc};

use super::{
    EntryPointRoutes, Implemented, Matcher, NamedTlsOptions, Route, RouteId, RouteTable, TcpMatcher, entry_points,
    report::Builder,
    resolve::{Faults, Resolver, provider_of, qualify},
    tcp, tls, validate,
};
use crate::{
    config::{Config, DEFAULT_TLS_OPTIONS, Named, Router},
    problem::{Kind, Severity},
};

/// Compiles a configuration. Never fails: what is wrong with an object disables or closes that object and is
/// listed.
pub fn compile(config: &Config, implemented: &Implemented) -> RouteTable {
    let mut faults = Faults::default();
    config.problems.iter().cloned().for_each(|p| faults.push(p));
    validate::objects(config, &mut faults);

    let routers = entry_points::attach(config, &mut faults);
    let options = tls::options(config, &faults);
    let mut hosts = tls::bind_hosts(config, &routers, &options, &mut faults);
    let mut resolver = Resolver::new(config, implemented);
    let (routes, used) = routes(config, &routers, &options, &mut resolver, &mut faults);
    // What no router uses is checked too, so that the report is complete.
    for name in config.http.services.keys() {
        let _checked = resolver.service(name, &mut faults);
    }
    for name in config.http.middlewares.keys() {
        if let Err(reason) = resolver.middlewares(std::slice::from_ref(name), "", &mut faults)
            && faults.reason(Kind::Middleware, name, Severity::Disabled).is_none()
        {
            faults.add(Kind::Middleware, name, Severity::Disabled, reason);
        }
    }

    let mut tcp_routes = tcp::routes(config, &options, &mut faults);
    let mut udp_routes = tcp::udp_routes(config, &mut faults);
    let mut entry_point_routes = Named::default();
    for (name, entry_point) in &config.entry_points {
        let bind = match entry_point.bind() {
            Ok(bind) => bind,
            Err(error) => {
                faults.add(Kind::EntryPoint, name, Severity::Disabled, error.to_string());
                continue;
            }
        };
        let here = |secure: bool| {
            routes
                .iter()
                .filter(|r| r.config.entry_points.contains(name) && r.config.tls.is_some() == secure)
                .cloned()
                .collect()
        };
        entry_point_routes.insert(
            name.clone(),
            EntryPointRoutes {
                options: entry_point.clone(),
                bind,
                plain: Matcher::new(here(false)),
                secure: Matcher::new(here(true)),
                tcp: TcpMatcher::new(tcp_routes.remove(name.as_str()).unwrap_or_default()),
                udp: udp_routes.remove(name.as_str()),
                tls_hosts: hosts.remove(name.as_str()).unwrap_or_default(),
            },
        );
    }
    let report = Builder { config, faults: &faults, routers: &routers, used: &used }.build();
    RouteTable {
        routes: in_id_order(routes),
        services: resolver.into_services(),
        servers_transports: shared(&config.http.servers_transports),
        entry_points: entry_point_routes,
        tcp_services: tcp::services(config),
        tcp_servers_transports: shared(&config.tcp.servers_transports),
        udp_services: tcp::udp_services(config),
        tls: config.tls.clone(),
        default_tls_options: options[DEFAULT_TLS_OPTIONS].clone(),
        report,
        problems: faults.into_problems(),
    }
}

fn shared<T: Clone>(named: &Named<T>) -> HashMap<Arc<str>, Arc<T>> {
    named.iter().map(|(name, object)| (name.as_str().into(), Arc::new(object.clone()))).collect()
}

fn in_id_order(mut routes: Vec<Arc<Route>>) -> Vec<Arc<Route>> {
    routes.sort_by_key(|r| r.id);
    routes
}

/// Middleware and service names that a router uses, for the report.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) services: HashMap<String, Vec<String>>,
    pub(super) middlewares: HashMap<String, Vec<String>>,
}

/// Builds the enabled routes, best first.
fn routes(
    config: &Config,
    routers: &Named<Router>,
    options: &HashMap<String, Arc<NamedTlsOptions>>,
    resolver: &mut Resolver<'_>,
    faults: &mut Faults,
) -> (Vec<Arc<Route>>, Used) {
    let mut routes = Vec::new();
    let mut used = Used::default();
    for (name, router) in routers {
        let provider = provider_of(name);
        for middleware in &router.middlewares {
            used.middlewares.entry(qualify(middleware, provider)).or_default().push(name.clone());
        }
        used.services.entry(qualify(&router.service, provider)).or_default().push(name.clone());
        match route(name, router, routes.len(), options, resolver, faults) {
            Ok(Some(route)) => routes.push(Arc::new(route)),
            Ok(None) => {}
            Err(reason) => faults.add(Kind::Router, name, Severity::Disabled, reason),
        }
    }
    let precedence = |provider: &str| {
        config.provider_precedence.iter().position(|p| p.eq_ignore_ascii_case(provider)).unwrap_or(usize::MAX)
    };
    routes.sort_by(|a, b| {
        b.priority
            .cmp(&a.priority)
            .then_with(|| precedence(&a.provider).cmp(&precedence(&b.provider)))
            .then_with(|| a.name.cmp(&b.name))
    });
    (routes, used)
}

/// One route; `None` when the router is disabled already.
fn route(
    name: &str,
    router: &Router,
    at: usize,
    options: &HashMap<String, Arc<NamedTlsOptions>>,
    resolver: &mut Resolver<'_>,
    faults: &mut Faults,
) -> Result<Option<Route>, String> {
    let provider = provider_of(name);
    let disabled = faults.reason(Kind::Router, name, Severity::Disabled).is_some();
    let Some(rule) = router.matcher.clone() else {
        return if disabled { Ok(None) } else { Err("the router has no usable rule".to_owned()) };
    };
    if router.service.is_empty() && !disabled {
        return Err("the service is missing on the router".to_owned());
    }
    // Asked for even when the router is disabled, so that every reason is listed at once.
    let middlewares = resolver.middlewares(&router.middlewares, provider, faults);
    let service = resolver.service(&qualify(&router.service, provider), faults);
    let (middlewares, service) = match (middlewares, service) {
        (Ok(middlewares), Ok(service)) => (middlewares, service),
        (Err(reason), Ok(_)) | (Ok(_), Err(reason)) => return Err(reason),
        (Err(first), Err(second)) => {
            faults.add(Kind::Router, name, Severity::Disabled, first);
            return Err(second);
        }
    };
    let tls_options = match &router.tls {
        None => None,
        Some(tls) => {
            let wanted = tls::options_name(&tls.options, provider);
            Some(options.get(&wanted).cloned().ok_or_else(|| format!("unknown TLS options: {wanted}"))?)
        }
    };
    if disabled {
        return Ok(None);
    }
    let own = faults.reason(Kind::Router, name, Severity::Closed).map(|r| format!("router {name:?}: {r}"));
    Ok(Some(Route {
        id: RouteId(at as u32),
        name: name.into(),
        provider: provider.into(),
        priority: router.effective_priority(),
        config: router.clone(),
        rule,
        middlewares: middlewares.object,
        service: service.object,
        closed: own.or(middlewares.closed).or(service.closed),
        tls_options,
    }))
}

impl RouteTable {
    /// A table without anything, to start from.
    pub fn empty() -> Self {
        compile(&Config::default(), &Implemented::ALL)
    }
}
