//! What static options demand of each other.

use baton_routing::{
    config::{Acme, Bind, EntryPoint},
    table::validate,
};

use super::{StaticConfig, dns_providers};
use crate::{
    document::{Format, Node, Value},
    finding::{Finding, Mark, Severity, nearest},
};

/// The place of an option, or of the nearest thing above it that stands in the document.
pub(super) fn place(root: &Node, path: &str) -> Mark {
    let mut node = root;
    let mut at = root.at.clone();
    for key in path.split('.') {
        let Some(entry) = node.get(key) else { break };
        at = entry.at.clone();
        node = &entry.value;
    }
    at
}

/// The place of an option that stands in the document.
pub(super) fn find(root: &Node, path: &str) -> Option<Mark> {
    let mut node = root;
    let mut at = None;
    for key in path.split('.') {
        let entry = node.get(key)?;
        at = Some(entry.at.clone());
        node = &entry.value;
    }
    at
}

struct Check<'a> {
    root: &'a Node,
    file: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Check<'_> {
    fn say(&mut self, severity: Severity, path: &str, message: impl Into<String>, suggestion: Option<String>) {
        let at = place(self.root, path);
        self.findings.push(Finding::new(severity, self.file, &at, path, message).suggest(suggestion));
    }

    fn fatal(&mut self, path: &str, message: impl Into<String>) {
        self.say(Severity::Fatal, path, message, None);
    }

    fn error(&mut self, path: &str, message: impl Into<String>) {
        self.say(Severity::Error, path, message, None);
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.say(Severity::Warning, path, message, None);
    }
}

pub(super) fn relations(config: &StaticConfig, root: &Node, file: &str, findings: &mut Vec<Finding>) {
    let mut check = Check { root, file, findings };
    entry_points(config, &mut check);
    targets(config, &mut check);
    providers(config, &mut check);
    for (name, resolver) in &config.certificates_resolvers {
        let path = format!("certificatesResolvers.{name}");
        match &resolver.acme {
            Some(_) if resolver.tailscale.is_some() => {
                check.fatal(&path, "acme and tailscale exclude each other");
            }
            Some(acme) => acme_options(config, acme, &format!("{path}.acme"), &mut check),
            None if resolver.tailscale.is_some() => {
                check.warn(&format!("{path}.tailscale"), "tailscale certificates are known but not implemented");
            }
            None => check.warn(&path, "the resolver names neither acme nor tailscale"),
        }
    }
    other_sections(config, &mut check);
}

fn entry_points(config: &StaticConfig, check: &mut Check<'_>) {
    let mut taken: Vec<(Bind, &str, bool)> = Vec::new();
    for (name, entry_point) in &config.entry_points {
        let path = format!("entryPoints.{name}");
        match entry_point.bind() {
            Err(error) => check.fatal(&format!("{path}.address"), error.to_string()),
            Ok(bind) => {
                let collides = |(other, _, reused): &&(Bind, &str, bool)| {
                    collide(&bind, other) && !(*reused && entry_point.reuse_port)
                };
                if let Some((_, other, _)) = taken.iter().find(collides) {
                    let message = format!("the entry point {other:?} has the same address");
                    check.fatal(&format!("{path}.address"), message);
                }
                taken.push((bind, name, entry_point.reuse_port));
            }
        }
        if entry_point.proxy_protocol.as_ref().is_some_and(|p| !p.insecure && p.trusted_ips.is_empty()) {
            check.fatal(&format!("{path}.proxyProtocol"), "nobody is trusted: set trustedIPs, or insecure");
        }
        redirection(config, entry_point, &path, check);
        let ranges = [
            ("forwardedHeaders", &entry_point.forwarded_headers.trusted_ips),
            ("proxyProtocol", entry_point.proxy_protocol.as_ref().map_or(&EMPTY, |p| &p.trusted_ips)),
        ];
        for (section, trusted) in ranges {
            for bad in trusted.iter().filter(|r| validate::parse_range(r).is_none()) {
                let message = format!("{bad:?} is neither an address nor a CIDR range");
                check.fatal(&format!("{path}.{section}.trustedIPs"), message);
            }
        }
        for key in ["maxConcurrentStreams", "maxDecoderHeaderTableSize", "maxEncoderHeaderTableSize"] {
            let path = format!("{path}.http2.{key}");
            let number = value(check.root, &path).and_then(|text| text.parse::<i64>().ok());
            if number.is_some_and(|number| i32::try_from(number).is_ok_and(|n| n < 0) || number > i64::from(i32::MAX)) {
                check.fatal(&path, format!("expected a number from 0 to {}", i32::MAX));
            }
        }
        if entry_point.http3.is_some() {
            check.warn(&format!("{path}.http3"), "HTTP/3 is known but not implemented: without effect");
            let path = format!("{path}.http3.advertisedPort");
            if below_zero(check.root, &path) {
                check.fatal(&path, "advertised port must be greater than or equal to zero");
            }
        }
        if name.is_empty() {
            check.fatal("entryPoints", "an entry point has an empty name");
        }
        if !matches!(entry_point.http.alias_headers_strategy.as_str(), "" | "keep" | "delete" | "reject") {
            check.fatal(&format!("{path}.http.aliasHeadersStrategy"), "expected keep, delete or reject");
        }
        if let Some(resolver) = entry_point.http.tls.as_ref().map(|t| t.cert_resolver.as_str())
            && !resolver.is_empty()
            && !config.certificates_resolvers.contains_key(resolver)
        {
            let message = format!("the certificates resolver {resolver:?} does not exist");
            check.warn(&format!("{path}.http.tls.certResolver"), message);
        }
    }
}

