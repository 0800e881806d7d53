//! `http`: routers, services, middlewares and transports.

use baton_routing::{
    Kind,
    config::{Middleware, RateLimit, Router, ServersTransport, Service},
    problem,
};

use super::{NoRule, Reader, Unknown};
use crate::{
    document::{Entry, Node},
    rules,
};

impl Reader<'_> {
    pub(super) fn http(&mut self, section: &Node) {
        self.keys(section, "http", &["routers", "services", "middlewares", "serversTransports", "models"]);
        if let Some(models) = section.get("models") {
            self.warn(&models.at, "http.models", "models are made of entry points: they are ignored in files");
        }
        let routers = self.each(section, "http.routers", Kind::Router, Self::router);
        self.out.config.http.routers = routers;
        let services = self.each(section, "http.services", Kind::Service, |r, name, entry, path| {
            r.one_of(Kind::Service, name, entry, path).unwrap_or(Service::Invalid)
        });
        self.out.config.http.services = services;
        let middlewares = self.each(section, "http.middlewares", Kind::Middleware, Self::middleware);
        self.out.config.http.middlewares = middlewares;
        self.out.config.http.servers_transports =
            self.each(section, "http.serversTransports", Kind::ServersTransport, |r, name, entry, path| {
                r.spiffe(Kind::ServersTransport, name, entry.value.get("spiffe"), path);
                r.record::<ServersTransport>(Kind::ServersTransport, name, entry, path, Unknown::Closes)
            });
    }

    fn middleware(&mut self, name: &str, entry: &Entry, path: &str) -> Middleware {
        let mut middleware = self.one_of(Kind::Middleware, name, entry, path).unwrap_or(Middleware::Invalid);
        match &mut middleware {
            Middleware::IpAllowList(m) if m.reject_status_code == Some(0) => m.reject_status_code = None,
            Middleware::RateLimit(m) if m.period.is_zero() => m.period = RateLimit::default().period,
            _ => {}
        }
        match &middleware {
            Middleware::RedirectScheme(m) if !m.port.is_empty() && m.port.parse::<u16>().is_err() => {
                self.warn(&entry.at, path, format!("port {:?} is no port that a client can reach", m.port));
            }
            Middleware::IpWhiteList(_) => self.warn(&entry.at, path, "ipWhiteList is deprecated: write ipAllowList"),
            Middleware::StripPrefix(m) if m.force_slash.is_some() => {
                self.warn(&entry.at, path, "forceSlash is deprecated");
            }
            Middleware::ContentType(m) if m.auto_detect.is_some() => {
                self.warn(
                    &entry.at,
                    path,
                    "autoDetect is deprecated: leave the middleware out instead of setting it to false",
                );
            }
            Middleware::Headers(h) => {
                let dead = [
                    ("sslRedirect", h.ssl_redirect.is_some()),
                    ("sslTemporaryRedirect", h.ssl_temporary_redirect.is_some()),
                    ("sslHost", h.ssl_host.is_some()),
                    ("sslForceHost", h.ssl_force_host.is_some()),
                    ("featurePolicy", h.feature_policy.is_some()),
                ];
                for (key, _) in dead.iter().filter(|(_, set)| *set) {
                    self.warn(
                        &entry.at,
                        path,
                        format!("{key} has no effect any more: use redirectScheme or permissionsPolicy"),
                    );
                }
            }
            _ => {}
        }
        middleware
    }

    fn router(&mut self, name: &str, entry: &Entry, path: &str) -> Router {
        let mut router: Router = self.record(Kind::Router, name, entry, path, Unknown::Closes);
        if !router.parent_refs.is_empty() {
            let message = "parentRefs (multi-layer routing) are known but not implemented";
            self.problem(Kind::Router, name, problem::Severity::Closed, message);
            self.error(&entry.at, path, message, None);
        }
        let syntax = self.syntax_of(Kind::Router, name, entry, path, &router.rule_syntax);
        if router.rule.is_empty() && self.no_rule == NoRule::Filled {
            return router;
        }
        match rules::parse_http(&router.rule, syntax) {
            Ok(parsed) => {
                for warning in parsed.warnings {
                    self.problem(Kind::Router, name, problem::Severity::Warning, &warning);
                    self.warn(&entry.at, path, warning);
                }
                router.matcher = Some(parsed.rule);
            }
            Err(error) => self.rule_error(Kind::Router, name, entry, path, &router.rule, error),
        }
        router
    }
}
