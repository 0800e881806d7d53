//! Services: what answers once a route is chosen.
//!
//! [`InternalService`] is the seam for answers from inside the process (`api@internal`, `dashboard@internal`,
//! `ping@internal`): the binary registers one per [`Internal`](baton_routing::config::Internal) in
//! [`EngineConfig::internals`](crate::engine::EngineConfig::internals). `ping@internal` is the engine's own unless replaced.

mod mirroring;

use crate::balance::sticky::Sticky;
use crate::balance::{Balancer, Pick, Scheme, Server, WeightedRotation, rendezvous};
use crate::core::Core;
use crate::engine::Phase;
use crate::message::RequestHead;
use crate::middleware::{Failure, LocalFuture, Request, Response};
use baton_routing::config;
pub use mirroring::Mirroring;
use std::future::ready;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

/// Something in this process that answers requests.
pub trait InternalService: Send + Sync {
    /// Answers. Runs on a core's thread and must not block it.
    fn handle<'a>(&'a self, request: Request) -> LocalFuture<'a, Response>;
}

/// A service, ready to be called.
pub struct Service {
    /// Qualified name.
    pub name: Arc<str>,
    /// How it answers.
    pub kind: Kind,
}

/// The kinds of services.
pub enum Kind {
    /// Servers.
    Balancer(Arc<Balancer>),
    /// Other services, in turn.
    Weighted(Weighted),
    /// Other services, the same one for the same client.
    HighestRandomWeight(Vec<(Arc<Service>, u32)>),
    /// Another service while the first cannot answer.
    Failover(Failover),
    /// Another service, with copies to more.
    Mirroring(Mirroring),
    /// This process.
    Internal(Arc<dyn InternalService>),
    /// Nothing: 503, because of this.
    Closed(String),
}

/// Services in turn by weight.
pub struct Weighted {
    /// Members.
    pub children: Vec<Arc<Service>>,
    rotation: WeightedRotation,
    sticky: Option<Sticky>,
}

impl Weighted {
    /// The service `name` of `children` with these weights, none of them 0.
    pub fn new(name: &str, children: Vec<Arc<Service>>, weights: &[u32], sticky: Option<&config::Sticky>) -> Self {
        // In cookies a member goes by the name that its own provider gave it.
        let own =
            |child: &Arc<Service>| child.name.rsplit_once('@').map_or(0..child.name.len(), |(own, _)| 0..own.len());
        let sticky = sticky
            .and_then(|sticky| sticky.cookie.as_ref())
            .map(|cookie| Sticky::new(name, cookie, children.iter().map(|child| &child.name[own(child)])));
        Self { rotation: WeightedRotation::new(weights), children, sticky }
    }

    fn next(&self) -> Option<usize> {
        self.rotation.next(|index| self.children[index].is_up())
    }

    async fn call(&self, core: &Rc<Core>, request: Request) -> Response {
        let Some(sticky) = &self.sticky else {
            return match self.next() {
                Some(next) => self.children[next].call(core, request).await,
                None => Response::failed(Failure::NoServer),
            };
        };
        if let Some(bound) = sticky.bound(&request.head).filter(|index| self.children[*index].is_up()) {
            return self.children[bound].call(core, request).await;
        }
        let Some(next) = self.next() else { return Response::failed(Failure::NoServer) };
        let mut response = self.children[next].call(core, request).await;
        if response.failure.is_none() {
            response.head.fields.push(http::header::SET_COOKIE, sticky.set_cookie(next));
        }
        response
    }
}

/// A service and its stand-in.
pub struct Failover {
    /// Who answers as long as it is up.
    pub main: Arc<Service>,
    /// Who answers otherwise.
    pub fallback: Arc<Service>,
    /// Statuses of the main service's answers that the fallback's answer replaces.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// Requests with larger bodies are not sent twice.
    pub body_bytes: usize,
}

impl Failover {
    async fn call(&self, core: &Rc<Core>, mut request: Request) -> Response {
        if !self.main.is_up() {
            return self.fallback.call(core, request).await;
        }
        if self.statuses.is_empty() || request.upgrade.is_some() {
            return self.main.call(core, request).await;
        }
        let again = match crate::body::keep(std::mem::take(&mut request.body), self.body_bytes).await {
            Ok((Some(bytes), _)) => {
                request.body = bytes.clone().into();
                Some(Request {
                    head: request.head.clone(),
                    body: bytes.into(),
                    info: request.info.clone(),
                    upgrade: None,
                })
            }
            Ok((None, body)) => {
                request.body = body;
                None
            }
            Err(error) => return Response::failed(error.into()),
        };
        let response = self.main.call(core, request).await;
        match again {
            Some(again) if self.statuses.iter().any(|range| range.contains(&response.head.status)) => {
                drop(response);
                self.fallback.call(core, again).await
            }
            _ => response,
        }
    }
}

/// The member that `client` belongs to, out of those that are up.
fn member_of<'a>(members: &'a [(Arc<Service>, u32)], client: &str) -> Option<&'a Arc<Service>> {
    let score = |(service, weight): &(Arc<Service>, u32)| rendezvous::score(&service.name, *weight, client);
    let up = members.iter().filter(|(service, _)| service.is_up());
    up.max_by(|one, other| score(one).total_cmp(&score(other))).map(|(service, _)| service)
}

