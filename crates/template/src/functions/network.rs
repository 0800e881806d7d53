//! `sockaddr`: addresses of this machine.

use std::net::IpAddr;

use super::{MANY, Row, args};
use crate::context::Context;
use crate::source::Interface;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[("sockaddr", 1, MANY, sockaddr)];

/// `GetPrivateIP`, `GetPrivateIPs`, `GetPublicIP`, `GetPublicIPs`, `GetInterfaceIP "name"`, `GetInterfaceIPs "name"`.
///
/// An address that does not exist is the empty text. IPv4 comes first, the default route's interface before others.
fn sockaddr(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let mut words = Vec::new();
    for at in 0..a.len() {
        words.push(args::text(a, at)?);
    }
    let text = words.join(" ");
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    let argument = words.next().map(|word| word.trim_matches(['"', '`', '\'']));
    let wants_name = matches!(name, "GetInterfaceIP" | "GetInterfaceIPs");
    if words.next().is_some() || wants_name != argument.is_some() {
        return Err(unsupported(&text));
    }
    let mut interfaces = context.source()?.interfaces();
    interfaces.retain(|interface| interface.up);
    interfaces.sort_by_key(|interface| (interface.address.is_ipv6(), !interface.default_route));
    let matching: Vec<String> = interfaces
        .iter()
        .filter(|interface| match name {
            "GetPrivateIP" => is_private(interface.address) && interface.default_route,
            "GetPrivateIPs" => is_private(interface.address),
            "GetPublicIP" => is_public(interface.address) && interface.default_route,
            "GetPublicIPs" => is_public(interface.address),
            _ => argument == Some(interface.name.as_str()),
        })
        .map(|interface: &Interface| interface.address.to_string())
        .collect();
    match name {
        "GetPrivateIP" | "GetPublicIP" | "GetInterfaceIP" => {
            Ok(Value::from(matching.into_iter().next().unwrap_or_default()))
        }
        "GetPrivateIPs" | "GetPublicIPs" | "GetInterfaceIPs" => Ok(matching.join(" ").into()),
        _ => Err(unsupported(&text)),
    }
}

fn unsupported(text: &str) -> String {
    format!(
        "{text:?} is not supported: use GetPrivateIP, GetPrivateIPs, GetPublicIP, GetPublicIPs, GetInterfaceIP \"name\" or GetInterfaceIPs \"name\""
    )
}

fn is_private(address: IpAddr) -> bool {
    match address {
        // 100.64.0.0/10 (RFC 6598) counts as private, too.
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

fn is_public(address: IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_documentation() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.segments()[..2] == [0x2001, 0xdb8],
    };
    !special && !is_private(address) && !address.is_loopback() && !address.is_multicast() && !address.is_unspecified()
}
