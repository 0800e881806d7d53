//! What stands before both HTTP faces: who may ask, for what, and how much.
//!
//! Order of the checks: the peer (nobody from elsewhere in dev), the `Host` (a name that is ours, against DNS rebinding),
//! the origin (no web page of somebody else writes or reads secrets), the token, the size of the body, the time an answer
//! may take. A request that fails one never reaches a handler.

mod origin;
mod secret;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

pub use secret::{Secret, SecretError};

use crate::seats::Claim;

/// Largest announced body, in bytes; faces may allow less.
pub const BODY_MAX: u64 = 64 << 20;

/// How long a handler may take until its answer begins.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The same for reads that wait for a change: the longest wait there is (ten minutes and its jitter) and some.
pub const BLOCKING_TIMEOUT: Duration = Duration::from_secs(660);

/// Who sent a request; put into its extensions by [`crate::serve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Tcp(SocketAddr),
    /// A local socket, whose file permissions decide who gets here.
    Local,
}

impl Peer {
    fn is_local(self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Local => true,
        }
    }
}

/// Whether a request to a face shows secrets or changes something.
pub type AccessTable = fn(&Method, &str) -> bool;

/// Who may do what.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everything, from this machine.
    Dev,
    /// Reads that show no secrets from this machine; everything else with the token.
    Token(Secret),
    /// Everything, from everywhere (`acl { default = "allow" }`).
    Allow,
}

#[derive(Clone, Debug)]
pub struct Guard {
    access: Access,
    /// Names and addresses under which this agent is known besides loopback; lower case.
    names: Arc<BTreeSet<String>>,
}

impl Guard {
    /// `names`: what may stand in `Host` besides loopback names and addresses.
    pub fn new(access: Access, names: impl IntoIterator<Item = String>) -> Self {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { access, names: Arc::new(names) }
    }

    /// Puts the guard before `router`. `needs_token` is the face's own table.
    pub fn protect(self, router: Router, needs_token: AccessTable) -> Router {
        router.layer(from_fn_with_state((self, needs_token), check))
    }

    fn knows(&self, host: &str) -> bool {
        let name = host_name(host).to_ascii_lowercase();
        if let Ok(address) = name.parse::<IpAddr>()
            && address.to_canonical().is_loopback()
        {
            return true;
        }
        let name = name.trim_end_matches('.');
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(name)
    }

    fn admit(&self, request: &Request, sensitive: bool) -> Result<(), Refusal> {
        let local = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_local());
        if matches!(self.access, Access::Dev) && !local {
            return Err(Refusal::forbidden("this agent answers to its own machine only"));
        }
        let host = host_of(request)?;
        if !self.knows(&host) {
            return Err(Refusal::forbidden(format!(
                "host {host:?} is not a name of this agent; ask for localhost, or add the name to its configuration"
            )));
        }
        if sensitive && let Some(why) = origin::foreign(request.headers(), &host) {
            return Err(Refusal::forbidden(why));
        }
        let Access::Token(secret) = &self.access else { return Ok(()) };
        match token_of(request) {
            Some(token) if secret.matches(&token) => {
                if let Some(claim) = request.extensions().get::<Claim>() {
                    claim.trust();
                }
                Ok(())
            }
            Some(_) => Err(Refusal::forbidden("ACL token not found")),
            None if sensitive || !local => Err(Refusal::forbidden(
                "Permission denied: a token is needed (X-Nomad-Token or X-Consul-Token; the agent's token file holds it)",
            )),
            None => Ok(()),
        }
    }
}

struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    fn forbidden(text: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, text: text.into() }
    }

    fn answer(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], self.text).into_response()
    }
}

async fn check(State((guard, needs_token)): State<(Guard, AccessTable)>, request: Request, next: Next) -> Response {
    let sensitive = needs_token(request.method(), request.uri().path());
    if let Err(refusal) = guard.admit(&request, sensitive) {
        return refusal.answer();
    }
    if announced_length(&request).is_some_and(|length| length > BODY_MAX) {
        let text = format!("request body is over the limit of {BODY_MAX} bytes");
        return Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, text }.answer();
    }
    let query = request.uri().query().unwrap_or_default();
    let waits = query.split('&').any(|pair| pair.starts_with("index=") || pair.starts_with("wait="));
    let limit = if waits { BLOCKING_TIMEOUT } else { ANSWER_TIMEOUT };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = format!("no answer within {} s", limit.as_secs());
            Refusal { status: StatusCode::SERVICE_UNAVAILABLE, text }.answer()
        }
    }
}

fn announced_length(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The host asked for, by target or header. Both must agree.
fn host_of(request: &Request) -> Result<String, Refusal> {
    let bad = |text: &str| Refusal { status: StatusCode::BAD_REQUEST, text: text.to_owned() };
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let header = hosts.next().map(|host| host.to_str().map_err(|_| bad("Host is not text"))).transpose()?;
    if hosts.next().is_some() {
        return Err(bad("more than one Host"));
    }
    match (request.uri().authority(), header) {
        (Some(target), Some(host)) if !target.as_str().eq_ignore_ascii_case(host) => Err(bad("target and Host differ")),
        (Some(target), _) => Ok(target.as_str().to_owned()),
        (None, Some(host)) => Ok(host.to_owned()),
        (None, None) => Err(bad("no Host")),
    }
}

/// A host without its port.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').unwrap_or(("", ""));
        return if port.is_empty() || port.starts_with(':') { address } else { "" };
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// The token, wherever clients of Nomad and Consul put it.
fn token_of(request: &Request) -> Option<String> {
    let headers = request.headers();
    for name in ["x-nomad-token", "x-consul-token"] {
        if let Some(token) = headers.get(name).and_then(|value| value.to_str().ok())
            && !token.is_empty()
        {
            return Some(token.to_owned());
        }
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some((scheme, token)) = bearer.and_then(|value| value.split_once(' '))
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Some(token.trim().to_owned());
    }
    let query = request.uri().query().unwrap_or_default();
    let token = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    percent_decode_str(token).decode_utf8().ok().map(|token| token.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_known_and_others_are_not() {
        let guard = Guard::new(Access::Dev, ["edge-1.example.org".to_owned(), "10.0.0.5".to_owned()]);
        for host in [
            "localhost",
            "localhost:4646",
            "LOCALHOST:4646",
            "web.localhost",
            "127.0.0.1:4646",
            "127.0.0.11",
            "[::1]:4646",
            "[::ffff:127.0.0.1]:80",
            "edge-1.example.org:4646",
            "10.0.0.5:4646",
        ] {
            assert!(guard.knows(host), "{host}");
        }
        for host in [
            "evil.example.org",
            "10.0.0.6",
            "localhost.evil.org:4646",
            "",
            "127.0.0.1.evil.org",
            "[::2]:4646",
            "[::1].evil.org",
            "[::1",
            "::1",
            "localhost@evil.org",
            "0.0.0.0:4646",
        ] {
            assert!(!guard.knows(host), "{host}");
        }
    }
}
