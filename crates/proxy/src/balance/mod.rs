//! Load balancers: servers, their health, and who is next.
//!
//! A balancer is shared by all cores, so that the order of servers and the limits hold for the process. Health is
//! written by whoever observes it (catalog, probes, passive checks) and read here as a flag. A server object survives
//! reloads as long as its URL, transport and health check stay the same: pooled connections, health and in-flight counts
//! go with it.

mod health;
mod least_time;
pub(crate) mod rendezvous;
mod rotation;
pub(crate) mod sticky;
mod strategy;

use crate::message::RequestHead;
use crate::middleware::{Failure, Response};
use crate::upstream::Transport;
use baton_routing::config;
use health::Health;
pub use rotation::Rotation as WeightedRotation;
use rotation::Rotation;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Instant;
use sticky::Sticky;
use strategy::Strategy;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1
    Http,
    /// HTTP/1.1 or HTTP/2 over TLS
    Https,
    /// HTTP/2 in clear text
    H2c,
}

/// One server of a load balancer.
#[derive(Debug)]
pub struct Server {
    /// Unique in this process.
    pub id: u64,
    /// As configured.
    pub url: Box<str>,
    /// Protocol.
    pub scheme: Scheme,
    /// Host and port as in the URL, which is the `Host` field when the client's is not passed.
    pub authority: Box<str>,
    /// Host name or address.
    pub host: Box<str>,
    /// Port, the scheme's default when the URL has none.
    pub port: u16,
    /// The address when the URL names one, so that nothing is looked up.
    pub address: Option<SocketAddr>,
    /// Path of the URL to put before the request's, when it is preserved.
    pub path: Box<str>,
    /// How to talk to it.
    pub transport: Arc<Transport>,
    health: Health,
    draining: AtomicBool,
    in_flight: AtomicI64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Server {
    /// A server from its configuration, up until told otherwise.
    pub fn new(config: &config::Server, transport: Arc<Transport>) -> Result<Self, String> {
        let url = &config.url;
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("server URL {url:?} has no scheme"))?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            "h2c" => (Scheme::H2c, 80),
            other => return Err(format!("server URL {url:?} has the scheme {other:?}; http, https and h2c are known")),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let authority = crate::normalize::without_user(authority);
        let host = crate::normalize::without_port(authority);
        if host.is_empty() || !crate::h1::valid_host(authority) {
            return Err(format!("server URL {url:?} has no host"));
        }
        let port = match crate::normalize::port_of(authority) {
            Some(port) => port.parse().map_err(|_| format!("server URL {url:?} has an invalid port"))?,
            None => default_port,
        };
        let path =
            if config.preserve_path { crate::normalize::sendable(path.trim_end_matches('/')) } else { "".into() };
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            url: url.as_str().into(),
            scheme,
            authority: authority.into(),
            host: host.into(),
            port,
            address: host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)),
            path: (*path).into(),
            transport,
            health: Health::default(),
            draining: AtomicBool::new(config.fenced),
            in_flight: AtomicI64::new(0),
        })
    }

    /// Whether requests may go here.
    pub fn is_available(&self) -> bool {
        self.health.is_up() && !self.draining.load(Ordering::Relaxed)
    }

    /// Whether the last observation was good, and its answers are.
    pub fn is_healthy(&self) -> bool {
        self.health.is_up()
    }

    /// Records an observation; says whether it changed anything.
    pub fn set_healthy(&self, healthy: bool) -> bool {
        self.health.observe(healthy)
    }

    /// Stops or resumes sending new requests.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Requests and tunnels that are running.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// Counts one request at a server for as long as it lives.
#[derive(Debug)]
pub struct InFlight(Arc<Server>);

impl InFlight {
    /// Counts.
    pub fn at(server: &Arc<Server>) -> Self {
        server.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(server.clone())
    }