impl Service {
    /// The balancer that a request on the fast path goes to. A service of services in turn chooses here.
    pub fn balancer(&self) -> Option<&Arc<Balancer>> {
        match &self.kind {
            Kind::Balancer(balancer) => Some(balancer),
            Kind::Weighted(weighted) => weighted.children[weighted.next()?].balancer(),
            Kind::HighestRandomWeight(_)
            | Kind::Failover(_)
            | Kind::Mirroring(_)
            | Kind::Internal(_)
            | Kind::Closed(_) => None,
        }
    }

    /// Whether some server can answer.
    pub fn is_up(&self) -> bool {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.is_up(),
            Kind::Weighted(weighted) => weighted.children.iter().any(|child| child.is_up()),
            Kind::HighestRandomWeight(members) => members.iter().any(|(member, _)| member.is_up()),
            Kind::Failover(failover) => failover.main.is_up() || failover.fallback.is_up(),
            Kind::Mirroring(mirroring) => mirroring.main.is_up(),
            Kind::Internal(_) => true,
            Kind::Closed(_) => false,
        }
    }

    /// Whether requests go straight to servers that speak HTTP/1.1, as the fast path needs.
    pub fn is_plain(&self) -> bool {
        match &self.kind {
            Kind::Balancer(balancer) => {
                let plain = |server: &Arc<Server>| server.scheme == Scheme::Http;
                !balancer.goes_by_answers() && balancer.servers.iter().all(plain)
            }
            Kind::Weighted(weighted) => {
                weighted.sticky.is_none() && weighted.children.iter().all(|child| child.is_plain())
            }
            Kind::HighestRandomWeight(_)
            | Kind::Failover(_)
            | Kind::Mirroring(_)
            | Kind::Internal(_)
            | Kind::Closed(_) => false,
        }
    }

    /// The server for a request of the peer `client`.
    pub fn pick(&self, head: &RequestHead<'_>, client: &str) -> Option<(Arc<Balancer>, Pick)> {
        let balancer = self.balancer()?;
        Some((balancer.clone(), balancer.pick(head, client, &[])?))
    }

    /// Answers a request on the generic path.
    pub fn call<'a>(&'a self, core: &'a Rc<Core>, request: Request) -> LocalFuture<'a, Response> {
        match &self.kind {
            Kind::Internal(internal) => internal.handle(request),
            Kind::Closed(_) => Box::pin(ready(Response::status(503))),
            Kind::Balancer(balancer) => Box::pin(crate::upstream::forward(core, balancer, request)),
            Kind::Weighted(weighted) => Box::pin(weighted.call(core, request)),
            Kind::HighestRandomWeight(members) => match member_of(members, &request.info.peer.ip_text) {
                Some(member) => member.call(core, request),
                None => Box::pin(ready(Response::failed(Failure::NoServer))),
            },
            Kind::Failover(failover) => Box::pin(failover.call(core, request)),
            Kind::Mirroring(mirroring) => Box::pin(mirroring.call(core, request)),
        }
    }
}

/// `ping@internal`: 200 while running, another status once stopping.
#[derive(Debug)]
pub struct Ping {
    phase: Arc<AtomicU8>,
    terminating_status: AtomicU16,
}

impl Ping {
    /// A ping that follows `phase` and answers `terminating_status` while stopping.
    pub fn new(phase: Arc<AtomicU8>, terminating_status: u16) -> Self {
        Self { phase, terminating_status: AtomicU16::new(terminating_status) }
    }
}

impl InternalService for Ping {
    fn handle<'a>(&'a self, _request: Request) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            match Phase::load(&self.phase) {
                Phase::Running => Response::text(200, "OK"),
                _ => {
                    let status = self.terminating_status.load(Ordering::Relaxed);
                    Response::text(status, crate::h1::reason(status))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, up: bool, weight: u32) -> (Arc<Service>, u32) {
        let ping = Ping::new(Arc::new(AtomicU8::new(0)), 503);
        let kind = if up { Kind::Internal(Arc::new(ping)) } else { Kind::Closed("down".to_owned()) };
        (Arc::new(Service { name: name.into(), kind }), weight)
    }

    fn choices(members: &[(Arc<Service>, u32)]) -> Vec<String> {
        (0..1000).map(|client| member_of(members, &client.to_string()).unwrap().name.to_string()).collect()
    }

    #[test]
    fn clients_move_only_when_their_service_goes() {
        let all = choices(&[member("a", true, 1), member("b", true, 1), member("c", true, 2)]);
        let share = |name: &str| all.iter().filter(|chosen| **chosen == name).count();
        assert!((200..300).contains(&share("a")) && (440..560).contains(&share("c")), "{} {}", share("a"), share("c"));
        let rest = choices(&[member("a", true, 1), member("b", false, 1), member("c", true, 2)]);
        assert!(all.iter().zip(&rest).all(|(before, after)| before == after || before == "b"));
        assert!(member_of(&[member("a", false, 1)], "x").is_none());
    }
}
