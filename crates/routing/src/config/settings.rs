//! Settings of the proxy as a process: providers, logs, API, ping, metrics, certificate resolvers.
//!
//! These take no part in routing; they stand here because both the front end that reads them and the parts
//! that act on them see this crate.

use super::{ClientTls, Named, Timespan, record::record};

record! {
    /// Dynamic configuration from files.
    pub struct FileProvider {
        pub directory: String,
        pub watch: bool = true,
        pub filename: String,
        pub debug_log_generated_template: bool,
    }
}

record! {
    /// Dynamic configuration from the tags of a Consul catalog.
    pub struct ConsulCatalog {
        pub constraints: String,
        pub endpoint: ConsulEndpoint = ConsulEndpoint::default(),
        pub prefix: String = "traefik".to_owned(),
        pub refresh_interval: Timespan = Timespan::from_secs(15),
        pub require_consistent: bool,
        pub stale: bool,
        pub cache: bool,
        pub exposed_by_default: bool = true,
        /// Go template of the rule for services whose tags name no router.
        pub default_rule: String = "Host(`{{ normalize .Name }}`)".to_owned(),
        pub connect_aware: bool,
        pub connect_by_default: bool,
        pub service_name: String = "traefik".to_owned(),
        pub watch: bool,
        /// States of checks in which an instance gets traffic.
        pub strict_checks: Vec<String> = vec!["passing".to_owned(), "warning".to_owned()],
        pub namespace: String,
        pub namespaces: Vec<String>,
        /// Keep the routes of a service all of whose instances are unhealthy (503 instead of 404).
        pub keep_unhealthy_routes: bool,
    }
}

record! {
    pub struct ConsulEndpoint {
        pub address: String = "127.0.0.1:8500".to_owned(),
        pub scheme: String = "http".to_owned(),
        pub datacenter: String,
        pub token: String,
        pub endpoint_wait_time: Timespan,
        pub tls: Option<ClientTls>,
        pub http_auth: Option<HttpAuth>,
    }
}

record! {
    pub struct HttpAuth {
        pub username: String,
        pub password: String,
    }
}

record! {
    /// Dynamic configuration polled from a URL.
    pub struct HttpProvider {
        pub endpoint: String,
        pub poll_interval: Timespan = Timespan::from_secs(5),
        pub poll_timeout: Timespan = Timespan::from_secs(5),
        pub headers: Named<String>,
        pub tls: Option<ClientTls>,
        pub max_response_body_size: i64 = -1,
    }
}

record! {
    pub struct Api {
        pub base_path: String = "/".to_owned(),
        /// Route the API and dashboard on the entry point `traefik` without any protection.
        pub insecure: bool,
        pub dashboard: bool = true,
        pub debug: bool,
        pub disable_dashboard_ad: bool,
        pub dashboard_name: String,
    }
}

record! {
    pub struct Ping {
        pub entry_point: String = "traefik".to_owned(),
        /// No router is made; one to `ping@internal` is configured by hand.
        pub manual_routing: bool,
        /// Answered once the process is told to stop.
        pub terminating_status_code: u16 = 503,
    }
}

record! {
    pub struct Log {
        pub level: String = "ERROR".to_owned(),
        /// common | json
        pub format: String = "common".to_owned(),
        pub no_color: bool,
        pub file_path: String,
        pub max_size: u32,
        pub max_age: u32,
        pub max_backups: u32,
        pub compress: bool,
        pub otlp: Option<serde_json::Value>,
    }
}

record! {
    pub struct AccessLog {
        pub file_path: String,
        /// common | json | genericCLF
        pub format: String = "common".to_owned(),
        pub filters: Option<AccessLogFilters>,
        pub fields: AccessLogFields = AccessLogFields::default(),
        /// Lines kept in memory before they are written.
        pub buffering_size: u32,
        pub add_internals: bool,
        pub dual_output: bool,
        pub otlp: Option<serde_json::Value>,
    }
}

