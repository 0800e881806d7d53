//! From a document to a provider's configuration, object by object.

use baton_routing::{
    Kind, ObjectRef, Problem,
    config::{
        Certificate, Middleware, Named, RateLimit, Router, ServersTransport, Service, TcpLoadBalancer, TcpMiddleware,
        TcpRouter, TcpServersTransport, TcpService, TlsOptions, TlsStore, UdpRouter, UdpService,
    },
    problem,
};
use serde::de::DeserializeOwned;

use super::{Context, Lowered};
use crate::{
    decode::{Fault, Mistake, decode, mistakes_of},
    document::{Entry, Node, Value},
    finding::{Finding, Mark, Severity, nearest},
    rules::{self, RuleError, Syntax},
    static_config::recognised::{RateLimitRedis, Spiffe},
};

const SECTIONS: &[&str] = &["http", "tcp", "udp", "tls"];

/// Kinds of middlewares that only other providers of Traefik set, in lower case.
const INTERNAL_KINDS: &[&str] = &[
    "requestheadermodifier",
    "responseheadermodifier",
    "requestredirect",
    "urlrewrite",
    "authtlspasscertificatetoupstream",
    "snippet",
    "rewritetarget",
    "upstreamvhost",
    "approot",
];

/// What a router without a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRule {
    /// A mistake.
    Wrong,
    /// Fine: the reader of tags fills in the default rule.
    Filled,
}

/// Reads a whole document; `file` stands in the findings.
pub(crate) fn lower(root: &Node, file: &str, context: &Context, no_rule: NoRule) -> Lowered {
    let mut reader = Reader { file, syntax: context.default_syntax, no_rule, out: Lowered::default() };
    reader.document(root);
    reader.out
}

struct Reader<'a> {
    file: &'a str,
    syntax: Syntax,
    no_rule: NoRule,
    out: Lowered,
}

/// What an unknown key does to an object of some kind.
#[derive(Clone, Copy, PartialEq)]
enum Unknown {
    Closes,
    Warns,
}

