//! Routing rules as trees, and their evaluation against a request.
//!
//! Parsing rule text is a front end's work. Evaluation allocates nothing unless a regular expression has to
//! see a percent-encoded query value.

mod pattern;
mod query;
mod tcp;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

pub use pattern::Pattern;
pub use tcp::{Hello, TcpRule};

/// What a rule may ask about a request.
pub trait Request {
    /// Lower-case, without port and trailing dot; empty when the request named none.
    fn host(&self) -> &str;
    /// The cleaned path with unreserved escapes decoded and reserved ones kept, starting with `/`.
    fn path(&self) -> &str;
    /// As sent.
    fn method(&self) -> &str;
    /// Values of a header in order of arrival; the name is compared ignoring ASCII case.
    fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;
    /// The raw query without `?`, pairs separated by `&`.
    fn query(&self) -> &str;
    /// The peer of the TCP connection (or what a trusted PROXY header says), never `X-Forwarded-For`.
    fn client_ip(&self) -> IpAddr;
}

/// A condition on a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Rule {
    /// Lower-case name; `*.example.org` stands for exactly one more label, `*` for every host.
    Host(String),
    HostRegexp(Pattern),
    /// The whole path.
    Path(String),
    /// The path starts with this text (no segment boundary needed).
    PathPrefix(String),
    PathRegexp(Pattern),
    /// Upper-case method.
    Method(String),
    /// Some value of the header is exactly this.
    Header(String, String),
    HeaderRegexp(String, Pattern),
    /// Some value of the parameter is exactly this (after decoding).
    Query(String, String),
    QueryRegexp(String, Pattern),
    ClientIp(IpNet),
    And(Vec<Rule>),
    Or(Vec<Rule>),
    Not(Box<Rule>),
}

impl Rule {
    /// Whether the request satisfies the rule.
    pub fn matches(&self, request: &impl Request) -> bool {
        match self {
            Self::Host(name) => host_matches(name, request.host()),
            Self::HostRegexp(pattern) => pattern.is_match(request.host()),
            Self::Path(path) => request.path() == path,
            Self::PathPrefix(prefix) => request.path().starts_with(prefix.as_str()),
            Self::PathRegexp(pattern) => pattern.is_match(request.path()),
            Self::Method(method) => request.method() == method,
            Self::Header(name, value) => request.headers(name).any(|v| v == value.as_bytes()),
            Self::HeaderRegexp(name, pattern) => {
                request.headers(name).any(|v| str::from_utf8(v).is_ok_and(|v| pattern.is_match(v)))
            }
            Self::Query(name, value) => query::values(request.query(), name).any(|v| v.equals(value)),
            Self::QueryRegexp(name, pattern) => {
                query::values(request.query(), name).any(|v| pattern.is_match(&v.decoded()))
            }
            Self::ClientIp(net) => net.contains(&canonical(request.client_ip())),
            Self::And(rules) => rules.iter().all(|r| r.matches(request)),
            Self::Or(rules) => rules.iter().any(|r| r.matches(request)),
            Self::Not(rule) => !rule.matches(request),
        }
    }

    /// Every host name in the rule, wildcards included, also below a `Not` (as certificates are ordered for
    /// them); not `*`.
    pub fn hosts(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect_hosts(&mut names);
        names
    }

    fn collect_hosts<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Host(name) if name != "*" && !names.contains(&name.as_str()) => names.push(name),
            Self::And(rules) | Self::Or(rules) => rules.iter().for_each(|r| r.collect_hosts(names)),
            Self::Not(rule) => rule.collect_hosts(names),
            _ => {}
        }
    }
}

/// Compares a host pattern with a lower-case host.
pub(crate) fn host_matches(pattern: &str, host: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => pattern == host,
    }
}

/// IPv4 clients of a dual-stack socket count as IPv4.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
pub(crate) mod tests;
