//! A port that is needed and taken: who is it, and which flag helps.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use serde_json::Value;
use tokio::net::TcpListener;

/// How long the one who answers may take to say who it is.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a port is for, and the flags that help when it is taken.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    pub what: &'static str,
    pub flag: &'static str,
    /// What to do when a Consul agent is the one who answers.
    pub consul_advice: &'static str,
}

/// Listens on `address`; if somebody else does, the error says who and what to do.
pub async fn listen(address: SocketAddr, purpose: Purpose) -> Result<TcpListener> {
    let Purpose { what, flag, .. } = purpose;
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(explain(address, purpose).await),
        Err(error) => Err(anyhow!("cannot listen on {address} for {what}: {error}; choose another with {flag}")),
    }
}

async fn explain(address: SocketAddr, purpose: Purpose) -> Error {
    let Purpose { what, flag, consul_advice } = purpose;
    let (who, advice) = match identify(address).await {
        Some(Neighbour::Consul(version)) => (format!("a Consul agent (version {version})"), consul_advice.to_owned()),
        Some(Neighbour::Nomad(version)) => {
            (format!("a Nomad agent (version {version})"), format!("choose another address with {flag}"))
        }
        Some(Neighbour::Baton(version)) => (
            format!("another Baton agent (version {version})"),
            format!("stop it, or choose another address with {flag}"),
        ),
        None => ("another program".to_owned(), format!("choose another address with {flag}")),
    };
    anyhow!("{who} answers on {address}, which {what} needs; {advice}")
}

enum Neighbour {
    Consul(String),
    Nomad(String),
    Baton(String),
}

/// Asks for `agent/self`, whose shape tells the product.
async fn identify(address: SocketAddr) -> Option<Neighbour> {
    let http = reqwest::Client::builder().timeout(PROBE_TIMEOUT).no_proxy().build().ok()?;
    let answer: Value = http.get(format!("http://{address}/v1/agent/self")).send().await.ok()?.json().await.ok()?;
    let text = |path: &str| answer.pointer(path).and_then(Value::as_str).map(str::to_owned);
    if let Some(version) = text("/config/Baton").or_else(|| text("/DebugConfig/Baton")) {
        return Some(Neighbour::Baton(version));
    }
    if let Some(version) = text("/Config/Version") {
        return Some(Neighbour::Consul(version));
    }
    text("/config/Version/Version").or_else(|| text("/config/Version")).map(Neighbour::Nomad)
}
