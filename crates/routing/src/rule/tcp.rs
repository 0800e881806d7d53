//! Rules for TCP connections, decided on the first bytes that a client sends.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::{Pattern, host_matches};

/// What a rule may ask about a new TCP connection.
pub trait Hello {
    /// Server name of a TLS ClientHello in lower case; `None` for plain connections or without the extension.
    fn server_name(&self) -> Option<&str>;
    /// Whether the client offers the protocol.
    fn offers_alpn(&self, protocol: &str) -> bool;
    fn client_ip(&self) -> IpAddr;
}

/// A condition on a TCP connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TcpRule {
    /// Lower-case name, `*.example.org` for one more label, or `*` for every connection, plain ones too.
    HostSni(String),
    HostSniRegexp(Pattern),
    ClientIp(IpNet),
    Alpn(String),
    And(Vec<TcpRule>),
    Or(Vec<TcpRule>),
    Not(Box<TcpRule>),
}

impl TcpRule {
    pub fn matches(&self, hello: &impl Hello) -> bool {
        match self {
            Self::HostSni(name) => name == "*" || hello.server_name().is_some_and(|n| host_matches(name, n)),
            Self::HostSniRegexp(pattern) => hello.server_name().is_some_and(|n| pattern.is_match(n)),
            Self::ClientIp(net) => net.contains(&hello.client_ip().to_canonical()),
            Self::Alpn(protocol) => hello.offers_alpn(protocol),
            Self::And(rules) => rules.iter().all(|r| r.matches(hello)),
            Self::Or(rules) => rules.iter().any(|r| r.matches(hello)),
            Self::Not(rule) => !rule.matches(hello),
        }
    }

    /// Whether the rule names hosts other than `*`, which needs TLS.
    pub fn names_host(&self) -> bool {
        match self {
            Self::HostSni(name) => name != "*",
            Self::HostSniRegexp(_) => true,
            Self::ClientIp(_) | Self::Alpn(_) => false,
            Self::And(rules) | Self::Or(rules) => rules.iter().any(Self::names_host),
            Self::Not(rule) => rule.names_host(),
        }
    }
}
