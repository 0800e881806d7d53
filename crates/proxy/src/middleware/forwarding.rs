//! Which address counts as the client's, where a proxy in front is trusted to say so.

use crate::exchange::Info;
use crate::message::RequestHead;
use baton_routing::config::IpStrategy;
use ipnet::IpNet;
use std::net::IpAddr;

/// The client's address by `strategy`: the peer's, or an entry of `X-Forwarded-For` counted from the right.
pub fn client_ip(strategy: Option<&IpStrategy>, head: &RequestHead<'_>, info: &Info) -> Option<IpAddr> {
    let Some(strategy) = strategy else { return Some(info.peer.ip()) };
    let chain: Vec<&str> = head
        .fields
        .all("x-forwarded-for")
        .filter_map(|line| std::str::from_utf8(line).ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    if strategy.depth > 0 {
        let index = chain.len().checked_sub(strategy.depth as usize)?;
        return parse(chain[index]);
    }
    if strategy.excluded_ips.is_empty() {
        return Some(info.peer.ip());
    }
    let excluded: Vec<IpNet> = strategy.excluded_ips.iter().filter_map(|text| network(text)).collect();
    // Left of an entry that is no address everything may be the client's invention.
    let mut known = chain.iter().rev().map_while(|text| parse(text));
    known.find(|ip| !excluded.iter().any(|network| network.contains(ip)))
}

/// An address with or without port and brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    bare.parse()
        .or_else(|_| text.parse().map(|address: std::net::SocketAddr| address.ip()))
        .ok()
        .map(|ip: IpAddr| ip.to_canonical())
}

/// A range, or an address as the range of itself.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(canonical)
}

/// A range of IPv4 addresses written as IPv6 (`::ffff:10.0.0.0/104`) as what it means: clients are compared as IPv4.
fn canonical(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(ip) => ipnet::Ipv4Net::new(ip, v6.prefix_len() - 96).map_or(network, IpNet::V4),
            None => network,
        },
        _ => network,
    }
}
