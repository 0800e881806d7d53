//! `ipAllowList` and its older name `ipWhiteList`.

use super::forwarding::{client_ip, network};
use super::{Flow, HeadFilter, Response};
use crate::exchange::Info;
use crate::message::{Fields, RequestHead};
use baton_routing::config;
use ipnet::IpNet;

/// Lets listed sources pass.
pub(super) struct IpAllowList {
    ranges: Vec<IpNet>,
    strategy: Option<config::IpStrategy>,
    status: u16,
}

impl IpAllowList {
    /// From its options; a range that is none is an error, never an empty list.
    pub(super) fn new(options: &config::IpAllowList) -> Result<Self, String> {
        if options.source_range.is_empty() {
            return Err("sourceRange is empty".to_owned());
        }
        let range = |text: &String| {
            network(text).ok_or_else(|| format!("sourceRange: {text:?} is neither an address nor a CIDR range"))
        };
        let status = options.reject_status_code.unwrap_or(403);
        if http::StatusCode::from_u16(status).is_err() {
            return Err(format!("rejectStatusCode {status} is not a status code"));
        }
        Ok(Self {
            ranges: options.source_range.iter().map(range).collect::<Result<_, _>>()?,
            strategy: options.ip_strategy.clone(),
            status,
        })
    }
}

impl HeadFilter for IpAllowList {
    fn request(&self, head: &mut RequestHead<'_>, info: &mut Info) -> Flow {
        let allowed = client_ip(self.strategy.as_ref(), head, info)
            .is_some_and(|ip| self.ranges.iter().any(|range| range.contains(&ip)));
        if allowed {
            Flow::Continue
        } else {
            Flow::Answer(Box::new(Response::new(self.status, Fields::default(), crate::h1::reason(self.status))))
        }
    }
}
