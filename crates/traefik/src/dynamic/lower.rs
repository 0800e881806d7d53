//! From a document to a provider's configuration, object by object.

use baton_routing::{
    Kind, ObjectRef, Problem,
    config::{
        Certificate, Middleware, Named, Router, ServersTransport, Service, TcpMiddleware, TcpRouter,
        TcpServersTransport, TcpService, TlsOptions, TlsStore, UdpRouter, UdpService,
    },
    problem,
};
use serde::de::DeserializeOwned;

use super::{Context, Lowered};
use crate::{
    decode::{Fault, Mistake, decode},
    document::{Entry, Node, Value},
    finding::{Finding, Mark, Severity, nearest},
    rules::{self, RuleError, Syntax},
};

const SECTIONS: &[&str] = &["http", "tcp", "udp", "tls"];

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
            match entry.key.to_ascii_lowercase().as_str() {
                "http" => self.http(node),
                "tcp" => self.tcp(node),
                "udp" => self.udp(node),
                "tls" => self.tls(node),
                _ => {
                    let message = format!("unknown section {:?} is ignored", entry.key);
                    let finding = Finding::new(Severity::Warning, self.file, &entry.at, &entry.key, message);
                    self.out.findings.push(finding.suggest(nearest(&entry.key, SECTIONS.iter().copied())));
                }
            }
        }
    }

    fn http(&mut self, section: &Node) {
        self.keys(section, "http", &["routers", "services", "middlewares", "serversTransports"]);
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
                r.record::<ServersTransport>(Kind::ServersTransport, name, entry, path, Unknown::Closes)
            });
    }

    fn tcp(&mut self, section: &Node) {
        self.keys(section, "tcp", &["routers", "services", "middlewares", "serversTransports"]);
        self.out.config.tcp.routers = self.each(section, "tcp.routers", Kind::TcpRouter, Self::tcp_router);
        self.out.config.tcp.services = self.each(section, "tcp.services", Kind::TcpService, |r, name, entry, path| {
            r.one_of(Kind::TcpService, name, entry, path).unwrap_or(TcpService::Invalid)
        });
        self.out.config.tcp.middlewares =
            self.each(section, "tcp.middlewares", Kind::TcpMiddleware, |r, name, entry, path| {
                r.one_of(Kind::TcpMiddleware, name, entry, path).unwrap_or(TcpMiddleware::Invalid)
            });
        self.out.config.tcp.servers_transports =
            self.each(section, "tcp.serversTransports", Kind::TcpServersTransport, |r, name, entry, path| {
                r.record::<TcpServersTransport>(Kind::TcpServersTransport, name, entry, path, Unknown::Closes)
            });
    }

    fn udp(&mut self, section: &Node) {
        self.keys(section, "udp", &["routers", "services"]);
        self.out.config.udp.routers = self.each(section, "udp.routers", Kind::UdpRouter, |r, name, entry, path| {
            r.record::<UdpRouter>(Kind::UdpRouter, name, entry, path, Unknown::Closes)
        });
        self.out.config.udp.services = self.each(section, "udp.services", Kind::UdpService, |r, name, entry, path| {
            r.one_of(Kind::UdpService, name, entry, path).unwrap_or(UdpService::Invalid)
        });
    }

    fn tls(&mut self, section: &Node) {
        self.keys(section, "tls", &["certificates", "options", "stores"]);
        if let Some(entry) = section.get("certificates") {
            let items = match &entry.value.value {
                Value::List(items) => items.as_slice(),
                Value::Null => &[],
                Value::Map(_) => std::slice::from_ref(&entry.value),
                Value::Scalar { .. } => {
                    self.refuse(&entry.value.at, "tls.certificates", "expected a list of certificates", None);
                    &[]
                }
            };
            for (at, node) in items.iter().enumerate() {
                let path = format!("tls.certificates[{at}]");
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
        if !matches!(entry.value.value, Value::Map(_) | Value::Null) {
            self.refuse(&entry.value.at, path, format!("expected a map of names, found {}", entry.value.kind()), None);
        }
        for object in entry.value.entries() {
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

    /// An object that is exactly one of several kinds.
    fn one_of<T: DeserializeOwned>(&mut self, kind: Kind, name: &str, entry: &Entry, path: &str) -> Option<T> {
        let word = if matches!(kind, Kind::Middleware | Kind::TcpMiddleware) { "middleware" } else { "service" };
        let kinds: Vec<&Entry> =
            entry.value.entries().iter().filter(|e| !e.key.eq_ignore_ascii_case("middlewares")).collect();
        if word == "service" && kinds.len() != entry.value.entries().len() {
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
        if kinds.is_empty() && matches!(entry.value.value, Value::Map(_) | Value::Null) {
            let message = format!("the {word} {name:?} does not have any type defined");
            self.problem(kind, name, problem::Severity::Disabled, &message);
            self.error(&entry.at, path, message, None);
            return None;
        }
        let node = match kinds.first() {
            Some(only) => Node { value: Value::Map(vec![(*only).clone()]), at: entry.value.at.clone() },
            None => entry.value.clone(),
        };
        let (value, mistakes) = decode::<Option<T>>(&node, self.file, path);
        let unknown = if word == "service" { Unknown::Warns } else { Unknown::Closes };
        self.mistakes(kind, name, mistakes, unknown);
        if value.is_none() {
            self.problem(kind, name, problem::Severity::Closed, &format!("the {word} could not be read"));
        }
        value
    }

    fn middleware(&mut self, name: &str, entry: &Entry, path: &str) -> Middleware {
        let middleware = self.one_of(Kind::Middleware, name, entry, path).unwrap_or(Middleware::Invalid);
        match &middleware {
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
                Fault::Nothing => problem::Severity::Warning,
                Fault::UnknownKey if unknown == Unknown::Warns => problem::Severity::Warning,
                Fault::UnknownKey | Fault::BadValue => problem::Severity::Closed,
            };
            let place = if finding.line > 0 { format!("{}:{}: ", finding.file, finding.line) } else { String::new() };
            self.problem(kind, name, severity, &format!("{place}{}", finding.message));
            self.out.findings.push(finding);
        }
    }

    /// Reports keys of a section that nobody knows.
    fn keys(&mut self, section: &Node, path: &str, known: &'static [&'static str]) {
        if !matches!(section.value, Value::Map(_) | Value::Null) {
            self.refuse(&section.at, path, format!("expected a map, found {}", section.kind()), None);
        }
        for entry in section.entries() {
            if !known.iter().any(|k| k.eq_ignore_ascii_case(&entry.key)) {
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
