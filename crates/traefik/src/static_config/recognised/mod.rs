//! Sections that are read so that mistakes in them show, but that have no effect here.
//!
//! Every option that Traefik knows stands here with its type. What a section is for is said in a warning; a
//! mistyped option is an error as in any other section.

mod observability;
mod providers;

pub use observability::*;
pub use providers::*;

use baton_routing::config::{ClientTls, Named, Timespan};

use crate::{
    decode::{Fault, Mistake, mistakes_of},
    document::{Entry, Node, Value},
    finding::{Finding, Severity},
};

type Judge = fn(&Node, &str, &str) -> Vec<Mistake>;

/// Options that are kept as plain values, with what they must look like.
const PLAIN: &[(&str, Judge)] = &[
    ("metrics.datadog", mistakes_of::<Datadog>),
    ("metrics.statsD", mistakes_of::<StatsD>),
    ("metrics.influxDB2", mistakes_of::<InfluxDb2>),
    ("metrics.otlp", mistakes_of::<OtlpMetrics>),
    ("log.otlp", mistakes_of::<Otlp>),
    ("accessLog.otlp", mistakes_of::<Otlp>),
    ("serversTransport.spiffe", mistakes_of::<Spiffe>),
    ("tcpServersTransport.tls.spiffe", mistakes_of::<Spiffe>),
    ("certificatesResolvers.*.tailscale", mistakes_of::<Tailscale>),
];

/// Options of Traefik's dynamic files that its static ones lack, where one record serves both.
const FOREIGN: &[(&str, &[&str])] = &[
    (
        "serversTransport",
        &["serverName", "certificates", "cipherSuites", "minVersion", "maxVersion", "disableHTTP2", "peerCertURI"],
    ),
    ("serversTransport.forwardingTimeouts", &["readIdleTimeout", "pingTimeout"]),
    ("tcpServersTransport", &["proxyProtocol"]),
    ("tcpServersTransport.tls", &["serverName", "certificates", "peerCertURI"]),
    ("accessLog.fields.queryParameters", &["names"]),
];

/// What is wrong with options that the records themselves do not judge.
pub(super) fn mistakes(root: &Node, file: &str) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (pattern, judge) in PLAIN {
        for (path, node) in matching(root, pattern) {
            found.extend(judge(node, file, &path));
        }
    }
    for (section, keys) in FOREIGN {
        for (path, node) in matching(root, section) {
            for entry in node.entries().iter().filter(|e| keys.iter().any(|key| key.eq_ignore_ascii_case(&e.key))) {
                let path = format!("{path}.{}", entry.key);
                let message = format!("unknown key {:?}", entry.key);
                found.push((Fault::UnknownKey, Finding::new(Severity::Fatal, file, &entry.at, &path, message)));
            }
        }
    }
    found
}

/// The nodes at a path whose `*` is any name.
fn matching<'a>(root: &'a Node, pattern: &str) -> Vec<(String, &'a Node)> {
    let mut nodes = vec![(String::new(), root)];
    for key in pattern.split('.') {
        let below = |(path, node): (String, &'a Node)| {
            let fits = move |entry: &&Entry| key == "*" || entry.key.eq_ignore_ascii_case(key);
            let there = node.entries().iter().filter(|entry| entry.value.value != Value::Null).filter(fits);
            let dot = if path.is_empty() { "" } else { "." };
            there.map(move |entry| (format!("{path}{dot}{}", entry.key), &entry.value)).collect::<Vec<_>>()
        };
        nodes = nodes.into_iter().flat_map(below).collect();
    }
    nodes
}

/// Declares records of options; all defaults are those of the types, since nothing reads them.
macro_rules! options {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* })*
    };
}

pub(crate) use options;

options! {
    Experimental {
        plugins: Named<Plugin>,
        local_plugins: Named<LocalPlugin>,
        abort_on_plugin_failure: bool,
        fast_proxy: Option<FastProxy>,
        otlp_logs: bool,
        knative: bool,
        #[serde(rename = "kubernetesIngressNGINX")]
        kubernetes_ingress_nginx: bool,
        kubernetes_gateway: bool,
    }

    Plugin {
        module_name: String,
        version: String,
        hash: String,
        settings: Option<PluginSettings>,
    }

    LocalPlugin {
        module_name: String,
        settings: Option<PluginSettings>,
    }

    PluginSettings {
        envs: Vec<String>,
        mounts: Vec<String>,
        use_unsafe: bool,
    }

    FastProxy {
        debug: bool,
    }

    /// Where certificates of a SPIFFE workload come from.
    SpiffeClient {
        #[serde(rename = "workloadAPIAddr")]
        workload_api_addr: String,
    }

    /// Whose certificates count as a backend's.
    Spiffe {
        ids: Vec<String>,
        trust_domain: String,
    }

    Ocsp {
        responder_overrides: Named<String>,
    }

    Tailscale {}

    /// Where counts of requests could be shared.
    RateLimitRedis {
        endpoints: Vec<String>,
        tls: Option<ClientTls>,
        username: String,
        password: String,
        db: i64,
        pool_size: i64,
        min_idle_conns: i64,
        max_active_conns: i64,
        read_timeout: Timespan,
        write_timeout: Timespan,
        dial_timeout: Timespan,
    }
}