impl Reader<'_> {
    fn document(&mut self, root: &Node) {
        if !matches!(root.value, Value::Map(_) | Value::Null) {
            self.refuse(&root.at, "", format!("expected a map of sections, found {}", root.kind()), None);
            return;
        }
        for entry in root.entries() {
            let node = &entry.value;
            if node.value == Value::Null {
                self.nothing(&entry.at, &entry.key);
                continue;
            }
            match entry.key.to_ascii_lowercase().as_str() {
                "http" if self.has_options(node, "http") => self.http(node),
                "tcp" if self.has_options(node, "tcp") => self.tcp(node),
                "udp" if self.has_options(node, "udp") => self.udp(node),
                "tls" if self.has_options(node, "tls") => self.tls(node),
                "http" | "tcp" | "udp" | "tls" => {}
                _ => {
                    let message = format!("unknown section {:?} is ignored", entry.key);
                    let finding = Finding::new(Severity::Warning, self.file, &entry.at, &entry.key, message);
                    self.out.findings.push(finding.suggest(nearest(&entry.key, SECTIONS.iter().copied())));
                }
            }
        }
    }

    fn http(&mut self, section: &Node) {
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

    fn tcp(&mut self, section: &Node) {
        self.keys(section, "tcp", &["routers", "services", "middlewares", "serversTransports"]);
        self.out.config.tcp.routers = self.each(section, "tcp.routers", Kind::TcpRouter, Self::tcp_router);
        self.out.config.tcp.services = self.each(section, "tcp.services", Kind::TcpService, |r, name, entry, path| {
            let service = r.one_of(Kind::TcpService, name, entry, path).unwrap_or(TcpService::Invalid);
            if let TcpService::LoadBalancer(TcpLoadBalancer { proxy_protocol: Some(protocol), .. }) = &service
                && !(1..=2).contains(&protocol.version)
            {
                let message = format!("unknown proxyProtocol version: {}", protocol.version);
                r.problem(Kind::TcpService, name, problem::Severity::Disabled, &message);
                r.error(&entry.at, path, message, None);
            }
            service
        });
        self.out.config.tcp.middlewares =
            self.each(section, "tcp.middlewares", Kind::TcpMiddleware, |r, name, entry, path| {
                r.one_of(Kind::TcpMiddleware, name, entry, path).unwrap_or(TcpMiddleware::Invalid)
            });
        self.out.config.tcp.servers_transports =
            self.each(section, "tcp.serversTransports", Kind::TcpServersTransport, |r, name, entry, path| {
                let tls = entry.value.get("tls").map(|tls| &tls.value);
                r.spiffe(
                    Kind::TcpServersTransport,
                    name,
                    tls.and_then(|tls| tls.get("spiffe")),
                    &format!("{path}.tls"),
                );
                r.record::<TcpServersTransport>(Kind::TcpServersTransport, name, entry, path, Unknown::Closes)
            });
    }

    fn udp(&mut self, section: &Node) {
        self.keys(section, "udp", &["routers", "services"]);
        self.out.config.udp.routers = self.each(section, "udp.routers", Kind::UdpRouter, |r, name, entry, path| {
            r.record::<UdpRouter>(Kind::UdpRouter, name, entry, path, Unknown::Closes)
        });
        self.out.config.udp.services = self.each(section, "udp.services", Kind::UdpService, |r, name, entry, path| {
            let service = r.one_of(Kind::UdpService, name, entry, path).unwrap_or(UdpService::Invalid);
            let servers = match &service {
                UdpService::LoadBalancer(balancer) => balancer.servers.as_slice(),
                _ => &[],
            };
            for server in servers.iter().filter(|server| !server.address.contains(':')) {
                let message = format!("server address {:?}: missing port in address", server.address);
                r.problem(Kind::UdpService, name, problem::Severity::Warning, &message);
                r.error(&entry.at, path, message, None);
            }
            service
        });
    }

    fn tls(&mut self, section: &Node) {
        self.keys(section, "tls", &["certificates", "options", "stores"]);
        if let Some(entry) = section.get("certificates") {
            if !matches!(entry.value.value, Value::List(_)) {
                let message = format!("expected a list of certificates, found {}", entry.value.kind());
                self.warn(&entry.value.at, "tls.certificates", message);
            }
            for (name, node) in entry.value.parts() {
                let path = format!("tls.certificates{name}");
                if matches!(node.value, Value::Null | Value::List(_) | Value::Date) {
                    self.refuse(&node.at, &path, format!("expected a certificate, found {}", node.kind()), None);
                    continue;
                }
                if let (Value::Scalar { .. }, Value::List(_)) = (&node.value, &entry.value.value) {
                    self.warn(&node.at, &path, "expected a certificate, found a single value: it is ignored");
                    continue;
                }
                let (certificate, mistakes) = decode::<Certificate>(node, self.file, &path);
                self.mistakes(Kind::Certificate, &path, mistakes, Unknown::Warns);
                self.out.places.insert(ObjectRef::new(Kind::Certificate, path), node.at.clone());
                self.out.config.tls.certificates.push(certificate);
            }
        }
        self.out.config.tls.options = self.each(section, "tls.options", Kind::TlsOptions, |r, name, entry, path| {
            let options = r.record::<TlsOptions>(Kind::TlsOptions, name, entry, path, Unknown::Closes);
            if options.prefer_server_cipher_suites.is_some() {
                r.warn(&entry.at, path, "preferServerCipherSuites has no effect any more");
            }
            options
        });
        self.out.config.tls.stores = self.each(section, "tls.stores", Kind::TlsStore, |r, name, entry, path| {
            let store = r.record::<TlsStore>(Kind::TlsStore, name, entry, path, Unknown::Warns);
            if name != "default" {
                r.warn(&entry.at, path, "only the store \"default\" is used");
            }
            store
        });
    }

    /// All objects of a section: name by name.
    fn each<T>(
        &mut self,
        section: &Node,
        path: &str,
        kind: Kind,
        read: impl Fn(&mut Self, &str, &Entry, &str) -> T,
    ) -> Named<T> {
        let mut objects = Named::default();
        let key = path.rsplit('.').next().unwrap_or(path);
        let Some(entry) = section.get(key) else { return objects };
        if !self.has_options(&entry.value, path) {
            return objects;
        }
        let listed = named_by_place(&entry.value);
        if !listed.is_empty() {
            let message = "expected a map of names, found a list: its items count as named \"[0]\", \"[1]\", …";
            self.warn(&entry.value.at, path, message);
        }
        for object in entry.value.entries().iter().chain(&listed) {
            if object.value.value == Value::Null {
                self.nothing(&object.at, &format!("{path}.{}", object.key));
                continue;
            }
            self.out.places.insert(ObjectRef::new(kind, object.key.clone()), object.at.clone());
            let value = read(self, &object.key, object, &format!("{path}.{}", object.key));
            objects.insert(object.key.clone(), value);
        }
        objects
    }

    fn record<T: DeserializeOwned + Default>(
        &mut self,
        kind: Kind,
        name: &str,
        entry: &Entry,
        path: &str,
        unknown: Unknown,
    ) -> T {
        let (value, mistakes) = decode::<T>(&entry.value, self.file, path);
        self.mistakes(kind, name, mistakes, unknown);
        value
    }

    /// Options that are recognised only.
    fn spiffe(&mut self, kind: Kind, name: &str, spiffe: Option<&Entry>, path: &str) {
        let Some(spiffe) = spiffe else { return };
        let path = format!("{path}.spiffe");
        let mistakes = mistakes_of::<Spiffe>(&spiffe.value, self.file, &path);
        self.mistakes(kind, name, mistakes, Unknown::Closes);
        self.warn(&spiffe.at, &path, "known but not implemented: without effect");
    }

    /// An object that is exactly one of several kinds.
    fn one_of<T: DeserializeOwned>(&mut self, kind: Kind, name: &str, entry: &Entry, path: &str) -> Option<T> {
        let word = if matches!(kind, Kind::Middleware | Kind::TcpMiddleware) { "middleware" } else { "service" };
        let (mut kinds, mut others) = (Vec::new(), false);
        for option in entry.value.entries() {
            let key = option.key.to_ascii_lowercase();
            let path = format!("{path}.{}", option.key);
            if option.value.value == Value::Null {
                self.nothing(&option.at, &path);
            } else if word == "service" && key == "middlewares" {
                others = true;
            } else if kind == Kind::Middleware && INTERNAL_KINDS.contains(&key.as_str()) {
                self.warn(&option.at, &path, "the kind is for other providers: it is ignored in files");
            } else {
                kinds.push(option);
            }
        }
        if others {
            let message = "middlewares on a service are known but not implemented";
            self.problem(kind, name, problem::Severity::Closed, message);
            self.error(&entry.at, path, message, None);
        }
        if kinds.len() > 1 {
            let message = format!(
                "cannot create {word}: multi-types {word} not supported, consider declaring two different pieces of {word} instead"
            );
            self.problem(kind, name, problem::Severity::Disabled, &message);
            self.error(&kinds[1].at, path, message, None);
            return None;
        }
        let Some(only) = kinds.first().filter(|_| !entry.value.lists_maps()) else {
            if entry.value.lists_maps() {
                self.refuse(&entry.value.at, path, format!("expected a {word}, found {}", entry.value.kind()), None);
            }
            return self.without_kind(kind, name, entry, path, word);
        };
        let node = Node { value: Value::Map(vec![(*only).clone()]), at: entry.value.at.clone() };
        let (value, mistakes) = decode::<Option<T>>(&node, self.file, path);
        let unknown = if word == "service" { Unknown::Warns } else { Unknown::Closes };
        let mistakes = mistakes.into_iter().chain(self.kept_plain(kind, &node, path)).collect::<Vec<_>>();
        let refused = mistakes.iter().any(|(_, finding)| finding.is_error());
        self.mistakes(kind, name, mistakes, unknown);
        match value {
            // `compress: false`
            None if !refused => self.without_kind(kind, name, entry, path, word),
            None => {
                self.problem(kind, name, problem::Severity::Closed, &format!("the {word} could not be read"));
                None
            }
            value => value,
        }
    }

    /// Mistakes in options that the records keep as they stand, or have for another kind.
    fn kept_plain(&self, kind: Kind, node: &Node, path: &str) -> Vec<Mistake> {
        let mut found = Vec::new();
        for of in node.entries() {
            let key = of.key.to_ascii_lowercase();
            let foreign: &[&str] = match (kind, key.as_str()) {
                (Kind::Middleware, "ipwhitelist") => &["rejectStatusCode"],
                (Kind::TcpMiddleware, "ipwhitelist" | "ipallowlist") => &["rejectStatusCode", "ipStrategy"],
                _ => &[],
            };
            for entry in of.value.entries() {
                let path = format!("{path}.{}.{}", of.key, entry.key);
                if foreign.iter().any(|key| key.eq_ignore_ascii_case(&entry.key)) {
                    let message = format!("unknown key {:?}", entry.key);
                    let finding = Finding::new(Severity::Fatal, self.file, &entry.at, &path, message);
                    found.push((Fault::UnknownKey, finding));
                }
                let option = (key.as_str(), entry.key.to_ascii_lowercase());
                if kind == Kind::Middleware && option == ("ratelimit", "redis".to_owned()) {
                    found.extend(mistakes_of::<RateLimitRedis>(&entry.value, self.file, &path));
                }
                if kind == Kind::Middleware
                    && option == ("ratelimit", "period".to_owned())
                    && matches!(&entry.value.value, Value::Scalar { text, .. } if text.starts_with('-'))
                {
                    let message = "negative value not valid for period";
                    let finding = Finding::new(Severity::Error, self.file, &entry.value.at, &path, message);
                    found.push((Fault::BadValue, finding));
                }
            }
        }
        found
    }

    fn without_kind<T>(&mut self, kind: Kind, name: &str, entry: &Entry, path: &str, word: &str) -> Option<T> {
        let message = format!("the {word} {name:?} does not have any type defined");
        self.problem(kind, name, problem::Severity::Disabled, &message);
        self.error(&entry.at, path, message, None);
        None
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

    fn tcp_router(&mut self, name: &str, entry: &Entry, path: &str) -> TcpRouter {
        let mut router: TcpRouter = self.record(Kind::TcpRouter, name, entry, path, Unknown::Closes);
        let syntax = self.syntax_of(Kind::TcpRouter, name, entry, path, &router.rule_syntax);
        match rules::parse_tcp(&router.rule, syntax) {
            Ok(parsed) => router.matcher = Some(parsed.rule),
            Err(error) => self.rule_error(Kind::TcpRouter, name, entry, path, &router.rule, error),
        }
        router
    }

    fn syntax_of(&mut self, kind: Kind, name: &str, entry: &Entry, path: &str, text: &str) -> Syntax {
        match Syntax::parse(text) {
            Some(syntax) => syntax,
            None if text.is_empty() => self.syntax,
            None => {
                let message = format!("ruleSyntax {text:?} is neither v2 nor v3, the default is used");
                self.problem(kind, name, problem::Severity::Warning, &message);
                self.warn(&entry.at, path, message);
                self.syntax
            }
        }
    }

    fn rule_error(&mut self, kind: Kind, name: &str, entry: &Entry, path: &str, rule: &str, error: RuleError) {
        let message = format!("error while parsing rule {rule}: {}", error.message);
        self.problem(kind, name, problem::Severity::Disabled, &message);
        let node = entry.value.get("rule").map(|e| &e.value);
        let at = node.map_or_else(|| entry.at.clone(), |node| inside(node, rule, error.offset));
        self.error(&at, &format!("{path}.rule"), error.message, error.suggestion);
    }

    /// Turns an object's mistakes into findings and problems.
    fn mistakes(&mut self, kind: Kind, name: &str, mistakes: Vec<Mistake>, unknown: Unknown) {
        for (fault, finding) in mistakes {
            let severity = match fault {
                Fault::Nothing | Fault::Ignored => problem::Severity::Warning,
                Fault::UnknownKey if unknown == Unknown::Warns => problem::Severity::Warning,
                Fault::UnknownKey | Fault::BadValue => problem::Severity::Closed,
            };
            let place = if finding.line > 0 { format!("{}:{}: ", finding.file, finding.line) } else { String::new() };
            self.problem(kind, name, severity, &format!("{place}{}", finding.message));
            self.out.findings.push(finding);
        }
    }

    /// Whether a map has options; one without is refused.
    fn has_options(&mut self, node: &Node, path: &str) -> bool {
        let has = matches!(node.value, Value::Map(_)) && !node.is_bare() || node.lists_maps();
        if !has {
            let name = path.rsplit('.').next().unwrap_or(path);
            let found = if matches!(node.value, Value::Map(_)) { "" } else { node.kind() };
            let found = if found.is_empty() { String::new() } else { format!(", found {found}") };
            let message = format!("{name} cannot be a standalone element: it needs options{found}");
            self.refuse(&node.at, path, message, None);
        }
        has
    }

    fn nothing(&mut self, at: &Mark, path: &str) {
        self.warn(at, path, "nothing stands here, so the key counts as absent");
    }

    /// Reports keys of a section that nobody knows.
    fn keys(&mut self, section: &Node, path: &str, known: &'static [&'static str]) {
        if section.lists_maps() {
            self.refuse(&section.at, path, format!("expected a map, found {}", section.kind()), None);
        }
        for entry in section.entries() {
            if entry.value.value == Value::Null {
                self.nothing(&entry.at, &format!("{path}.{}", entry.key));
            } else if !known.iter().any(|k| k.eq_ignore_ascii_case(&entry.key)) {
                let suggestion = nearest(&entry.key, known.iter().copied());
                self.refuse(
                    &entry.at,
                    &format!("{path}.{}", entry.key),
                    format!("unknown key {:?}", entry.key),
                    suggestion,
                );
            }
        }
    }

    fn problem(&mut self, kind: Kind, name: &str, severity: problem::Severity, message: &str) {
        self.out.config.problems.push(Problem::new(kind, name, severity, message));
    }

    fn error(&mut self, at: &Mark, path: &str, message: impl Into<String>, suggestion: Option<String>) {
        let finding = Finding::new(Severity::Error, self.file, at, path, message);
        self.out.findings.push(finding.suggest(suggestion));
    }

    fn refuse(&mut self, at: &Mark, path: &str, message: impl Into<String>, suggestion: Option<String>) {
        let finding = Finding::new(Severity::Fatal, self.file, at, path, message);
        self.out.findings.push(finding.suggest(suggestion));
    }

    fn warn(&mut self, at: &Mark, path: &str, message: impl Into<String>) {
        self.out.findings.push(Finding::new(Severity::Warning, self.file, at, path, message));
    }
}

/// The maps of a list that stands where a map of names is expected, as entries.
fn named_by_place(node: &Node) -> Vec<Entry> {
    let Value::List(items) = &node.value else { return Vec::new() };
    let maps = items.iter().enumerate().filter(|(_, item)| matches!(item.value, Value::Map(_)));
    maps.map(|(at, item)| Entry { key: format!("[{at}]"), at: item.at.clone(), value: item.clone() }).collect()
}

/// The place of a byte inside a value that stands on one line.
fn inside(node: &Node, text: &str, offset: usize) -> Mark {
    let mut at = node.at.clone();
    if let Value::Scalar { plain, .. } = &node.value
        && !text.contains('\n')
        && at.line > 0
    {
        let before = text.get(..offset).map_or(0, |t| t.chars().count()) as u32;
        at.column += before + u32::from(!plain);
    }
    at
}
