//! HTTP services: what answers a routed request.

use serde::{Deserialize, Serialize};

use super::{Named, Omit, Timespan, record::record};

/// One service; exactly one kind each.
#[expect(clippy::large_enum_variant, reason = "nearly every service is a load balancer")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Service {
    LoadBalancer(LoadBalancer),
    Weighted(Weighted),
    HighestRandomWeight(HighestRandomWeight),
    Mirroring(Mirroring),
    Failover(Failover),
    /// Answered inside the proxy.
    #[serde(skip)]
    Internal(Internal),
    /// Declared, but unusable; a problem says why.
    #[serde(skip)]
    Invalid,
}

impl Service {
    /// The kind in lower case, as the read API shows it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LoadBalancer(_) => "loadbalancer",
            Self::Weighted(_) => "weighted",
            Self::HighestRandomWeight(_) => "highestrandomweight",
            Self::Mirroring(_) => "mirroring",
            Self::Failover(_) => "failover",
            Self::Internal(_) => "internal",
            Self::Invalid => "invalid",
        }
    }

    /// Names of the services that this one sends requests to, as written.
    pub fn children(&self) -> Vec<&str> {
        match self {
            Self::Weighted(w) => w.services.iter().map(|s| s.name.as_str()).collect(),
            Self::HighestRandomWeight(h) => h.services.iter().map(|s| s.name.as_str()).collect(),
            Self::Mirroring(m) => {
                std::iter::once(m.service.as_str()).chain(m.mirrors.iter().map(|s| s.name.as_str())).collect()
            }
            Self::Failover(f) => vec![&f.service, &f.fallback],
            Self::LoadBalancer(_) | Self::Internal(_) | Self::Invalid => Vec::new(),
        }
    }
}

/// The services that the proxy answers itself (`<name>@internal`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Internal {
    Api,
    Dashboard,
    Ping,
    Prometheus,
    Rest,
    Noop,
    /// ACME HTTP-01 challenges.
    #[serde(rename = "acme-http")]
    AcmeHttp,
}

impl Internal {
    pub const ALL: [Self; 7] =
        [Self::Api, Self::Dashboard, Self::Ping, Self::Prometheus, Self::Rest, Self::Noop, Self::AcmeHttp];

    /// The qualified name, `api@internal`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api@internal",
            Self::Dashboard => "dashboard@internal",
            Self::Ping => "ping@internal",
            Self::Prometheus => "prometheus@internal",
            Self::Rest => "rest@internal",
            Self::Noop => "noop@internal",
            Self::AcmeHttp => "acme-http@internal",
        }
    }
}

record! {
    /// Spreads requests over servers.
    pub struct LoadBalancer {
        pub sticky: Option<Sticky>,
        pub servers: Vec<Server>,
        pub strategy: Strategy = Strategy::Wrr,
        pub health_check: Option<HealthCheck>,
        pub passive_health_check: Option<PassiveHealthCheck>,
        /// Send the client's `Host`; otherwise the server's `host:port`.
        pub pass_host_header: bool = true,
        pub response_forwarding: ResponseForwarding = ResponseForwarding::default(),
        /// Name of a [`super::ServersTransport`]; empty means the default one.
        pub servers_transport: String,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Weighted round robin.
    #[default]
    Wrr,
    /// The better of two random servers.
    P2c,
    /// Rendezvous hash of the client's address.
    Hrw,
    /// Shortest measured response time.
    LeastTime,
}

record! {
    pub struct Server {
        /// `scheme://host:port[/path]`, scheme http, https or h2c.
        pub url: String,
        /// 0 takes the server out.
        pub weight: Option<i64>,
        /// Join the URL's path and the request's instead of dropping it.
        pub preserve_path: bool,
        /// Set by service discovery, never by users: finish what runs, send nothing new.
        #[serde(skip)]
        pub fenced: bool,
    }
}

impl Server {
    /// The weight that counts; 0 means never used.
    pub fn effective_weight(&self) -> u32 {
        self.weight.map_or(1, |w| u32::try_from(w.max(0)).unwrap_or(u32::MAX))
    }
}

record! {
    pub struct ResponseForwarding {
        /// Buffered response bytes are flushed at least this often; streams at once.
        pub flush_interval: Timespan = Timespan::from_millis(100),
    }
}

record! {
    pub struct Sticky {
        pub cookie: Option<Cookie>,
    }
}

record! {
    pub struct Cookie {
        /// Empty means derived from the service's name.
        pub name: String,
        pub secure: bool,
        pub http_only: bool,
        /// none | lax | strict, or empty.
        pub same_site: String,
        /// Seconds; 0 means a session cookie, negative deletes at once.
        pub max_age: i64,
        pub path: Option<String>,
        pub domain: String,
    }
}

record! {
    /// Active probing of servers.
    pub struct HealthCheck {
        pub scheme: String,
        /// http or grpc.
        pub mode: String,
        pub path: String,
        pub method: String,
        /// Expected status; 0 means 200–399.
        pub status: u16,
        /// Probe this port instead of the server's; 0 means the server's.
        pub port: u16,
        pub interval: Timespan = Timespan::from_secs(30),
        /// Interval for servers that are down; unset means `interval`.
        pub unhealthy_interval: Option<Timespan>,
        pub timeout: Timespan = Timespan::from_secs(5),
        pub hostname: String,
        pub follow_redirects: bool = true,
        pub headers: Named<String>,
    }
}

record! {
    /// Takes a server out after failed requests.
    pub struct PassiveHealthCheck {
        pub failure_window: Timespan = Timespan::from_secs(10),
        pub max_failed_attempts: u32 = 1,
    }
}

record! {
    /// `healthCheck: {}` on a service of services: its state is passed upwards.
    pub struct PropagateHealth {
    }
}

record! {
    pub struct Weighted {
        pub services: Vec<WeightedService>,
        pub sticky: Option<Sticky>,
        pub health_check: Option<PropagateHealth>,
    }
}

record! {
    pub struct WeightedService {
        pub name: String,
        pub weight: Option<i64>,
    }
}

impl WeightedService {
    /// The weight that counts; 0 means never used.
    pub fn effective_weight(&self) -> u32 {
        self.weight.map_or(1, |w| u32::try_from(w.max(0)).unwrap_or(u32::MAX))
    }
}

record! {
    /// One client address always meets the same service.
    pub struct HighestRandomWeight {
        pub services: Vec<WeightedService>,
        pub health_check: Option<PropagateHealth>,
    }
}

record! {
    pub struct Mirroring {
        pub service: String,
        pub mirror_body: bool = true,
        /// Requests with larger bodies are not mirrored; -1 means no limit.
        pub max_body_size: i64 = -1,
        pub mirrors: Vec<Mirror>,
        pub health_check: Option<PropagateHealth>,
    }
}

record! {
    pub struct Mirror {
        pub name: String,
        /// Share of requests that are copied, 0–100.
        pub percent: u32,
    }
}

record! {
    pub struct Failover {
        pub service: String,
        pub fallback: String,
        pub health_check: Option<PropagateHealth>,
        pub errors: Option<FailoverErrors>,
    }
}

record! {
    /// Responses of the main service that are replaced by the fallback's.
    pub struct FailoverErrors {
        pub status: Vec<String>,
        pub max_request_body_bytes: Option<i64>,
    }
}

impl Omit for Strategy {
    fn omit(&self) -> bool {
        false
    }
}
