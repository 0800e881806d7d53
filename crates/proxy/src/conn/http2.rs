//! HTTP/2 clients. Streams always take the generic path: heads arrive as owned fields anyway, and the response's body
//! polls the server's socket itself, without a task or channel in between.

use super::intake::{Draft, Routed, route};
use super::respond::Framed;
use super::streams::{Open, Streams};
use crate::balance::Server;
use crate::body::{Body, BodyError, trailer_frame};
use crate::core::{Connection, Core, Watch};
use crate::engine::Phase;
use crate::exchange::{Info, Peer};
use crate::forward::accept_request;
use crate::gather::Gather;
use crate::io::Rewound;
use crate::limits::{H2_STREAMS_MAX, HEADER_FIELDS_MAX};
use crate::message::{Fields, Known, RequestHead, Version};
use crate::middleware::{Next, Request, Response};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::server::conn::http2;
use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Runs stream tasks on the core.
#[derive(Clone)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve(core: Rc<Core>, connection: Connection, peer: Rc<Peer>, stream: Rewound) {
    let snapshot = core.snapshot();
    let Some(entry_point) = snapshot.entry_point(peer.entry_point) else { return };
    let options = &entry_point.options.http2;
    let header_bytes = u32::try_from(entry_point.header_bytes).unwrap_or(u32::MAX);
    core.timers.arm(&connection.watch, entry_point.idle_timeout);
    let streams = Rc::new(Streams::of(&connection));
    let service = {
        let (core, peer, streams) = (core.clone(), peer.clone(), streams.clone());
        hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let (core, peer) = (core.clone(), peer.clone());
            let open = Open::new(&streams);
            async move { Ok::<_, Infallible>(answer(&core, &peer, request, open).await) }
        })
    };
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .max_concurrent_streams(match options.max_concurrent_streams {
            0 => H2_STREAMS_MAX,
            configured => configured,
        })
        .max_header_list_size(header_bytes)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .max_pending_accept_reset_streams(20);
    let output = Gather::new(&core, stream);
    let mut served = pin!(builder.serve_connection(hyper_util::rt::TokioIo::new(output.clone()), service));
    let (mut leaving, mut stalled, mut taken) = (false, None, 0);
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = served.as_mut().poll(cx) {
                if let Err(error) = result {
                    tracing::debug!(%error, "HTTP/2 connection ended");
                }
                return Poll::Ready(());
            }
            let phase = core.shared.phase();
            let open = streams.open.get() > 0;
            let waiting = match output.poll_send(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if open && streams.blocked.get() == streams.open.get() => Some(streams.moved.get()),
                Poll::Ready(Ok(())) => None,
                Poll::Pending => Some(output.taken()),
            };
            let expired = connection.watch.expired(&core.timers, cx);
            let stands = waiting.is_some() && stalled == waiting;
            // What the codec still holds of the last answers flows on without an open stream.
            let flows = std::mem::replace(&mut taken, output.taken()) != taken;
            // The client takes nothing of what waits for it, or stays on after it was told to go.
            if phase == Phase::Cut || (expired && (stands || (leaving && !open && !flows))) {
                return Poll::Ready(());
            }
            connection.watch.register(cx);
            if waiting.is_some() {
                if !stands {
                    core.timers.arm(&connection.watch, entry_point.write_timeout);
                }
            } else if open || stalled.is_some() || (leaving && flows) {
                core.timers.arm(&connection.watch, entry_point.idle_timeout);
            }
            stalled = waiting;
            if leaving || (phase < Phase::Draining && (open || !expired)) {
                return Poll::Pending;
            }
            leaving = true;
            core.timers.arm(&connection.watch, entry_point.idle_timeout);
            // Sends GOAWAY with the highest id, then the true last one (RFC 9113 §6.8).
            served.as_mut().graceful_shutdown();
        }
    })
    .await;
}

async fn answer(
    core: &Rc<Core>,
    peer: &Rc<Peer>,
    request: http::Request<hyper::body::Incoming>,
    open: Open,
) -> http::Response<Outbound> {
    let snapshot = core.snapshot();
    let is_head = request.method() == http::Method::HEAD;
    let mut framed = Framed {
        snapshot: snapshot.clone(),
        plan: None,
        peer: peer.clone(),
        http10: false,
        is_head,
        keep_alive: true,
        draft: None,
    };
    let response = match read_head(core, peer, request) {
        Ok((head, body)) => {
            framed.draft = core.shared.access_log.is_some().then(|| Box::new(Draft::new(&head)));
            match route(&snapshot, peer, &head) {
                Routed::Answer(response) => response,
                Routed::Plan(index) => {
                    framed.plan = Some(index);
                    let plan = snapshot.plans[index].clone();
                    let request = Request { head, body, info: Rc::new(Info::new(peer.clone(), false)), upgrade: None };
                    Next::new(core, &plan.layers, &plan.service).run(request).await
                }
            }
        }
        Err(status) => Response::status(status),
    };
    to_wire(core, framed, response, open)
}

