//! What makes two requests count as of one source: `sourceCriterion` of `rateLimit` and `inFlightReq`.

use super::forwarding::client_ip;
use crate::exchange::Info;
use crate::message::RequestHead;
use crate::normalize::without_port;
use baton_routing::config::{IpStrategy, SourceCriterion};
use http::HeaderName;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

/// Which part of a request tells sources apart.
#[derive(Debug)]
enum Criterion {
    Address(IpStrategy),
    Header(HeaderName),
    Host,
}

/// Tells sources apart by a number, so that what clients send takes no memory. It is keyed at random: nobody can choose
/// two sources that meet.
#[derive(Debug)]
pub(super) struct Sources {
    criterion: Criterion,
    hasher: RandomState,
}

impl Sources {
    /// From the configuration; without one it is the client's address, or the host where `by_host`.
    pub(super) fn new(criterion: Option<&SourceCriterion>, by_host: bool) -> Result<Self, String> {
        let empty = SourceCriterion::default();
        let options = criterion.unwrap_or(&empty);
        let criterion = match (&options.ip_strategy, options.request_header_name.as_str(), options.request_host) {
            (Some(strategy), "", false) => Criterion::Address(strategy.clone()),
            (None, "", true) => Criterion::Host,
            (None, "", false) if by_host => Criterion::Host,
            (None, "", false) => Criterion::Address(IpStrategy::default()),
            (None, name, false) => {
                Criterion::Header(name.parse().map_err(|_| format!("requestHeaderName {name:?} is not a header name"))?)
            }
            _ => return Err("ipStrategy, requestHeaderName and requestHost exclude each other".to_owned()),
        };
        Ok(Self { criterion, hasher: RandomState::new() })
    }

    /// The source of a request.
    pub(super) fn of(&self, head: &RequestHead<'_>, info: &Info) -> u64 {
        match &self.criterion {
            Criterion::Address(strategy) => {
                let ip = client_ip(Some(strategy), head, info);
                self.hasher.hash_one(ip.map(|ip| subnet(ip, strategy.ipv6_subnet)))
            }
            Criterion::Header(name) => self.hasher.hash_one(head.fields.get(name.as_str())),
            Criterion::Host => self.hasher.hash_one(without_port(&head.host).to_ascii_lowercase()),
        }
    }
}

/// The first address of the subnet of an IPv6 address.
fn subnet(ip: IpAddr, bits: Option<u32>) -> IpAddr {
    match (ip, bits) {
        (IpAddr::V6(ip), Some(bits @ 0..=127)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
        _ => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_exclude_each_other() {
        let both =
            SourceCriterion { request_header_name: "x".into(), request_host: true, ..SourceCriterion::default() };
        assert!(Sources::new(Some(&both), false).is_err());
        let bad = SourceCriterion { request_header_name: "a b".into(), ..SourceCriterion::default() };
        assert!(Sources::new(Some(&bad), false).is_err());
        assert!(matches!(Sources::new(None, true).unwrap().criterion, Criterion::Host));
        assert!(matches!(Sources::new(None, false).unwrap().criterion, Criterion::Address(_)));
    }

    #[test]
    fn subnets_are_of_ipv6_only() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(subnet(ip("2001:db8:1:2:3::4"), Some(64)), ip("2001:db8:1:2::"));
        assert_eq!(subnet(ip("2001:db8::4"), Some(0)), ip("::"));
        assert_eq!(subnet(ip("2001:db8::4"), Some(128)), ip("2001:db8::4"));
        assert_eq!(subnet(ip("10.0.0.1"), Some(8)), ip("10.0.0.1"));
    }
}