/// Whether two addresses cannot be listened on at once.
fn collide(one: &Bind, other: &Bind) -> bool {
    let all = |bind: &Bind| matches!(bind.host.as_str(), "" | "0.0.0.0" | "::");
    let same = one.host == other.host || all(one) || all(other);
    one.port != 0 && one.port == other.port && one.protocol == other.protocol && same
}

static EMPTY: Vec<String> = Vec::new();

fn redirection(config: &StaticConfig, entry_point: &EntryPoint, path: &str, check: &mut Check<'_>) {
    let Some(redirection) = entry_point.http.redirections.as_ref().and_then(|r| r.entry_point.as_ref()) else {
        return;
    };
    let path = format!("{path}.http.redirections.entryPoint");
    let to = &redirection.to;
    if redirection.scheme.is_empty() {
        check.error(&format!("{path}.scheme"), "the scheme cannot be empty");
    }
    if let Some(port) = to.strip_prefix(':') {
        if port.is_empty() || port.bytes().any(|b| !b.is_ascii_digit()) {
            check.error(&format!("{path}.to"), format!("{to:?} is not a port"));
        } else if port.parse::<u16>().is_err() {
            check.warn(&format!("{path}.to"), format!("{to:?} is no port that a client can reach"));
        }
    } else if to.is_empty() {
        check.error(&path, "'to' must name an entry point or a port such as :443");
    } else if !config.entry_points.contains_key(to) {
        let suggestion = nearest(to, config.entry_points.keys().map(String::as_str));
        let message = format!("'to' entry point field references a non-existing entry point: {to}");
        check.say(Severity::Error, &format!("{path}.to"), message, suggestion);
    }
}

