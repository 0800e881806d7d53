//! Middlewares: what they may do, and where their kinds are registered.
//!
//! There are two shapes. A [`HeadFilter`] looks at heads only; routes that have nothing else take the fast path. A
//! [`Middleware`] wraps the whole exchange and may replace bodies or call the rest of the chain more than once; one of
//! these sends a route down the generic path, where head filters work just the same.
//!
//! To add a kind: write a file here with a type that implements one of the traits, and name it in [`build`]. A kind
//! that is not named there closes the routes that use it (503), it never lets requests through without it.
//!
//! State of a middleware (buckets, breakers) lives in the value that [`build`] returns. It is shared by all cores and
//! kept over a reload as long as name and configuration stay the same.

mod basic_auth;
mod buckets;
mod buffering;
mod circuit_breaker;
mod client_cert;
mod compress;
mod content_type;
mod digest_auth;
mod errors;
mod escapes;
mod expression;
mod forward_auth;
mod forwarding;
mod grpc_web;
mod headers;
mod in_flight;
mod ip_allow_list;
mod path;
mod rate_limit;
mod redirect;
mod retry;
mod source;
mod users;

use crate::balance::Server;
use crate::body::{Body, BodyError};
use crate::core::Core;
use crate::exchange::Info;
use crate::message::{Fields, RequestHead, ResponseHead};
use crate::service::Service;
use baton_routing::config;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

pub use forwarding::client_ip;
pub(crate) use forwarding::network;

/// A future that stays on its core.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A request on the generic path.
pub struct Request {
    /// Method, target, fields.
    pub head: RequestHead<'static>,
    /// Body; unread unless a middleware reads it.
    pub body: Body,
    /// Where it came from.
    pub info: Rc<Info>,
    /// Protocol that an `Upgrade` asks for. Such a request has no body; see [`Response::tunnel`].
    pub upgrade: Option<bytes::Bytes>,
}

/// A response on the generic path.
pub struct Response {
    /// Status and fields.
    pub head: ResponseHead<'static>,
    /// Body.
    pub body: Body,
    /// The server that answered, or that was tried.
    pub server: Option<Arc<Server>>,
    /// Why no server answered, when the response was made up for that reason.
    pub failure: Option<Failure>,
    /// The server side of an upgraded connection (status 101).
    pub tunnel: Option<Box<crate::io::Rewound>>,
}

/// How a request failed to get an answer from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Connecting failed: nothing of the request was sent, any request may be tried again.
    Connect,
    /// The connection broke after something was sent.
    Broken,
    /// Nothing came in time.
    Timeout,
    /// The server's answer was not HTTP.
    Malformed,
    /// There is no server to send to.
    NoServer,
    /// The server is one that requests may not be sent to.
    Denied,
    /// The client went away.
    ClientGone,
    /// The client broke the framing of its body.
    BadBody,
    /// The client's body did not come in time.
    SlowBody,
}

impl Failure {
    /// Whether the client is to blame, and the server is as good as before.
    pub fn is_the_clients(self) -> bool {
        matches!(self, Self::ClientGone | Self::BadBody | Self::SlowBody)
    }
}

impl From<BodyError> for Failure {
    /// How a request fails whose body could not be read.
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Malformed => Self::BadBody,
            BodyError::Timeout => Self::SlowBody,
            BodyError::Truncated | BodyError::TooLarge | BodyError::Stream(_) => Self::ClientGone,
        }
    }
}

/// What a head filter decided about a request.
pub enum Flow {
    /// Go on.
    Continue,
    /// Answer with this; neither the filters after this one nor a server see the request.
    Answer(Box<Response>),
}

