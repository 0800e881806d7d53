//! HTTP/2 to servers: one connection per server and core, shared by all streams; its task ends with the last user.

use crate::body::{Body, BodyError};
use crate::core::Core;
use crate::gather::Gather;
use crate::io::Stream;
use crate::limits::{HEADER_FIELDS_MAX, RESPONSE_HEADER_BYTES_MAX};
use crate::message::{Fields, RequestHead, ResponseHead};
use crate::middleware::{Failure, Response};
use ::h2::client::SendRequest;
use ::h2::{RecvStream, SendStream};
use bytes::Bytes;
use http_body::{Body as _, Frame};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Open HTTP/2 connections by server.
#[derive(Default)]
pub struct H2Pool {
    open: RefCell<HashMap<u64, SendRequest<Bytes>>>,
}

impl H2Pool {
    /// A connection that still takes streams.
    pub async fn take(&self, server: u64) -> Option<SendRequest<Bytes>> {
        let known = self.open.borrow().get(&server).cloned()?;
        match known.ready().await {
            Ok(ready) => Some(ready),
            Err(_) => {
                self.open.borrow_mut().remove(&server);
                None
            }
        }
    }

    /// Shares a connection.
    pub fn put(&self, server: u64, connection: &SendRequest<Bytes>) {
        self.open.borrow_mut().insert(server, connection.clone());
    }

    /// Forgets connections of servers for which `keep` is false.
    pub fn sweep(&self, keep: impl Fn(u64) -> bool) {
        self.open.borrow_mut().retain(|server, _| keep(*server));
    }
}

/// Window for bodies from servers.
const WINDOW_BYTES: u32 = 1 << 20;

/// Starts HTTP/2 on a fresh connection.
pub(super) async fn handshake(core: &Rc<Core>, stream: Stream) -> Result<SendRequest<Bytes>, Failure> {
    let output = Gather::new(core, stream);
    let (sender, mut connection) = ::h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(RESPONSE_HEADER_BYTES_MAX as u32)
        .handshake(output.clone())
        .await
        .map_err(|_| Failure::Connect)?;
    // A server that is gone by now has seen nothing.
    poll_fn(|cx| output.poll_send(cx)).await.map_err(|_| Failure::Connect)?;
    tokio::task::spawn_local(poll_fn(move |cx| {
        if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
            if let Err(error) = result {
                tracing::debug!(%error, "upstream HTTP/2 connection ended");
            }
            return Poll::Ready(());
        }
        match output.poll_send(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }));
    sender.ready().await.map_err(|_| Failure::Connect)
}

/// Sends one request.
pub(super) async fn exchange(
    core: &Rc<Core>,
    mut connection: SendRequest<Bytes>,
    head: RequestHead<'static>,
    secure: bool,
    mut body: Body,
    header_timeout: Option<std::time::Duration>,
) -> Result<Response, Failure> {
    let mut request = http::Request::new(());
    *request.method_mut() = http::Method::from_bytes(head.method.as_bytes()).map_err(|_| Failure::Malformed)?;
    let scheme = if secure { "https" } else { "http" };
    *request.uri_mut() = http::Uri::builder()
        .scheme(scheme)
        .authority(&*head.host)
        .path_and_query(&*head.target())
        .build()
        .map_err(|_| Failure::Malformed)?;
    let length = body.length();
    let mut fields = head.fields;
    if let Some(length) = length.filter(|length| *length > 0) {
        fields.push(http::header::CONTENT_LENGTH, length.to_string());
    }
    *request.headers_mut() = fields.into_map();
    let ends = body.is_end_stream();
    let (mut response, mut sender) = connection.send_request(request, ends).map_err(|_| Failure::Broken)?;
    let mut sending = !ends;
    let watch = core.timers.watch();
    let mut armed = false;
    let (parts, stream) = poll_fn(|cx| {
        if sending {
            match poll_send(cx, &mut sender, &mut body) {
                Poll::Ready(Ok(())) => sending = false,
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Pending => {}
            }
        }
        match Pin::new(&mut response).poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(response.into_parts())),
            Poll::Ready(Err(_)) => Poll::Ready(Err(Failure::Broken)),
            Poll::Pending => {
                if let (false, Some(limit)) = (sending, header_timeout) {
                    if !armed {
                        armed = true;
                        core.timers.arm(&watch, limit);
                    }
                    if watch.expired(&core.timers, cx) {
                        return Poll::Ready(Err(Failure::Timeout));
                    }
                }
                Poll::Pending
            }
        }
    })
    .await?;
    if parts.headers.len() > HEADER_FIELDS_MAX {
        return Err(Failure::Malformed);
    }
    let head = ResponseHead { status: parts.status.as_u16(), fields: Fields::from_map(parts.headers) };
    let length = head.fields.get_str("content-length").and_then(|text| text.parse().ok());
    let request = if sending { Some((sender, body)) } else { None };
    let body = if stream.is_end_stream() && request.is_none() {
        Body::Empty
    } else {
        Body::stream(H2Body { stream, request, length })
    };
    Ok(Response { head, body, server: None, failure: None, tunnel: None })
}

/// Sends what flow control allows; ready when the body is out.
fn poll_send(cx: &mut Context<'_>, sender: &mut SendStream<Bytes>, body: &mut Body) -> Poll<Result<(), Failure>> {
    loop {
        // A stream that the server reset takes nothing more; its response says why.
        if let Poll::Ready(_reset) = sender.poll_reset(cx) {
            return Poll::Ready(Ok(()));
        }
        sender.reserve_capacity(1);
        if sender.capacity() == 0 && ready!(sender.poll_capacity(cx)).is_none_or(|capacity| capacity.is_err()) {
            return Poll::Ready(Ok(()));
        }
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if sender.send_data(data, false).is_err() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let _ = sender.send_trailers(Fields::of_trailers(trailers).into_map());
                        return Poll::Ready(Ok(()));
                    }
                }
            },
            Some(Err(error)) => {
                sender.send_reset(::h2::Reason::CANCEL);
                return Poll::Ready(Err(error.into()));
            }
            None => {
                let _ = sender.send_data(Bytes::new(), true);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// A response body; also sends what is left of the request's.
struct H2Body {
    stream: RecvStream,
    request: Option<(SendStream<Bytes>, Body)>,
    length: Option<u64>,
}

impl http_body::Body for H2Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some((sender, body)) = &mut this.request
            && poll_send(cx, sender, body).is_ready()
        {
            this.request = None;
        }
        match ready!(this.stream.poll_data(cx)) {
            Some(Ok(data)) => {
                let _ = this.stream.flow_control().release_capacity(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(BodyError::Stream(error.to_string())))),
            None => match ready!(this.stream.poll_trailers(cx)) {
                Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(Fields::of_trailers(trailers).into_map())))),
                Ok(None) => Poll::Ready(None),
                Err(error) => Poll::Ready(Some(Err(BodyError::Stream(error.to_string())))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream() && self.request.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}