    /// The server.
    pub fn server(&self) -> &Arc<Server> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The chosen server.
#[derive(Debug)]
pub struct Pick {
    /// Where to send.
    pub server: Arc<Server>,
    /// `Set-Cookie` value that binds the client to it.
    pub set_cookie: Option<String>,
}

/// A load balancer.
#[derive(Debug)]
pub struct Balancer {
    /// As configured.
    pub config: config::LoadBalancer,
    /// Servers in configuration order, without those of weight 0.
    pub servers: Vec<Arc<Server>>,
    name: Box<str>,
    strategy: Strategy,
    sticky: Option<Sticky>,
}

impl Balancer {
    /// A balancer of the service `name`; `previous` lends servers that stay the same.
    pub fn new(
        name: &str,
        config: &config::LoadBalancer,
        transport: &Arc<Transport>,
        previous: Option<&Balancer>,
    ) -> Result<Self, String> {
        let mut servers = Vec::new();
        let mut weights = Vec::new();
        for entry in config.servers.iter().filter(|server| server.effective_weight() > 0) {
            let known = previous.and_then(|previous| previous.server(entry, transport));
            let kept = known.filter(|_| previous.is_some_and(|old| old.config.health_check == config.health_check));
            let server = match kept {
                Some(server) => {
                    server.set_draining(entry.fenced);
                    server.clone()
                }
                None => {
                    let server = Server::new(entry, transport.clone())?;
                    // Probed otherwise from now on: what was found stands until the first probe.
                    if let (Some(known), Some(_)) = (known, &config.health_check) {
                        server.set_healthy(known.is_healthy());
                    }
                    Arc::new(server)
                }
            };
            servers.push(server);
            weights.push(entry.effective_weight());
        }
        let sticky = config
            .sticky
            .as_ref()
            .filter(|_| config.strategy != config::Strategy::Hrw)
            .and_then(|sticky| sticky.cookie.as_ref())
            .map(|cookie| Sticky::new(name, cookie, servers.iter().map(|server| &*server.url)));
        let strategy = Strategy::new(config.strategy, &weights);
        Ok(Self { name: name.into(), config: config.clone(), strategy, servers, sticky })
    }

    /// The server of this configuration and transport.
    fn server(&self, entry: &config::Server, transport: &Arc<Transport>) -> Option<&Arc<Server>> {
        let same = |old: &config::Server| old.url == entry.url && old.preserve_path == entry.preserve_path;
        self.config.servers.iter().find(|old| same(old))?;
        self.servers.iter().find(|server| *server.url == *entry.url && Arc::ptr_eq(&server.transport, transport))
    }

    /// The server for a request; `avoid` lists servers already tried, used only when nothing else is left.
    ///
    /// `client` is the peer's address, by which some strategies choose.
    pub fn pick(&self, head: &RequestHead<'_>, client: &str, avoid: &[u64]) -> Option<Pick> {
        if let Some(sticky) = &self.sticky {
            let bound = sticky.bound(head).map(|index| &self.servers[index]);
            if let Some(server) = bound.filter(|server| server.is_available() && !avoid.contains(&server.id)) {
                return Some(Pick { server: server.clone(), set_cookie: None });
            }
        }
        let fresh = |index: usize| self.servers[index].is_available() && !avoid.contains(&self.servers[index].id);
        let index = self
            .strategy
            .next(&self.servers, client, fresh)
            .or_else(|| self.strategy.next(&self.servers, client, |index| self.servers[index].is_available()))?;
        let set_cookie = self.sticky.as_ref().map(|sticky| sticky.set_cookie(index));
        Some(Pick { server: self.servers[index].clone(), set_cookie })
    }

    /// Whether any server is available.
    pub fn is_up(&self) -> bool {
        self.servers.iter().any(|server| server.is_available())
    }

    /// Whether [`Balancer::note`] wants to hear of answers; such services stay off the fast path.
    pub fn goes_by_answers(&self) -> bool {
        self.config.passive_health_check.is_some() || matches!(self.strategy, Strategy::LeastTime(_))
    }

    /// Notes how a server answered a request that was sent at `since`.
    pub fn note(&self, server: &Arc<Server>, answer: &Response, since: Instant) {
        if answer.failure.is_some_and(Failure::is_the_clients) {
            return;
        }
        let failed = answer.failure.is_some() || answer.head.status >= 500;
        if let (Strategy::LeastTime(times), None) = (&self.strategy, answer.failure)
            && let Some(index) = self.servers.iter().position(|known| Arc::ptr_eq(known, server))
        {
            times.note(index, since.elapsed());
        }
        let Some(check) = &self.config.passive_health_check else { return };
        if !failed {
            server.health.succeeded();
        } else if server.health.failed(check.max_failed_attempts, *check.failure_window, Instant::now()) {
            tracing::warn!(service = %self.name, server = %server.url, "server is down: too many requests failed");
            if self.config.health_check.is_none() {
                self.forgive_later(server, *check.failure_window);
            }
        }
    }

    /// Gives a server another chance after a while; where there are probes, they decide.
    fn forgive_later(&self, server: &Arc<Server>, after: std::time::Duration) {
        let (service, server) = (self.name.clone(), server.clone());
        tokio::task::spawn_local(async move {
            tokio::time::sleep(after).await;
            if server.health.forgive() {
                tracing::info!(%service, server = %server.url, "server gets another chance");
            }
        });
    }
}