/// A middleware that needs heads only.
pub trait HeadFilter: Send + Sync {
    /// Looks at, edits or answers a request.
    fn request(&self, head: &mut RequestHead<'_>, info: &mut Info) -> Flow;

    /// Edits the response on its way back; also called for answers of filters further in.
    fn response(&self, _head: &mut ResponseHead<'_>, _info: &Info) {}

    /// Whether [`HeadFilter::response`] does anything.
    fn edits_responses(&self) -> bool {
        false
    }
}

/// A middleware that was told to do nothing.
struct Nothing;

impl HeadFilter for Nothing {
    fn request(&self, _: &mut RequestHead<'_>, _: &mut Info) -> Flow {
        Flow::Continue
    }
}

/// A middleware that wraps the whole exchange.
pub trait Middleware: Send + Sync {
    /// Handles the request, usually by calling `next`.
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> LocalFuture<'a, Response>;
}

/// One link of a route's chain.
#[derive(Clone)]
pub enum Layer {
    /// Heads only.
    Head(Arc<dyn HeadFilter>),
    /// Whole exchange.
    Full(Arc<dyn Middleware>),
}

/// The rest of a chain, ending in the service. May be run more than once.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    /// The core this runs on.
    pub core: &'a Rc<Core>,
    layers: &'a [Layer],
    service: &'a Service,
}

impl<'a> Next<'a> {
    /// A chain of `layers` before `service`.
    pub fn new(core: &'a Rc<Core>, layers: &'a [Layer], service: &'a Service) -> Self {
        Self { core, layers, service }
    }

    /// Runs the rest of the chain.
    pub fn run(self, mut request: Request) -> LocalFuture<'a, Response> {
        match self.layers.split_first() {
            None => return self.service.call(self.core, request),
            Some((Layer::Full(middleware), after)) => {
                return middleware.handle(request, Next { layers: after, ..self });
            }
            Some((Layer::Head(_), _)) => {}
        }
        Box::pin(async move {
            // Head filters in a row need no future of their own.
            let mut filters: smallvec::SmallVec<[&Arc<dyn HeadFilter>; 8]> = smallvec::SmallVec::new();
            let mut rest = self.layers;
            let mut answer = None;
            while let Some((Layer::Head(filter), after)) = rest.split_first() {
                rest = after;
                if let Flow::Answer(response) = filter.request(&mut request.head, Rc::make_mut(&mut request.info)) {
                    answer = Some(*response);
                    break;
                }
                filters.push(filter);
            }
            let info = request.info.clone();
            let mut response = match (answer, rest.split_first()) {
                (Some(response), _) => response,
                (None, Some((Layer::Full(middleware), after))) => {
                    middleware.handle(request, Next { layers: after, ..self }).await
                }
                (None, _) => self.service.call(self.core, request).await,
            };
            for filter in filters.iter().rev() {
                filter.response(&mut response.head, &info);
            }
            response
        })
    }
}

/// `502` or `500-599`.
pub(crate) fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some(from.trim().parse().ok()?..=to.trim().parse().ok()?)
}

/// Whether a middleware depends on more than its configuration, so that a reload has to build it again.
pub fn reads_files(kind: &config::Middleware) -> bool {
    match kind {
        config::Middleware::BasicAuth(options) => !options.users_file.is_empty(),
        config::Middleware::DigestAuth(options) => !options.users_file.is_empty(),
        _ => false,
    }
}

/// Whether each route needs one of its own: a breaker on two routes must not take what one service does for the other's.
pub fn is_per_route(kind: &config::Middleware) -> bool {
    matches!(kind, config::Middleware::CircuitBreaker(_))
}

