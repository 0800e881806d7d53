//! Routing below HTTP: TCP by server name, UDP by entry point.

use serde::{Deserialize, Serialize};

use super::{Domain, IpAllowList, Named, ProxyProtocolVersion, TcpServersTransport, Timespan, record::record};
use crate::rule::TcpRule;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tcp {
    pub routers: Named<TcpRouter>,
    pub services: Named<TcpService>,
    pub middlewares: Named<TcpMiddleware>,
    pub servers_transports: Named<TcpServersTransport>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Udp {
    pub routers: Named<UdpRouter>,
    pub services: Named<UdpService>,
}

/// One TCP router as declared; `matcher` as for HTTP routers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpRouter {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule_syntax: String,
    /// 0 means the length of the rule's text, or -1 for a bare ``HostSNI(`*`)``.
    pub priority: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TcpRouterTls>,
    #[serde(skip)]
    pub matcher: Option<TcpRule>,
}

impl TcpRouter {
    /// The priority that counts.
    pub fn effective_priority(&self) -> i64 {
        match (self.priority, &self.matcher) {
            (0, Some(TcpRule::HostSni(name))) if name == "*" => -1,
            (0, _) => self.rule.len() as i64,
            (set, _) => set,
        }
    }
}

record! {
    pub struct TcpRouterTls {
        /// Hand the encrypted bytes on.
        pub passthrough: bool,
        pub options: String,
        pub cert_resolver: String,
        pub domains: Vec<Domain>,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TcpService {
    LoadBalancer(TcpLoadBalancer),
    Weighted(TcpWeighted),
    /// Declared, but unusable; a problem says why.
    #[serde(skip)]
    Invalid,
}

impl TcpService {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LoadBalancer(_) => "loadbalancer",
            Self::Weighted(_) => "weighted",
            Self::Invalid => "invalid",
        }
    }
}

record! {
    pub struct TcpLoadBalancer {
        pub servers: Vec<TcpServer>,
        pub servers_transport: String,
        pub health_check: Option<TcpHealthCheck>,
        /// Deprecated: stands in the servers transport now.
        pub proxy_protocol: Option<ProxyProtocolVersion>,
        /// Deprecated, milliseconds: stands in the servers transport now.
        pub termination_delay: Option<i64>,
    }
}

record! {
    pub struct TcpServer {
        /// `host:port`.
        pub address: String,
        pub tls: bool,
    }
}

record! {
    pub struct TcpHealthCheck {
        pub port: u16,
        pub send: String,
        pub expect: String,
        pub interval: Timespan = Timespan::from_secs(30),
        pub unhealthy_interval: Option<Timespan>,
        pub timeout: Timespan = Timespan::from_secs(5),
    }
}

record! {
    pub struct TcpWeighted {
        pub services: Vec<super::WeightedService>,
        pub health_check: Option<super::PropagateHealth>,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TcpMiddleware {
    #[serde(rename = "inFlightConn")]
    InFlightConn(InFlightConn),
    /// The older name of [`TcpMiddleware::IpAllowList`].
    #[serde(rename = "ipWhiteList")]
    IpWhiteList(IpAllowList),
    #[serde(rename = "ipAllowList")]
    IpAllowList(IpAllowList),
    /// Declared, but unusable; a problem says why.
    #[serde(skip)]
    Invalid,
}

impl TcpMiddleware {
    pub const KEYS: &'static [&'static str] = &["inFlightConn", "ipWhiteList", "ipAllowList"];

    pub fn key(&self) -> &'static str {
        match self {
            Self::InFlightConn(_) => "inFlightConn",
            Self::IpWhiteList(_) => "ipWhiteList",
            Self::IpAllowList(_) => "ipAllowList",
            Self::Invalid => "invalid",
        }
    }
}

record! {
    /// Limits connections per source address.
    pub struct InFlightConn {
        pub amount: u64,
    }
}

record! {
    pub struct UdpRouter {
        pub entry_points: Vec<String>,
        pub service: String,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UdpService {
    LoadBalancer(UdpLoadBalancer),
    Weighted(TcpWeighted),
    /// Declared, but unusable; a problem says why.
    #[serde(skip)]
    Invalid,
}

impl UdpService {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LoadBalancer(_) => "loadbalancer",
            Self::Weighted(_) => "weighted",
            Self::Invalid => "invalid",
        }
    }
}

record! {
    pub struct UdpLoadBalancer {
        pub servers: Vec<UdpServer>,
    }
}

record! {
    pub struct UdpServer {
        /// `host:port`.
        pub address: String,
    }
}
