//! What static options demand of each other.

use std::collections::HashMap;

use baton_routing::{
    config::{Acme, EntryPoint},
    table::validate,
};

use super::{StaticConfig, dns_providers};
use crate::{
    document::Node,
    finding::{Finding, Mark, Severity, nearest},
    rules::Syntax,
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
    let mut addresses: HashMap<String, &str> = HashMap::new();
    for (name, entry_point) in &config.entry_points {
        let path = format!("entryPoints.{name}");
        match entry_point.bind() {
            Err(error) if entry_point.address.is_empty() => check.error(&format!("{path}.address"), error.to_string()),
            Err(error) => check.fatal(&format!("{path}.address"), error.to_string()),
            Ok(bind) => {
                let key = format!("{bind}/{:?}", bind.protocol);
                if bind.port != 0
                    && !entry_point.reuse_port
                    && let Some(other) = addresses.insert(key, name)
                {
                    check.warn(&format!("{path}.address"), format!("the entry point {other:?} has the same address"));
                }
            }
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
        if port.parse::<u16>().is_err() {
            check.error(&format!("{path}.to"), format!("{to:?} is not a port"));
        }
    } else if to.is_empty() {
        check.fatal(&path, "'to' must name an entry point or a port such as :443");
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
            check.say(Severity::Warning, path, format!("the entry point {name:?} does not exist"), suggestion);
        }
    }
    if let Some(api) = &config.api
        && !api.base_path.starts_with('/')
    {
        check.fatal("api.basePath", "the base path must start with /");
    }
}

fn providers(config: &StaticConfig, check: &mut Check<'_>) {
    for key in config.providers.unimplemented() {
        check.warn(&format!("providers.{key}"), "the provider is known but not implemented: nothing comes from it");
    }
    if let Some(file) = &config.providers.file {
        match (file.directory.is_empty(), file.filename.is_empty()) {
            (true, true) => check.fatal("providers.file", "neither directory nor filename is set"),
            (false, false) => check.warn("providers.file", "the directory is used, filename is ignored"),
            _ => {}
        }
    }
    if let Some(http) = &config.providers.http {
        if http.endpoint.is_empty() {
            check.error("providers.http.endpoint", "non-empty endpoint is required");
        }
        if http.poll_interval.is_zero() {
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
                check.error(&format!("{path}.strictChecks"), format!("{state:?} is no state of a check"));
            }
        }
        if !catalog.namespaces.is_empty() {
            check.warn(&format!("{path}.namespaces"), "namespaces are known but not implemented");
        }
    }
}

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
        check.say(Severity::Warning, &format!("{path}.httpChallenge.entryPoint"), message, suggestion);
    }
}

fn other_sections(config: &StaticConfig, check: &mut Check<'_>) {
    if let Some(core) = &config.core
        && !core.default_rule_syntax.is_empty()
    {
        match Syntax::parse(&core.default_rule_syntax) {
            Some(Syntax::V2) => check.warn("core.defaultRuleSyntax", "the v2 rule syntax is deprecated"),
            Some(Syntax::V3) => {}
            None => check.fatal("core.defaultRuleSyntax", "expected v2 or v3"),
        }
    }
    if let Some(log) = &config.log {
        let known = ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "PANIC"];
        if !known.iter().any(|l| l.eq_ignore_ascii_case(&log.level)) {
            let suggestion = nearest(&log.level, known);
            check.say(Severity::Warning, "log.level", format!("unknown level {:?}", log.level), suggestion);
        }
    }
    if let Some(access) = &config.access_log
        && !matches!(access.format.as_str(), "common" | "json" | "genericCLF")
    {
        check.warn("accessLog.format", format!("unsupported access log format {:?}, common is used", access.format));
    }
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
