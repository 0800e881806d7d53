//! One probe: a request to a server on a connection of its own, and what its answer means.

use super::grpc;
use super::url::{Url, scheme_of};
use crate::balance::{Scheme, Server};
use crate::engine::Shared;
use crate::io::Stream;
use crate::upstream::Transport;
use baton_routing::config::HealthCheck;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;
/// Of the answer's body so much is read, for so long, that servers are not told of a broken connection.
const BODY_BYTES: usize = 16 * 1024;
const BODY_TIME: Duration = Duration::from_millis(100);
/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static("baton-health-check");

/// Why a server counts as down.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("cannot connect to {0}: {1}")]
    Connect(String, std::io::Error),
    #[error("{0} is this machine's own agent, which is no server")]
    Denied(String),
    #[error("{0}")]
    Tls(String),
    #[error("no usable answer: {0}")]
    Http(String),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("it answered with status {0} instead of {1}")]
    OtherStatus(u16, u16),
    #[error("it redirected to {0:?}, where a probe cannot go")]
    Redirect(String),
    #[error("it redirected more than {REDIRECTS_MAX} times")]
    Redirects,
    #[error("{0}")]
    Grpc(String),
}

/// How a server is probed.
pub(super) struct Probe {
    url: Url,
    /// gRPC's health protocol instead of a plain request.
    grpc: bool,
    method: Method,
    /// The status that is wanted; 0 means 200–399.
    status: u16,
    host: Option<HeaderValue>,
    headers: HeaderMap,
    follow: bool,
    transport: Arc<Transport>,
    shared: Arc<Shared>,
}

/// What came back.
struct Answer {
    status: u16,
    location: Option<String>,
}

impl Probe {
    /// The probe of `server`; `Err` says why there can be none.
    pub(super) fn new(check: &HealthCheck, server: &Server, shared: &Arc<Shared>) -> Result<Self, String> {
        let unusable = |what: &str, value: &str| format!("healthCheck: {what} {value:?} cannot be used");
        let own = Url::parse(&server.url).ok_or_else(|| unusable("URL", &server.url))?;
        let same = |url: &Url| url.authority == own.authority && url.scheme == own.scheme;
        let mut url = own.join(&check.path).filter(same).ok_or_else(|| unusable("path", &check.path))?;
        if !check.scheme.is_empty() {
            url.scheme = scheme_of(&check.scheme).ok_or_else(|| unusable("scheme", &check.scheme))?;
        }
        if check.port != 0 {
            url = url.at_port(check.port);
        }
        let grpc = check.mode.eq_ignore_ascii_case("grpc");
        if grpc && url.scheme == Scheme::Http {
            url.scheme = Scheme::H2c;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &check.headers {
            let header = name.parse::<HeaderName>().ok().zip(value.parse().ok());
            let (name, value) = header.ok_or_else(|| unusable("header", name))?;
            headers.insert(name, value);
        }
        // A client's `Host` is the `hostname` option here, as in Traefik.
        [HOST, CONNECTION].iter().for_each(|name| drop(headers.remove(name)));
        headers.entry(USER_AGENT).or_insert(AGENT);
        let method = if check.method.is_empty() { "GET" } else { &check.method };
        let host = Some(check.hostname.as_str()).filter(|name| !name.is_empty());
        Ok(Self {
            url,
            grpc,
            method: method.parse().map_err(|_| unusable("method", method))?,
            status: check.status,
            host: host.map(|name| name.parse().map_err(|_| unusable("hostname", name))).transpose()?,
            headers,
            follow: check.follow_redirects,
            transport: server.transport.clone(),
            shared: shared.clone(),
        })
    }

    /// Asks; `Ok` means that the server is up.
    pub(super) async fn run(&self) -> Result<(), Fault> {
        if self.grpc {
            return grpc::check(self.dial(&self.url).await?, self.authority(&self.url)).await;
        }
        let (mut url, mut method, mut headers) = (self.url.clone(), self.method.clone(), self.headers.clone());
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.ask(&url, &method, &headers).await?;
            let redirects = self.follow && matches!(answer.status, 301 | 302 | 303 | 307 | 308);
            let Some(location) = answer.location.filter(|_| redirects) else { return self.judge(answer.status) };
            let next = url.join(&location).ok_or(Fault::Redirect(location))?;
            if matches!(answer.status, 301..=303) && method != Method::HEAD {
                method = Method::GET;
            }
            if next.authority != url.authority {
                // What was meant for this server is nobody else's business.
                headers = HeaderMap::from_iter([(USER_AGENT, AGENT)]);
            }
            url = next;
        }
        Err(Fault::Redirects)
    }

    fn judge(&self, status: u16) -> Result<(), Fault> {
        match self.status {
            0 if (200..400).contains(&status) => Ok(()),
            0 => Err(Fault::Status(status)),
            wanted if wanted == status => Ok(()),
            wanted => Err(Fault::OtherStatus(status, wanted)),
        }
    }

