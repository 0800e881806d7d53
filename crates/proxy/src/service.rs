//! Services: what answers once a route is chosen.
//!
//! [`InternalService`] is the seam for answers from inside the process (`api@internal`, `dashboard@internal`,
//! `ping@internal`): the binary registers one per [`Internal`](baton_routing::config::Internal) in
//! [`EngineConfig::internals`](crate::engine::EngineConfig::internals). `ping@internal` is the engine's own unless replaced.

use crate::balance::{Balancer, Pick};
use crate::core::Core;
use crate::engine::Phase;
use crate::message::RequestHead;
use crate::middleware::{Failure, LocalFuture, Request, Response};
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
    /// This process.
    Internal(Arc<dyn InternalService>),
    /// Nothing: 503, because of this.
    Closed(String),
}

/// Services in turn by weight.
pub struct Weighted {
    /// Members.
    pub children: Vec<Arc<Service>>,
    /// Whose turn it is.
    pub rotation: crate::balance::WeightedRotation,
}

impl Service {
    /// The balancer that a request goes to, when it goes to servers. A service of services chooses here.
    pub fn balancer(&self) -> Option<&Arc<Balancer>> {
        match &self.kind {
            Kind::Balancer(balancer) => Some(balancer),
            Kind::Weighted(weighted) => {
                let next = weighted.rotation.next(|index| weighted.children[index].is_up())?;
                weighted.children[next].balancer()
            }
            Kind::Internal(_) | Kind::Closed(_) => None,
        }
    }

    /// Whether some server can answer.
    pub fn is_up(&self) -> bool {
        match &self.kind {
            Kind::Balancer(balancer) => balancer.is_up(),
            Kind::Weighted(weighted) => weighted.children.iter().any(|child| child.is_up()),
            Kind::Internal(_) => true,
            Kind::Closed(_) => false,
        }
    }

    /// Whether requests go straight to servers that speak HTTP/1.1, as the fast path needs.
    pub fn is_plain(&self) -> bool {
        match &self.kind {
            Kind::Balancer(balancer) => {
                balancer.servers.iter().all(|server| server.scheme == crate::balance::Scheme::Http)
            }
            Kind::Weighted(weighted) => weighted.children.iter().all(|child| child.is_plain()),
            Kind::Internal(_) | Kind::Closed(_) => false,
        }
    }

    /// The server for a request.
    pub fn pick(&self, head: &RequestHead<'_>) -> Option<(Arc<Balancer>, Pick)> {
        let balancer = self.balancer()?;
        Some((balancer.clone(), balancer.pick(head, &[])?))
    }

    /// Answers a request on the generic path.
    pub fn call<'a>(&'a self, core: &'a Rc<Core>, request: Request) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            match &self.kind {
                Kind::Internal(internal) => internal.handle(request).await,
                Kind::Closed(_) => Response::status(503),
                Kind::Balancer(_) | Kind::Weighted(_) => match self.balancer() {
                    Some(balancer) => crate::upstream::forward(core, balancer, request).await,
                    None => Response::failed(Failure::NoServer),
                },
            }
        })
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