record! {
    pub struct AccessLogFilters {
        pub status_codes: Vec<String>,
        pub retry_attempts: bool,
        pub min_duration: Timespan,
    }
}

record! {
    pub struct AccessLogFields {
        /// keep | drop
        pub default_mode: String = "keep".to_owned(),
        pub names: Named<String>,
        pub headers: AccessLogHeaders = AccessLogHeaders::default(),
        pub query_parameters: Option<AccessLogQuery>,
    }
}

record! {
    pub struct AccessLogHeaders {
        /// keep | drop | redact
        pub default_mode: String = "drop".to_owned(),
        pub names: Named<String>,
    }
}

record! {
    pub struct AccessLogQuery {
        pub default_mode: String = "keep".to_owned(),
        pub names: Named<String>,
    }
}

record! {
    pub struct Metrics {
        pub add_internals: bool,
        pub prometheus: Option<Prometheus>,
        pub datadog: Option<serde_json::Value>,
        #[serde(rename = "statsD")]
        pub stats_d: Option<serde_json::Value>,
        #[serde(rename = "influxDB2")]
        pub influx_db2: Option<serde_json::Value>,
        pub otlp: Option<serde_json::Value>,
    }
}

record! {
    pub struct Prometheus {
        /// Upper bounds in seconds.
        pub buckets: Vec<f64> = vec![0.1, 0.3, 1.2, 5.0],
        pub add_entry_points_labels: bool = true,
        pub add_routers_labels: bool,
        pub add_services_labels: bool = true,
        pub entry_point: String = "traefik".to_owned(),
        pub manual_routing: bool,
        pub header_labels: Named<String>,
    }
}

record! {
    pub struct CertificateResolver {
        pub acme: Option<Acme>,
        pub tailscale: Option<serde_json::Value>,
    }
}

record! {
    /// An ACME account and how it proves control over names; at most one challenge.
    pub struct Acme {
        pub email: String,
        pub ca_server: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        pub preferred_chain: String,
        pub profile: String,
        pub email_addresses: Vec<String>,
        pub disable_common_name: bool,
        pub storage: String = "acme.json".to_owned(),
        pub key_type: String = "RSA4096".to_owned(),
        pub eab: Option<Eab>,
        /// Hours.
        pub certificates_duration: u32 = 2160,
        pub client_timeout: Timespan = Timespan::from_secs(120),
        pub client_response_header_timeout: Timespan = Timespan::from_secs(30),
        pub certificate_timeout: Timespan = Timespan::from_secs(30),
        pub ca_certificates: Vec<String>,
        pub ca_system_cert_pool: bool,
        pub ca_server_name: String,
        pub dns_challenge: Option<DnsChallenge>,
        pub http_challenge: Option<HttpChallenge>,
        pub tls_challenge: Option<TlsChallenge>,
    }
}

record! {
    /// External account binding.
    pub struct Eab {
        pub kid: String,
        pub hmac_encoded: String,
    }
}

record! {
    pub struct DnsChallenge {
        pub provider: String,
        pub resolvers: Vec<String>,
        pub propagation: Option<Propagation>,
        /// Deprecated: stands in `propagation` now.
        pub delay_before_check: Option<Timespan>,
        /// Deprecated: stands in `propagation` now.
        pub disable_propagation_check: Option<bool>,
    }
}

record! {
    pub struct Propagation {
        pub disable_checks: bool,
        #[serde(rename = "disableANSChecks")]
        pub disable_ans_checks: bool,
        #[serde(rename = "requireAllRNS")]
        pub require_all_rns: bool,
        pub delay_before_checks: Timespan,
    }
}

record! {
    pub struct HttpChallenge {
        pub entry_point: String,
        pub delay: Timespan,
    }
}

record! {
    pub struct TlsChallenge {
        pub delay: Timespan,
    }
}
