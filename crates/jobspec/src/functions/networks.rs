//! Address ranges.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Args, CallError, Outcome, failed, text};
use crate::eval::Value;

fn network(args: &Args<'_>) -> Result<IpNet, CallError> {
    let range = args.text(0)?;
    range
        .parse::<IpNet>()
        .map(|network| network.trunc())
        .map_err(|_| CallError::Argument(0, format!("invalid CIDR expression: invalid CIDR address: {range}")))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(like: &IpNet, value: u128) -> IpAddr {
    match like {
        IpNet::V4(_) => IpAddr::V4((value as u32).into()),
        IpNet::V6(_) => IpAddr::V6(value.into()),
    }
}

/// A negative number counts from the end of the range.
pub(super) fn cidrhost(args: &Args<'_>) -> Outcome {
    let network = network(args)?;
    let number_wanted = args.whole(1)?;
    let bits = u32::from(network.max_prefix_len() - network.prefix_len());
    let size = if bits >= 127 { u128::MAX } else { 1u128 << bits };
    let distance = u128::from(number_wanted.unsigned_abs());
    if (number_wanted >= 0 && distance >= size) || (number_wanted < 0 && distance > size) {
        return failed(format!(
            "prefix of {} does not accommodate a host numbered {number_wanted}",
            network.prefix_len()
        ));
    }
    let base = number(network.network());
    let host = if number_wanted >= 0 { base + distance } else { number(network.broadcast()) - (distance - 1) };
    text(address(&network, host).to_string())
}

pub(super) fn cidrnetmask(args: &Args<'_>) -> Outcome {
    match network(args)? {
        IpNet::V4(network) => text(network.netmask().to_string()),
        IpNet::V6(network) => text(network.netmask().to_string()),
    }
}

fn subnet(network: &IpNet, new_bits: i64, base: u128) -> Result<(IpNet, u32), CallError> {
    let length = i64::from(network.prefix_len()).saturating_add(new_bits);
    let Some(length) = u8::try_from(length).ok().filter(|length| new_bits >= 0 && *length <= network.max_prefix_len())
    else {
        return failed(format!(
            "insufficient address space to extend prefix of {} by {new_bits}",
            network.prefix_len()
        ));
    };
    match IpNet::new(address(network, base), length) {
        Ok(subnet) => Ok((subnet, u32::from(network.max_prefix_len() - length))),
        Err(why) => failed(why.to_string()),
    }
}

pub(super) fn cidrsubnet(args: &Args<'_>) -> Outcome {
    let network = network(args)?;
    let (new_bits, wanted) = (args.whole(1)?, args.whole(2)?);
    let base = number(network.network());
    let (_, host_bits) = subnet(&network, new_bits, base)?;
    let Some(wanted) = u128::try_from(wanted).ok().filter(|wanted| new_bits >= 64 || *wanted < 1u128 << new_bits)
    else {
        return failed(format!("prefix extension of {new_bits} does not accommodate a subnet numbered {wanted}"));
    };
    let offset = wanted.checked_shl(host_bits).unwrap_or(0);
    text(subnet(&network, new_bits, base + offset)?.0.to_string())
}

/// Subnets one after the other, each aligned to its own size.
pub(super) fn cidrsubnets(args: &Args<'_>) -> Outcome {
    let network = network(args)?;
    let last = number(network.broadcast());
    let mut next = Some(number(network.network()));
    let mut out = Vec::new();
    for index in 1..args.len() {
        let new_bits = args.whole(index)?;
        if new_bits < 1 {
            return Err(CallError::Argument(index, "must extend prefix by at least one bit".to_owned()));
        }
        let exhausted = || {
            CallError::Argument(index, "not enough remaining address space for a subnet with this prefix".to_owned())
        };
        let base = next.ok_or_else(exhausted)?;
        let (_, host_bits) = subnet(&network, new_bits, base)?;
        let size = 1u128.checked_shl(host_bits).ok_or_else(exhausted)?;
        let aligned = base.checked_add(size - 1).ok_or_else(exhausted)? & !(size - 1);
        let end = aligned.checked_add(size - 1).filter(|end| *end <= last).ok_or_else(exhausted)?;
        out.push(Value::text(subnet(&network, new_bits, aligned)?.0.to_string()));
        next = end.checked_add(1);
    }
    Ok(Value::List(out))
}
