//! The whole configuration: static options, what they imply, and what the providers say.
//!
//! What Traefik calls internal stands here as ordinary objects of a provider `internal`: a router per entry
//! point redirection, for ping, for the insecure API and for metrics, and the services that the proxy answers
//! itself.

use baton_routing::{
    Config, Rule,
    config::{Internal, Middleware, RedirectScheme, Redirection, Router, Service},
    rule::Pattern,
    table::INTERNAL,
};

use crate::{
    dynamic::{ProviderConfig, merge},
    static_config::{IMPLICIT_ENTRY_POINT, StaticConfig},
};

/// Priority of internal routers other than redirections: nothing configured comes before them.
const INTERNAL_PRIORITY: i64 = i64::MAX - 2;

/// Providers whose routers win among those of equal priority, where nothing is set.
const PRECEDENCE: [&str; 5] = [INTERNAL, "file", "consulcatalog", "nomad", "http"];

/// Puts everything together; providers are given with their names (`file`, `consulcatalog`) in order of
/// precedence.
pub fn assemble(fixed: &StaticConfig, providers: Vec<(String, ProviderConfig)>) -> Config {
    let mut config = Config {
        entry_points: fixed.entry_points.clone(),
        provider_precedence: match fixed.providers.precedence.as_slice() {
            [] => PRECEDENCE.map(str::to_owned).to_vec(),
            set => set.to_vec(),
        },
        strict_tls_options: fixed.core.as_ref().is_some_and(|c| c.strict_tls_options),
        split_all_entry_points: fixed.core.as_ref().is_some_and(|c| !c.default_rule_syntax.is_empty()),
        ..Config::default()
    };
    let mut all = vec![(INTERNAL.to_owned(), internal(fixed))];
    all.extend(providers);
    merge(&mut config, all);
    config
}

fn internal(fixed: &StaticConfig) -> ProviderConfig {
    let mut own = ProviderConfig::default();
    services(fixed, &mut own);
    for (name, entry_point) in &fixed.entry_points {
        if let Some(to) = entry_point.http.redirections.as_ref().and_then(|r| r.entry_point.as_ref()) {
            redirection(fixed, name, to, &mut own);
        }
    }
    if let Some(ping) = fixed.ping.as_ref().filter(|p| !p.manual_routing) {
        add(&mut own, "ping", &ping.entry_point, "/ping", Internal::Ping);
    }
    if let Some(api) = fixed.api.as_ref().filter(|a| a.insecure) {
        let base = api.base_path.trim_end_matches('/');
        add(&mut own, "api", IMPLICIT_ENTRY_POINT, &format!("{base}/api"), Internal::Api);
        if api.dashboard {
            add(&mut own, "dashboard", IMPLICIT_ENTRY_POINT, &format!("{base}/"), Internal::Dashboard);
        }
        if api.debug {
            add(&mut own, "debug", IMPLICIT_ENTRY_POINT, &format!("{base}/debug"), Internal::Api);
        }
    }
    let prometheus = fixed.metrics.as_ref().and_then(|m| m.prometheus.as_ref());
    if let Some(prometheus) = prometheus.filter(|p| !p.manual_routing) {
        add(&mut own, "prometheus", &prometheus.entry_point, "/metrics", Internal::Prometheus);
    }
    for resolver in fixed.certificates_resolvers.values() {
        if let Some(challenge) = resolver.acme.as_ref().and_then(|a| a.http_challenge.as_ref()) {
            let prefix = "/.well-known/acme-challenge/";
            add(&mut own, "acme-http", &challenge.entry_point, prefix, Internal::AcmeHttp);
            if let Some(router) = own.http.routers.get_mut("acme-http") {
                router.priority = i64::MAX;
            }
        }
    }
    own
}

/// The services that exist with these options.
fn services(fixed: &StaticConfig, own: &mut ProviderConfig) {
    let prometheus = fixed.metrics.as_ref().is_some_and(|m| m.prometheus.is_some());
    let challenge =
        |r: &baton_routing::config::CertificateResolver| r.acme.as_ref().is_some_and(|a| a.http_challenge.is_some());
    let exists = |service: &Internal| match service {
        Internal::Noop => true,
        Internal::Api => fixed.api.is_some(),
        Internal::Dashboard => fixed.api.as_ref().is_some_and(|a| a.dashboard),
        Internal::Ping => fixed.ping.is_some(),
        Internal::Prometheus => prometheus,
        Internal::Rest => false,
        Internal::AcmeHttp => fixed.certificates_resolvers.values().any(challenge),
    };
    for service in Internal::ALL.into_iter().filter(exists) {
        let name = service.name().trim_end_matches("@internal").to_owned();
        own.http.services.insert(name, Service::Internal(service));
    }
}

/// A router to an internal service by path prefix. The routers of one service on several entry points share it.
fn add(own: &mut ProviderConfig, name: &str, entry_point: &str, prefix: &str, service: Internal) {
    let router = own.http.routers.entry(name.to_owned()).or_insert_with(|| Router {
        rule: format!("PathPrefix(`{prefix}`)"),
        matcher: Some(Rule::PathPrefix(prefix.to_owned())),
        service: service.name().to_owned(),
        priority: match service {
            Internal::Dashboard => INTERNAL_PRIORITY - 1,
            _ => INTERNAL_PRIORITY,
        },
        ..Router::default()
    });
    if !router.entry_points.iter().any(|e| e == entry_point) {
        router.entry_points.push(entry_point.to_owned());
    }
}

