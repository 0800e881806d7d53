//! The agent that looks after this proxy: its addresses are no backends.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use baton_proxy::upstream::Denied;

use crate::cli::places;

/// In the environment of tasks: where their agent's API and catalog answer, separated by commas.
pub const ADDRESSES: &str = "BATON_AGENT_ADDRESSES";
/// In the proxy's environment: `allow` permits routes to the agent.
const BACKENDS: &str = "BATON_AGENT_BACKENDS";
/// Where an agent's API answers unless told otherwise.
const API_PORT: u16 = 4646;

/// What the proxy may not send requests to: the addresses that the agent told its task, or, for a proxy that is no task,
/// those of the agent whose socket is on this machine.
pub fn denied() -> Denied {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let socket = places::data_dir().map(|dir| places::socket(&dir));
    let agent_is_here = socket.is_some_and(|path| Path::exists(&path));
    Denied::new(addresses(variable(BACKENDS).as_deref(), variable(ADDRESSES).as_deref(), agent_is_here))
}

fn addresses(backends: Option<&str>, told: Option<&str>, agent_is_here: bool) -> Vec<SocketAddr> {
    match (backends, told) {
        (Some("allow"), _) => {
            tracing::warn!("routes to the agent itself are permitted ({BACKENDS}=allow)");
            Vec::new()
        }
        (_, Some(list)) => list
            .split(',')
            .filter_map(|text| {
                let address = text.trim().parse().ok();
                if address.is_none() {
                    tracing::warn!("{ADDRESSES}: {text:?} is not an address");
                }
                address
            })
            .collect(),
        (_, None) if agent_is_here => here(API_PORT).into(),
        (_, None) => Vec::new(),
    }
}

/// What a task is told: where the API is reached from elsewhere and from here, and where the catalog is, if it is the agent's.
pub fn told(api: &str, catalog: Option<&str>) -> String {
    let port = api.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let own = port.map(here).into_iter().flatten().map(|address| address.to_string());
    let others = [Some(api), catalog].into_iter().flatten().map(|text| text.trim_start_matches("http://"));
    let others = others.filter(|text| text.parse::<SocketAddr>().is_ok()).map(str::to_owned);
    let mut all: Vec<String> = own.chain(others).collect();
    all.sort();
    all.dedup();
    all.join(",")
}

fn here(port: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let text = told("10.0.0.7:4646", Some("http://127.0.0.1:8500"));
        assert_eq!(text, "10.0.0.7:4646,127.0.0.1:4646,127.0.0.1:8500,[::1]:4646");
        let ports: Vec<u16> = addresses(None, Some(&text), false).iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [4646, 4646, 8500, 4646]);
        assert_eq!(told("edge.example.org:99", None), "127.0.0.1:99,[::1]:99");
        assert_eq!(told("", None), "");
    }

    #[test]
    fn a_proxy_that_is_no_task_looks_for_an_agent() {
        assert_eq!(addresses(None, None, true), here(4646));
        assert!(addresses(None, None, false).is_empty());
        assert!(addresses(Some("allow"), Some("127.0.0.1:1"), true).is_empty());
        assert_eq!(addresses(Some("yes"), Some("127.0.0.1:1,x"), true).len(), 1);
    }
}
