//! This machine's addresses, for `sockaddr`.

use std::net::IpAddr;

use baton_template::Interface;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

pub(super) fn interfaces() -> Vec<Interface> {
    let default = default_route();
    let Ok(all) = getifaddrs() else { return Vec::new() };
    all.filter_map(|entry| {
        let address = ip(entry.address.as_ref()?)?;
        let mask = entry.netmask.as_ref().and_then(ip);
        Some(Interface {
            default_route: default.as_deref() == Some(entry.interface_name.as_str()),
            up: entry.flags.contains(InterfaceFlags::IFF_UP),
            prefix: prefix(mask),
            name: entry.interface_name,
            address,
        })
    })
    .collect()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn prefix(mask: Option<IpAddr>) -> u8 {
    let bits = match mask {
        Some(IpAddr::V4(mask)) => mask.to_bits().count_ones(),
        Some(IpAddr::V6(mask)) => mask.to_bits().count_ones(),
        None => 0,
    };
    u8::try_from(bits).unwrap_or(0)
}

/// The interface of the default route (IPv4).
#[cfg(target_os = "linux")]
fn default_route() -> Option<String> {
    let routes = std::fs::read_to_string("/proc/net/route").ok()?;
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next()?;
        (fields.next()? == "00000000").then(|| name.to_owned())
    })
}

#[cfg(not(target_os = "linux"))]
fn default_route() -> Option<String> {
    let output = std::process::Command::new("route").args(["-n", "get", "default"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| Some(line.trim().strip_prefix("interface:")?.trim().to_owned()))
}