/// `<from>-to-<to>@internal`, with its middleware.
fn redirection(fixed: &StaticConfig, from: &str, redirection: &Redirection, own: &mut ProviderConfig) {
    let Ok(pattern) = Pattern::new("^.+$") else { return };
    let target = redirection.to.trim_start_matches(':');
    let name = format!("{from}-to-{target}");
    let middleware = format!("redirect-{name}");
    own.http.middlewares.insert(
        middleware.clone(),
        Middleware::RedirectScheme(RedirectScheme {
            scheme: redirection.scheme.clone(),
            port: port_of(fixed, redirection).unwrap_or_default(),
            permanent: redirection.permanent,
            for_entry_point: true,
        }),
    );
    own.http.routers.insert(
        name,
        Router {
            entry_points: vec![from.to_owned()],
            middlewares: vec![middleware],
            service: Internal::Noop.name().to_owned(),
            rule: "HostRegexp(`^.+$`)".to_owned(),
            matcher: Some(Rule::HostRegexp(pattern)),
            priority: redirection.priority,
            ..Router::default()
        },
    );
}

/// The port that clients are sent to: of the entry point, or as written.
fn port_of(fixed: &StaticConfig, redirection: &Redirection) -> Option<String> {
    match redirection.to.strip_prefix(':') {
        Some(port) => Some(port.to_owned()),
        None => Some(fixed.entry_points.get(&redirection.to)?.bind().ok()?.port.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use baton_routing::{compile, problem::Status, table::Implemented};

    use super::*;
    use crate::{
        dynamic::{Context, parse_file},
        static_config::{Sources, load},
    };

    fn built(fixed: &str, dynamic: &str) -> baton_routing::RouteTable {
        let loaded = load(Sources { file: Some(("s.yml", fixed.as_bytes())), ..Sources::default() });
        assert!(!loaded.is_broken(), "{:?}", loaded.findings);
        let context = Context { default_syntax: loaded.config.default_syntax(), ..Context::default() };
        let file = parse_file("d.yml", dynamic.as_bytes(), &context).unwrap();
        let config = assemble(&loaded.config, vec![("file".to_owned(), file.config)]);
        compile(&config, &Implemented::ALL)
    }

    #[test]
    fn internal_objects_follow_from_options() {
        let table = built(
            "entryPoints:\n  web: {address: ':80', http: {redirections: {entryPoint: {to: secure}}}}\n  secure: {address: ':443'}\n  admin: {address: ':8080'}\napi: {}\nping: {entryPoint: admin}\nmetrics: {prometheus: {entryPoint: admin}}\n",
            "http:\n  routers:\n    api: {entryPoints: [admin], rule: 'PathPrefix(`/api`) || PathPrefix(`/dashboard`)', service: api@internal, middlewares: [guard@file]}\n  middlewares:\n    guard: {ipWhiteList: {sourcerange: 127.0.0.1/32}}\n",
        );
        assert!(table.problems.is_empty(), "{:?}", table.problems);
        let mut names: Vec<_> = table.routes.iter().map(|r| r.name.to_string()).collect();
        names.sort();
        assert_eq!(names, ["api@file", "ping@internal", "prometheus@internal", "web-to-secure@internal"]);
        let route = table.routes.iter().find(|r| r.name.starts_with("web-to")).unwrap();
        let Middleware::RedirectScheme(redirect) = &route.middlewares[0].config else { panic!("no redirect") };
        assert_eq!((redirect.port.as_str(), redirect.permanent), ("443", true));
        let mut services: Vec<_> = table.report.services.keys().map(String::as_str).collect();
        services.sort_unstable();
        assert_eq!(
            services,
            ["api@internal", "dashboard@internal", "noop@internal", "ping@internal", "prometheus@internal"]
        );
    }

    #[test]
    fn the_api_must_be_on_to_be_routed() {
        let table = built(
            "entryPoints: {web: {address: ':80'}}",
            "http: {routers: {api: {rule: 'PathPrefix(`/api`)', service: api@internal}}}",
        );
        assert_eq!(table.report.routers["api@file"].status, Status::Disabled);
        let insecure = built("api: {insecure: true}", "");
        assert!(insecure.routes.iter().any(|r| &*r.name == "dashboard@internal"));
        assert_eq!(insecure.entry_points["traefik"].bind.port, 8080);
    }

    #[test]
    fn a_default_rule_syntax_splits_routers_of_several_entry_points() {
        let fixed = "entryPoints: {web: {address: ':80'}, api: {address: ':81'}}\ncore: {defaultRuleSyntax: v2}\n";
        let table = built(
            fixed,
            "http:\n  routers:\n    both: {rule: 'Host(`a`, `b`)', service: s}\n    one: {rule: 'Host(`c`)', service: s, entryPoints: [web]}\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}\n",
        );
        let mut names: Vec<_> = table.routes.iter().map(|r| r.name.to_string()).collect();
        names.sort();
        assert_eq!(names, ["api-both@file", "one@file", "web-both@file"]);
    }
}