/// Sections that are served at an entry point.
fn targets(config: &StaticConfig, check: &mut Check<'_>) {
    let ping = config.ping.as_ref().filter(|p| !p.manual_routing).map(|p| ("ping.entryPoint", &p.entry_point));
    let metrics = config.metrics.as_ref().and_then(|m| m.prometheus.as_ref()).filter(|p| !p.manual_routing);
    let metrics = metrics.map(|p| ("metrics.prometheus.entryPoint", &p.entry_point));
    for (path, name) in ping.into_iter().chain(metrics) {
        if !config.entry_points.contains_key(name) {
            let suggestion = nearest(name, config.entry_points.keys().map(String::as_str));
            check.say(Severity::Error, path, format!("the entry point {name:?} does not exist"), suggestion);
        }
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_.:~-".contains(c);
    if let Some(api) = &config.api
        && !(api.base_path.starts_with('/') && api.base_path.chars().all(plain))
    {
        check.fatal("api.basePath", "the base path must be a valid absolute URL path");
    }
}

fn providers(config: &StaticConfig, check: &mut Check<'_>) {
    for key in config.providers.unimplemented() {
        check.warn(&format!("providers.{key}"), "the provider is known but not implemented: nothing comes from it");
    }
    if let Some(file) = &config.providers.file {
        match (file.directory.is_empty(), file.filename.is_empty()) {
            (true, true) => check.error("providers.file", "neither directory nor filename is set"),
            (true, false) if Format::of(&file.filename).is_none() => {
                check.error("providers.file.filename", "the name ends neither in .yml, .yaml nor .toml");
            }
            (false, false) => check.warn("providers.file", "the directory is used, filename is ignored"),
            _ => {}
        }
    }
    if let Some(http) = &config.providers.http {
        if http.endpoint.is_empty() {
            check.error("providers.http.endpoint", "non-empty endpoint is required");
        }
        let negative = value(check.root, "providers.http.pollInterval").is_some_and(|text| text.starts_with('-'));
        if http.poll_interval.is_zero() || negative {
            check.error("providers.http.pollInterval", "poll interval must be greater than 0");
        }
    }
    if let Some(catalog) = &config.providers.consul_catalog {
        let path = "providers.consulCatalog";
        if let Err(error) = crate::tags::Constraint::parse(&catalog.constraints) {
            check.error(&format!("{path}.constraints"), error.to_string());
        }
        if let Err(error) = crate::tags::DefaultRule::parse(&catalog.default_rule) {
            check.error(&format!("{path}.defaultRule"), error.to_string());
        }
        if catalog.connect_aware || catalog.connect_by_default {
            check.warn(&format!("{path}.connectAware"), "Consul Connect is known but not implemented");
        }
        for state in &catalog.strict_checks {
            if !matches!(state.as_str(), "any" | "passing" | "warning" | "critical" | "maintenance") {
                check.warn(&format!("{path}.strictChecks"), format!("{state:?} is no state of a check"));
            }
        }
        if !catalog.namespaces.is_empty() {
            check.warn(&format!("{path}.namespaces"), "namespaces are known but not implemented");
        }
    }
}

/// Options that need each other, or exclude each other.
fn together(config: &StaticConfig, check: &mut Check<'_>) {
    let experimental = config.experimental.as_ref();
    let logs = experimental.is_some_and(|e| e.otlp_logs);
    let sends = [
        ("log.otlp", config.log.as_ref().is_some_and(|l| l.otlp.is_some())),
        ("accessLog.otlp", config.access_log.as_ref().is_some_and(|a| a.otlp.is_some())),
    ];
    for (path, _) in sends.iter().filter(|(_, set)| *set && !logs) {
        check.fatal(path, "needs experimental.otlpLogs");
    }
    if config.providers.knative.is_some() && !experimental.is_some_and(|e| e.knative) {
        check.fatal("providers.knative", "needs experimental.knative");
    }
    for section in ["log", "accessLog", "metrics", "tracing"] {
        let path = format!("{section}.otlp.grpc");
        let set = |key: &str| find(check.root, &format!("{path}.{key}")).is_some();
        if set("tls") && value(check.root, &format!("{path}.insecure")).is_some_and(|text| text == "true") {
            check.fatal(&path, "tls and insecure exclude each other");
        }
    }
    let nginx = config.providers.kubernetes_ingress_nginx.as_ref();
    if nginx.is_some_and(|n| !n.watch_namespace.is_empty() && !n.watch_namespace_selector.is_empty()) {
        let path = "providers.kubernetesIngressNGINX";
        check.fatal(path, "watchNamespace and watchNamespaceSelector exclude each other");
    }
    for (from, to) in config.ocsp.iter().flat_map(|o| &o.responder_overrides) {
        if to.is_empty() {
            check.fatal("ocsp.responderOverrides", format!("the responder in place of {from} cannot be empty"));
        }
    }
    if let Some(name) = config.providers.plugin.iter().flat_map(|p| p.keys()).next() {
        let known = experimental.is_some_and(|e| e.plugins.contains_key(name) || e.local_plugins.contains_key(name));
        if !known {
            check.fatal("providers.plugin", format!("no plugin {name:?} stands under experimental"));
        }
    }
    for name in &config.providers.precedence {
        if !PROVIDERS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            let suggestion = nearest(name, PROVIDERS.iter().copied());
            let message = format!("provider {name:?} is not a valid provider name");
            check.say(Severity::Fatal, "providers.precedence", message, suggestion);
        }
    }
    let rules = [
        ("docker", config.providers.docker.as_ref().map(|p| &p.default_rule)),
        ("swarm", config.providers.swarm.as_ref().map(|p| &p.default_rule)),
        ("nomad", config.providers.nomad.as_ref().map(|p| &p.default_rule)),
        ("ecs", config.providers.ecs.as_ref().map(|p| &p.default_rule)),
    ];
    for (name, rule) in rules {
        if let Some(Err(error)) = rule.filter(|rule| !rule.is_empty()).map(|rule| crate::tags::DefaultRule::parse(rule))
        {
            check.error(&format!("providers.{name}.defaultRule"), error.to_string());
        }
    }
    if config.access_log.is_some() && below_zero(check.root, "accessLog.bufferingSize") {
        check.fatal("accessLog.bufferingSize", "a buffer cannot be smaller than nothing");
    }
}

