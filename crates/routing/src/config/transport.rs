//! How the proxy talks to servers.

use super::{Certificate, Timespan, record::record};

/// Idle connections kept per server when nothing else is said.
pub const IDLE_CONNS_PER_HOST: u32 = 200;

record! {
    /// Connections to HTTP servers.
    pub struct ServersTransport {
        pub server_name: String,
        pub insecure_skip_verify: bool,
        #[serde(rename = "rootCAs")]
        pub root_cas: Vec<String>,
        pub certificates: Vec<Certificate>,
        pub cipher_suites: Vec<String>,
        pub min_version: String,
        pub max_version: String,
        /// 0 means [`IDLE_CONNS_PER_HOST`]; negative means none.
        pub max_idle_conns_per_host: i32,
        #[serde(rename = "disableHTTP2")]
        pub disable_http2: bool,
        #[serde(rename = "peerCertURI")]
        pub peer_cert_uri: String,
        pub spiffe: Option<serde_json::Value>,
        pub forwarding_timeouts: ForwardingTimeouts = ForwardingTimeouts::default(),
    }
}

record! {
    /// 0 means no limit.
    pub struct ForwardingTimeouts {
        pub dial_timeout: Timespan = Timespan::from_secs(30),
        /// From the end of the request to the first byte of the response.
        pub response_header_timeout: Timespan,
        pub idle_conn_timeout: Timespan = Timespan::from_secs(90),
        pub read_idle_timeout: Timespan,
        pub ping_timeout: Timespan = Timespan::from_secs(15),
    }
}

record! {
    /// Connections to TCP servers.
    pub struct TcpServersTransport {
        pub dial_timeout: Timespan = Timespan::from_secs(30),
        pub dial_keep_alive: Timespan = Timespan::from_secs(15),
        /// How long the other half stays open after one side closed.
        pub termination_delay: Timespan = Timespan::from_millis(100),
        pub proxy_protocol: Option<ProxyProtocolVersion>,
        pub tls: Option<TcpClientTls>,
    }
}

record! {
    pub struct ProxyProtocolVersion {
        /// 1 or 2.
        pub version: u32 = 2,
    }
}

record! {
    pub struct TcpClientTls {
        pub insecure_skip_verify: bool,
        pub server_name: String,
        #[serde(rename = "rootCAs")]
        pub root_cas: Vec<String>,
        pub certificates: Vec<Certificate>,
        #[serde(rename = "peerCertURI")]
        pub peer_cert_uri: String,
        pub spiffe: Option<serde_json::Value>,
    }
}