/// Builds a middleware from its configuration. `Err` says why the kind cannot work; its routes are then closed.
pub fn build(name: &str, kind: &config::Middleware) -> Result<Layer, String> {
    use config::Middleware as Kind;
    Ok(match kind {
        Kind::AddPrefix(options) => Layer::Head(Arc::new(path::AddPrefix::new(options))),
        Kind::StripPrefix(options) => Layer::Head(Arc::new(path::StripPrefix::new(options))),
        Kind::StripPrefixRegex(options) => Layer::Head(Arc::new(path::StripPrefixRegex::new(options)?)),
        Kind::ReplacePath(options) => Layer::Head(Arc::new(path::ReplacePath::new(options))),
        Kind::ReplacePathRegex(options) => Layer::Head(Arc::new(path::ReplacePathRegex::new(options)?)),
        Kind::IpWhiteList(options) | Kind::IpAllowList(options) => {
            Layer::Head(Arc::new(ip_allow_list::IpAllowList::new(options)?))
        }
        Kind::Headers(options) => Layer::Head(Arc::new(headers::Headers::new(options)?)),
        Kind::RedirectScheme(options) => Layer::Head(Arc::new(redirect::RedirectScheme::new(options))),
        Kind::RedirectRegex(options) => Layer::Head(Arc::new(redirect::RedirectRegex::new(options)?)),
        Kind::BasicAuth(options) => Layer::Full(Arc::new(basic_auth::BasicAuth::new(options)?)),
        Kind::EncodedCharacters(options) => Layer::Head(Arc::new(escapes::Escapes::new(options))),
        Kind::DigestAuth(options) => Layer::Full(Arc::new(digest_auth::DigestAuth::new(options)?)),
        Kind::PassTlsClientCert(options) => Layer::Head(Arc::new(client_cert::ClientCert::new(options))),
        Kind::ContentType(options) if options.auto_detect == Some(false) => Layer::Head(Arc::new(Nothing)),
        Kind::ContentType(_) => Layer::Full(Arc::new(content_type::ContentType)),
        Kind::GrpcWeb(options) => Layer::Full(Arc::new(grpc_web::GrpcWeb::new(options))),
        Kind::Compress(options) => Layer::Full(Arc::new(compress::Compress::new(options)?)),
        Kind::RateLimit(options) => Layer::Head(Arc::new(rate_limit::RateLimit::new(options)?)),
        Kind::InFlightReq(options) => Layer::Full(Arc::new(in_flight::InFlightReq::new(options)?)),
        Kind::Errors(options) => Layer::Full(Arc::new(errors::Errors::new(options)?)),
        Kind::ForwardAuth(options) => Layer::Full(Arc::new(forward_auth::ForwardAuth::new(name, options)?)),
        Kind::Buffering(options) => Layer::Full(Arc::new(buffering::Buffering::new(options)?)),
        Kind::CircuitBreaker(options) => Layer::Full(Arc::new(circuit_breaker::CircuitBreaker::new(name, options)?)),
        Kind::Retry(options) => Layer::Full(Arc::new(retry::Retry::new(options))),
        other => return Err(format!("middleware {name}: the kind {} is not implemented", other.key())),
    })
}

impl Response {
    /// A response with a body in memory.
    pub fn new(status: u16, fields: Fields<'static>, body: impl Into<Body>) -> Self {
        Self { head: ResponseHead { status, fields }, body: body.into(), server: None, failure: None, tunnel: None }
    }

    /// A plain-text response.
    pub fn text(status: u16, text: &'static str) -> Self {
        let mut fields = Fields::default();
        fields.push(http::header::CONTENT_TYPE, "text/plain; charset=utf-8");
        fields.push(http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        Self::new(status, fields, text)
    }

    /// A response that only says its status, as Go's reverse proxy words it.
    pub fn status(status: u16) -> Self {
        Self::new(status, Fields::default(), crate::h1::reason(status))
    }

    /// What a failed exchange answers (Traefik's codes).
    pub fn failed(failure: Failure) -> Self {
        let mut response = match failure {
            Failure::Connect | Failure::Broken | Failure::Denied => Self::status(502),
            Failure::Timeout => Self::status(504),
            Failure::Malformed => Self::status(500),
            Failure::NoServer => Self::text(503, "no available server\n"),
            Failure::ClientGone => Self::new(499, Fields::default(), "Client Closed Request"),
            Failure::BadBody => Self::status(400),
            Failure::SlowBody => Self::status(408),
        };
        response.failure = Some(failure);
        response
    }
}