/// The place of an option that is written as a list.
pub(super) fn list(root: &Node, path: &str) -> Option<Mark> {
    let mut node = root;
    for key in path.split('.') {
        node = &node.get(key)?.value;
    }
    matches!(&node.value, Value::List(items) if !items.is_empty()).then(|| node.at.clone())
}

/// The text of an option as it stands in the document.
fn value<'a>(root: &'a Node, path: &str) -> Option<&'a str> {
    let mut node = root;
    for key in path.split('.') {
        node = &node.get(key)?.value;
    }
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

/// Whether an option is a negative number, which its record does not keep.
fn below_zero(root: &Node, path: &str) -> bool {
    value(root, path).and_then(|text| text.parse::<i64>().ok()).is_some_and(|number| number < 0)
}

/// Names that `providers.precedence` may hold.
const PROVIDERS: &[&str] = &[
    "file",
    "consulcatalog",
    "consul",
    "docker",
    "ecs",
    "etcd",
    "http",
    "knative",
    "kubernetes",
    "kubernetescrd",
    "kubernetesgateway",
    "kubernetesingressnginx",
    "nomad",
    "redis",
    "swarm",
    "zookeeper",
    "rest",
];

fn acme_options(config: &StaticConfig, acme: &Acme, path: &str, check: &mut Check<'_>) {
    if acme.storage.is_empty() {
        check.fatal(
            &format!("{path}.storage"),
            "unable to initialize certificates resolver with no storage location for the certificates",
        );
    }
    if !matches!(acme.key_type.to_ascii_uppercase().as_str(), "EC256" | "EC384" | "RSA2048" | "RSA4096" | "RSA8192") {
        check.warn(&format!("{path}.keyType"), format!("key type {:?} is unknown, RSA4096 is used", acme.key_type));
    }
    if acme.certificates_duration < 1 {
        check.error(&format!("{path}.certificatesDuration"), "certificates must last an hour at least");
    }
    let challenges = [acme.dns_challenge.is_some(), acme.http_challenge.is_some(), acme.tls_challenge.is_some()];
    match challenges.iter().filter(|set| **set).count() {
        1 => {}
        0 => check.warn(
            path,
            "no challenge is set, so no certificate can be ordered: set dnsChallenge, httpChallenge or tlsChallenge",
        ),
        _ => check.warn(path, "more than one challenge is set: keep one"),
    }
    if let Some(dns) = &acme.dns_challenge {
        let path = format!("{path}.dnsChallenge");
        if dns.provider.is_empty() {
            check.warn(&format!("{path}.provider"), "no DNS provider is named, so no certificate can be ordered");
        } else if !dns_providers::is_known(&dns.provider) {
            let message = format!(
                "unrecognized DNS provider: {}; no certificate can be ordered through it, everything else works",
                dns.provider
            );
            let suggestion = nearest(&dns.provider, dns_providers::NAMES.iter().copied());
            check.say(Severity::Warning, &format!("{path}.provider"), message, suggestion);
        }
        if dns.delay_before_check.is_some() {
            check.warn(&format!("{path}.delayBeforeCheck"), "deprecated: write propagation.delayBeforeChecks");
        }
        if dns.disable_propagation_check.is_some() {
            check.warn(&format!("{path}.disablePropagationCheck"), "deprecated: write propagation.disableChecks");
        }
    }
    if let Some(http) = &acme.http_challenge
        && !config.entry_points.contains_key(&http.entry_point)
    {
        let suggestion = nearest(&http.entry_point, config.entry_points.keys().map(String::as_str));
        let message = format!("the entry point {:?} does not exist", http.entry_point);
        let severity = if http.entry_point.is_empty() { Severity::Warning } else { Severity::Error };
        check.say(severity, &format!("{path}.httpChallenge.entryPoint"), message, suggestion);
    }
}

