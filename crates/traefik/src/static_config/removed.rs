//! Options of earlier major versions that stop the start today, with what replaced them.

/// Path (lower case) and advice.
pub(super) const REMOVED: &[(&str, &str)] = &[
    ("pilot", "Pilot no longer exists: remove the section"),
    ("providers.marathon", "the provider was removed in v3"),
    ("providers.rancher", "the provider was removed in v3"),
    ("experimental.http3", "HTTP/3 is no longer experimental: set http3 on the entry point"),
    ("metrics.influxdb", "InfluxDB v1 was removed in v3: use influxDB2"),
    ("tracing.jaeger", "removed in v3: use tracing.otlp"),
    ("tracing.zipkin", "removed in v3: use tracing.otlp"),
    ("tracing.datadog", "removed in v3: use tracing.otlp"),
    ("tracing.instana", "removed in v3: use tracing.otlp"),
    ("tracing.haystack", "removed in v3: use tracing.otlp"),
    ("tracing.elastic", "removed in v3: use tracing.otlp"),
    ("tracing.spannamelimit", "removed in v3: remove the option"),
    ("providers.consul.namespace", "removed in v3: write namespaces"),
    ("providers.consulcatalog.namespace", "removed in v3: write namespaces"),
    ("providers.nomad.namespace", "removed in v3: write namespaces"),
    ("providers.docker.swarmmode", "removed in v3: use the swarm provider"),
    ("providers.docker.tls.caoptional", "removed in v3: remove the option"),
    ("providers.consul.tls.caoptional", "removed in v3: remove the option"),
    ("providers.consulcatalog.endpoint.tls.caoptional", "removed in v3: remove the option"),
    ("providers.http.tls.caoptional", "removed in v3: remove the option"),
];

/// What to do about a removed option; the paths below it count too.
pub(super) fn advice(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase();
    REMOVED
        .iter()
        .find(|(removed, _)| path.strip_prefix(removed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
        .map(|(_, advice)| *advice)
}