    /// The `Host` of a request: the option's for the server itself.
    fn authority(&self, url: &Url) -> HeaderValue {
        let own = self.host.clone().filter(|_| url.authority == self.url.authority);
        own.or_else(|| url.authority.parse().ok()).unwrap_or(HeaderValue::from_static(""))
    }

    async fn dial(&self, url: &Url) -> Result<Stream, Fault> {
        let refused = |error| Fault::Connect(url.authority.clone(), error);
        let port = url.port().ok_or_else(|| refused(std::io::ErrorKind::InvalidInput.into()))?;
        let tcp = TcpStream::connect((url.host(), port)).await.map_err(refused)?;
        let (peer, local) = (tcp.peer_addr().map_err(refused)?, tcp.local_addr().ok().map(|local| local.ip()));
        if self.shared.denied.holds(peer, local) {
            return Err(Fault::Denied(url.authority.clone()));
        }
        if url.scheme != Scheme::Https {
            return Ok(Stream::Tcp(tcp));
        }
        let config = self.transport.tls.clone().map_err(Fault::Tls)?;
        let name = match self.transport.config.server_name.as_str() {
            "" => url.host(),
            name => name,
        };
        let name =
            rustls_pki_types::ServerName::try_from(name.to_owned()).map_err(|error| Fault::Tls(error.to_string()))?;
        let tls = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.map_err(refused)?;
        Ok(Stream::TlsClient(Box::new(tls)))
    }

    async fn ask(&self, url: &Url, method: &Method, headers: &HeaderMap) -> Result<Answer, Fault> {
        let stream = self.dial(url).await?;
        let negotiated = matches!(&stream, Stream::TlsClient(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"));
        if negotiated || url.scheme == Scheme::H2c {
            self.ask_h2(stream, url, method, headers).await
        } else {
            self.ask_h1(stream, url, method, headers).await
        }
    }

    async fn ask_h1(&self, stream: Stream, url: &Url, method: &Method, headers: &HeaderMap) -> Result<Answer, Fault> {
        let broken = |error: hyper::Error| Fault::Http(error.to_string());
        // Some servers know field names by their usual spelling only.
        let mut client = hyper::client::conn::http1::Builder::new();
        let handshake = client.title_case_headers(true).handshake::<_, String>(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(broken)?;
        let mut request = self.request(url, method, headers, String::new())?;
        request.headers_mut().insert(HOST, self.authority(url));
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        *request.uri_mut() = url.target.parse().map_err(|_| Fault::Http(format!("the path {:?}", url.target)))?;
        let asked = async move {
            let response = sender.send_request(request).await.map_err(broken)?;
            let answer = Answer::of(&response);
            // The verdict stands, however the body ends.
            let _ = tokio::time::timeout(BODY_TIME, drain(response.into_body())).await;
            Ok(answer)
        };
        driven(connection, asked).await
    }

    async fn ask_h2(&self, stream: Stream, url: &Url, method: &Method, headers: &HeaderMap) -> Result<Answer, Fault> {
        let broken = |error: h2::Error| Fault::Http(error.to_string());
        let (sender, connection) = h2::client::handshake(stream).await.map_err(broken)?;
        let request = self.request(url, method, headers, ())?;
        let asked = async move {
            let mut sender = sender.ready().await.map_err(broken)?;
            let (response, _) = sender.send_request(request, true).map_err(broken)?;
            Ok(Answer::of(&response.await.map_err(broken)?))
        };
        driven(connection, asked).await
    }

    fn request<B>(&self, url: &Url, method: &Method, headers: &HeaderMap, body: B) -> Result<Request<B>, Fault> {
        let scheme = if url.scheme == Scheme::Https { "https" } else { "http" };
        let authority = self.authority(url);
        let uri = http::Uri::builder().scheme(scheme).authority(authority.as_bytes()).path_and_query(&*url.target);
        let mut request = Request::new(body);
        *request.uri_mut() = uri.build().map_err(|error| Fault::Http(error.to_string()))?;
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers.clone();
        Ok(request)
    }
}

impl Answer {
    fn of<B>(response: &Response<B>) -> Self {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        Self { status: response.status().as_u16(), location: location.map(str::to_owned) }
    }
}

/// The outcome of `work`, for which `connection` has to be driven.
pub(super) async fn driven<T>(connection: impl Future, work: impl Future<Output = T>) -> T {
    let (mut connection, mut work) = (pin!(connection), pin!(work));
    tokio::select! {
        biased;
        done = &mut work => return done,
        _ = &mut connection => {}
    }
    // The connection is over; what it brought is still to be picked up.
    work.await
}

async fn drain(mut body: Incoming) {
    let mut read = 0;
    while read < BODY_BYTES
        && let Some(Ok(frame)) = poll_fn(|cx| hyper::body::Body::poll_frame(Pin::new(&mut body), cx)).await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}