fn other_sections(config: &StaticConfig, check: &mut Check<'_>) {
    if config.core.is_some()
        && let Some(syntax) = value(check.root, "core.defaultRuleSyntax")
    {
        match syntax {
            "v2" => check.warn("core.defaultRuleSyntax", "the v2 rule syntax is deprecated"),
            "v3" => check.warn("core.defaultRuleSyntax", "the option is deprecated, and v3 is the default"),
            _ => check.fatal("core.defaultRuleSyntax", "expected v2 or v3"),
        }
    }
    if config.tracing.as_ref().is_some_and(|t| !t.global_attributes.is_empty()) {
        check.warn("tracing.globalAttributes", "deprecated: write resourceAttributes");
    }
    if let Some(log) = &config.log {
        let known = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "PANIC", "DISABLED"];
        let number = log.level.parse::<i8>().is_ok();
        if !log.level.is_empty() && !number && !known.iter().any(|l| l.eq_ignore_ascii_case(&log.level)) {
            let suggestion = nearest(&log.level, known);
            let message = format!("unknown level {:?}: ERROR is used", log.level);
            check.say(Severity::Error, "log.level", message, suggestion);
        }
    }
    if let Some(access) = &config.access_log
        && !matches!(access.format.as_str(), "common" | "json" | "genericCLF")
    {
        check.error("accessLog.format", format!("unsupported access log format {:?}, common is used", access.format));
    }
    if let Some(filters) = config.access_log.as_ref().and_then(|access| access.filters.as_ref()) {
        let number = |text: &str| text.parse::<u32>().is_ok();
        let range = |text: &&String| !text.split('-').all(number) || text.split('-').count() > 2;
        for bad in filters.status_codes.iter().filter(range) {
            let message = format!("{bad:?} is neither a status nor a range such as 500-599");
            check.error("accessLog.filters.statusCodes", message);
        }
        if filters.retry_attempts {
            check.warn("accessLog.filters.retryAttempts", "retries are not known to the log: without effect");
        }
    }
    if config.metrics.as_ref().and_then(|m| m.prometheus.as_ref()).is_some_and(|p| !p.header_labels.is_empty()) {
        check.warn("metrics.prometheus.headerLabels", "known but not implemented: without effect");
    }
    together(config, check);
    let metrics = config.metrics.as_ref();
    let unimplemented = [
        ("tracing", config.tracing.is_some()),
        ("hostResolver", config.host_resolver.is_some()),
        ("spiffe", config.spiffe.is_some()),
        ("ocsp", config.ocsp.is_some()),
        ("experimental", config.experimental.is_some()),
        ("metrics.datadog", metrics.is_some_and(|m| m.datadog.is_some())),
        ("metrics.statsD", metrics.is_some_and(|m| m.stats_d.is_some())),
        ("metrics.influxDB2", metrics.is_some_and(|m| m.influx_db2.is_some())),
        ("metrics.otlp", metrics.is_some_and(|m| m.otlp.is_some())),
    ];
    for (path, _) in unimplemented.iter().filter(|(_, set)| *set) {
        check.warn(path, "known but not implemented: without effect");
    }
}