/// Reads a stream's head; `Err` is the status that refuses it.
fn read_head(
    core: &Rc<Core>,
    peer: &Rc<Peer>,
    request: http::Request<hyper::body::Incoming>,
) -> Result<(RequestHead<'static>, Body), u16> {
    let snapshot = core.snapshot();
    let entry_point = snapshot.entry_point(peer.entry_point).ok_or(404u16)?;
    let (parts, incoming) = request.into_parts();
    if parts.method == http::Method::CONNECT {
        return Err(501);
    }
    let mut fields = Fields::from_map(parts.headers);
    let authority = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    let named = fields.get_str("host").map(str::to_owned);
    let host = match (authority, named) {
        // Two names are two readings (RFC 9113 §8.3.1).
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(&host) => return Err(400),
        (Some(authority), _) => authority,
        (None, Some(host)) => host,
        (None, None) => return Err(400),
    };
    let target = parts.uri.path();
    if fields.all("host").nth(1).is_some()
        || !crate::h1::valid_host(&host)
        || !(target.starts_with('/') || (target == "*" && parts.method == http::Method::OPTIONS))
    {
        return Err(400);
    }
    let path = entry_point.paths.clean(target).ok_or(400u16)?.into_owned();
    let query = parts.uri.query().map(|query| Cow::Owned(entry_point.paths.query(query).into_owned()));
    let te = fields.known(Known::Te).is_some_and(|value| value.eq_ignore_ascii_case(b"trailers"));
    // Several cookie lines are one field (RFC 9113 §8.2.3).
    if fields.all("cookie").nth(1).is_some() {
        let joined = fields.all("cookie").collect::<Vec<_>>().join(&b"; "[..]);
        fields.set(http::header::COOKIE, Bytes::from(joined));
    }
    let mut head = RequestHead {
        method: Cow::Owned(parts.method.as_str().to_owned()),
        path: Cow::Owned(path),
        query,
        host: Cow::Owned(host),
        version: Version::Http2,
        fields: Fields::default(),
    };
    {
        let mut view = RequestHead {
            fields,
            method: Cow::Borrowed(""),
            path: Cow::Borrowed(""),
            query: None,
            host: Cow::Borrowed(&*head.host),
            version: Version::Http2,
        };
        accept_request(&mut view, peer, &core.shared.hostname, false, te, false);
        head.fields = view.fields.into_owned();
    }
    if head.fields.len() > HEADER_FIELDS_MAX {
        return Err(431);
    }
    let body = if incoming.is_end_stream() {
        Body::Empty
    } else {
        let read_timeout = entry_point.read_timeout;
        Body::stream(Inbound { incoming, core: core.clone(), watch: core.timers.watch(), read_timeout, awaited: false })
    };
    Ok((head, body))
}

fn to_wire(core: &Rc<Core>, framed: Framed, response: Response, open: Open) -> http::Response<Outbound> {
    let Response { head, body, server, .. } = response;
    let status = head.status;
    let declared = head.fields.known(Known::ContentLength).filter(|_| framed.is_head).map(Bytes::copy_from_slice);
    let mut wire = http::Response::new(());
    *wire.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let mut map = head.fields.into_map();
    // The framing is the protocol's own, whatever a middleware says.
    for name in [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING, http::header::CONNECTION] {
        map.remove(name);
    }
    if !map.contains_key(http::header::DATE)
        && let Ok(date) = http::HeaderValue::from_bytes(&core.date())
    {
        map.insert(http::header::DATE, date);
    }
    if !framed.is_head
        && !matches!(status, 204 | 304)
        && let Some(length) = body.length()
    {
        map.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from(length));
    }
    if let Some(Ok(length)) = declared.map(http::HeaderValue::from_maybe_shared) {
        map.insert(http::header::CONTENT_LENGTH, length);
    }
    *wire.headers_mut() = map;
    // Leaving is told to other protocols' clients by `Connection: close`; here by GOAWAY.
    let body = if framed.is_head { Body::Empty } else { body };
    wire.map(|()| Outbound { body, core: core.clone(), framed, server, status, bytes_out: 0, open })
}

/// A request body from hyper.
struct Inbound {
    incoming: hyper::body::Incoming,
    core: Rc<Core>,
    watch: Watch,
    read_timeout: Duration,
    /// Somebody waits for more, so that the limit runs.
    awaited: bool,
}

impl http_body::Body for Inbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) else {
            if !std::mem::replace(&mut this.awaited, true) {
                this.core.timers.arm(&this.watch, this.read_timeout);
            }
            let over = this.watch.expired(&this.core.timers, cx);
            return if over { Poll::Ready(Some(Err(BodyError::Timeout))) } else { Poll::Pending };
        };
        this.awaited = false;
        Poll::Ready(frame.map(|frame| match frame.map(Frame::into_trailers) {
            Ok(Ok(trailers)) => Ok(trailer_frame(Fields::of_trailers(trailers))),
            Ok(Err(data)) => Ok(data),
            Err(error) => Err(BodyError::Stream(error.to_string())),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// A response body to hyper; closes the books when it is dropped.
struct Outbound {
    body: Body,
    core: Rc<Core>,
    framed: Framed,
    server: Option<Arc<Server>>,
    status: u16,
    bytes_out: u64,
    open: Open,
}

impl http_body::Body for Outbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.open.unblock();
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.bytes_out += data.len() as u64;
            self.open.block();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        let server = self.server.as_deref().map(|server| &*server.url);
        self.framed.finish(&self.core, server, self.status, self.bytes_out);
    }
}
