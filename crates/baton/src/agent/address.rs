//! Addresses of this machine: where the API answers, what this node is called by others.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context as _, Result, bail};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use super::config::AgentConfig;
use super::config::with_port;

/// An address for documentation: never answers, and routes like any other (RFC 5737).
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// The address that tasks' ports are published under: that of `network_interface`, what is advertised, what the API is
/// bound to, or the one that leads elsewhere; the first that there is.
pub fn of_node(config: &AgentConfig) -> Result<IpAddr> {
    if let Some(interface) = &config.client.network_interface {
        return of_interface(interface);
    }
    let advertised = config.advertise.http.as_deref().map(host).and_then(|host| host.parse().ok());
    let bound = config.http_addresses()?.into_iter().find(|ip: &IpAddr| !ip.is_unspecified() && !ip.is_loopback());
    Ok(advertised.or(bound).or_else(outward).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)))
}

/// Where the API is reached: from elsewhere if it can be, by this machine otherwise.
pub fn advertised(config: &AgentConfig, bound: &[SocketAddr], node: IpAddr) -> Result<String> {
    let first = bound.first().context("the API listens nowhere")?;
    if let Some(text) = &config.advertise.http {
        return Ok(with_port(text, first.port()));
    }
    let outside = bound.iter().find(|address| !address.ip().is_loopback()).unwrap_or(first);
    let ip = if outside.ip().is_unspecified() { node } else { outside.ip() };
    Ok(SocketAddr::new(ip, outside.port()).to_string())
}

/// Where this process itself reaches its API.
pub fn own(bound: &[SocketAddr]) -> Result<SocketAddr> {
    let first = *bound
        .iter()
        .find(|address| address.ip().is_loopback())
        .or(bound.first())
        .context("the API listens nowhere")?;
    let ip = match first.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, first.port()))
}

/// What may stand in `Host`: the node's name, what is advertised, and the addresses the API is bound to.
pub fn names(config: &AgentConfig, bound: &[SocketAddr]) -> Result<Vec<String>> {
    let mut names = BTreeSet::from([config.name()?]);
    if let Ok(hostname) = nix::unistd::gethostname() {
        names.insert(hostname.to_string_lossy().into_owned());
    }
    names.extend(config.advertise.http.as_deref().map(|text| host(text).to_owned()));
    for address in bound {
        if address.ip().is_unspecified() {
            names.extend(
                getifaddrs()
                    .context("cannot list this machine's addresses")?
                    .filter_map(|entry| Some(ip(entry.address.as_ref()?)?.to_string())),
            );
        } else {
            names.insert(address.ip().to_string());
        }
    }
    Ok(names.into_iter().collect())
}

fn of_interface(name: &str) -> Result<IpAddr> {
    let mut found: Vec<IpAddr> = getifaddrs()
        .context("cannot list this machine's addresses")?
        .filter(|entry| entry.interface_name == name)
        .filter_map(|entry| ip(entry.address.as_ref()?))
        .collect();
    found.sort_by_key(|address| !address.is_ipv4());
    match found.first() {
        Some(address) => Ok(*address),
        None => bail!("client.network_interface: there is no interface {name:?} with an address"),
    }
}

/// The address that packets to elsewhere leave with; nothing is sent.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

/// `host` or `host:port` without the port.
fn host(text: &str) -> &str {
    if text.parse::<IpAddr>().is_ok() {
        return text;
    }
    text.rsplit_once(':').map_or(text, |(host, _)| host).trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> AgentConfig {
        AgentConfig {
            advertise: super::super::config::Advertise { http: (!text.is_empty()).then(|| text.to_owned()) },
            ..AgentConfig::default()
        }
    }

    #[test]
    fn what_is_told_to_others() {
        let node = IpAddr::from([10, 0, 0, 7]);
        for (advertise, bound, told, own_address) in [
            ("", "127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:1"),
            ("", "0.0.0.0:1", "10.0.0.7:1", "127.0.0.1:1"),
            ("", "[::]:1", "10.0.0.7:1", "[::1]:1"),
            ("", "10.0.0.5:1", "10.0.0.5:1", "10.0.0.5:1"),
            ("", "127.0.0.1:1 10.0.0.5:1", "10.0.0.5:1", "127.0.0.1:1"),
            ("a.example.org", "10.0.0.5:1", "a.example.org:1", "10.0.0.5:1"),
            ("a.example.org:99", "10.0.0.5:1", "a.example.org:99", "10.0.0.5:1"),
            ("::1", "10.0.0.5:1", "[::1]:1", "10.0.0.5:1"),
        ] {
            let bound: Vec<SocketAddr> = bound.split(' ').map(|address| address.parse().unwrap()).collect();
            assert_eq!(advertised(&config(advertise), &bound, node).unwrap(), told);
            assert_eq!(own(&bound).unwrap().to_string(), own_address);
        }
        for (text, name) in [("a", "a"), ("a:1", "a"), ("::1", "::1"), ("[::1]:1", "::1"), ("10.0.0.1:2", "10.0.0.1")] {
            assert_eq!(host(text), name);
        }
    }

    #[test]
    fn an_interface_is_found_by_its_name() {
        let loopback = if cfg!(target_os = "linux") { "lo" } else { "lo0" };
        assert!(of_interface(loopback).unwrap().is_loopback());
        assert!(of_interface("no-such0").unwrap_err().to_string().contains("no-such0"));
    }
}
