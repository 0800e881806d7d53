//! The end of the generic path: one request to one server.

use super::h1::H1Exchange;
use super::{Connected, connect, h2};
use crate::balance::{Balancer, InFlight, Scheme, Server};
use crate::body::Body;
use crate::core::Core;
use crate::forward::{accept_response, append_forwarded_for_owned};
use crate::h1::{BodyWriter, Framing, write_request};
use crate::limits::STALE_RETRIES_MAX;
use crate::message::RequestHead;
use crate::middleware::{Failure, Request, Response};
use bytes::Bytes;
use http_body::Body as _;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// Sends `request` to a server of `balancer` and returns its answer, or what Traefik answers in its place.
pub async fn forward(core: &Rc<Core>, balancer: &Balancer, request: Request) -> Response {
    let client = &request.info.peer.ip_text;
    let Some(pick) = balancer.pick(&request.head, client, &[]) else { return Response::failed(Failure::NoServer) };
    let since = balancer.goes_by_answers().then(Instant::now);
    let mut response = match send(core, balancer, &pick.server, request).await {
        Ok(response) => response,
        Err(failure) => Response::failed(failure),
    };
    if let Some(since) = since {
        balancer.note(&pick.server, &response, since);
    }
    response.server = Some(pick.server);
    if let (Some(cookie), None) = (pick.set_cookie, response.failure) {
        response.head.fields.push(http::header::SET_COOKIE, cookie);
    }
    response
}

async fn send(
    core: &Rc<Core>,
    balancer: &Balancer,
    server: &Arc<Server>,
    request: Request,
) -> Result<Response, Failure> {
    let Request { mut head, mut body, info, upgrade } = request;
    append_forwarded_for_owned(&mut head.fields, &info.peer);
    if !balancer.config.pass_host_header {
        head.host = server.authority.to_string().into();
    }
    if !server.path.is_empty() {
        head.path = format!("{}{}", server.path, head.path).into();
    }
    let in_flight = InFlight::at(server);
    let is_head = head.method == "HEAD";
    let mut stale = 0;
    if server.scheme != Scheme::Http
        && let Some(connection) = core.h2.take(server.id).await
    {
        return Box::pin(over_h2(core, connection, server, head, body, in_flight)).await;
    }
    loop {
        let pooled = if stale < STALE_RETRIES_MAX { core.pool.take(server.id, core.timers.now()) } else { None };
        let reused = pooled.is_some();
        let stream = match pooled {
            Some(stream) => stream,
            None => match Box::pin(connect(core, server)).await? {
                Connected::Http1(stream) => stream,
                Connected::Http2(connection) => {
                    core.h2.put(server.id, &connection);
                    return Box::pin(over_h2(core, connection, server, head, body, in_flight)).await;
                }
            },
        };
        let (framing, writer) = framing_of(&head, &body);
        let mut written = core.buffer();
        write_request(&head, &head.path, &head.host, framing, upgrade.as_deref(), &mut written);
        let mut exchange = H1Exchange::new(core, stream, written, body, writer, is_head, InFlight::at(server));
        match poll_fn(|cx| exchange.poll_head(cx)).await {
            Ok(answer) => {
                let mut answered = answer.head;
                let protocol = answered.fields.get("upgrade").map(Bytes::copy_from_slice);
                accept_response(&mut answered, answer.listed);
                if answered.status == 101 {
                    let Some(protocol) = protocol.filter(|_| upgrade.is_some()) else { return Err(Failure::Malformed) };
                    answered.fields.push(http::header::UPGRADE, protocol);
                    let tunnel = exchange.into_tunnel().map(|(stream, _)| Box::new(stream));
                    return Ok(Response { head: answered, body: Body::Empty, server: None, failure: None, tunnel });
                }
                if let (true, Some(length)) = (is_head, answer.length) {
                    answered.fields.push(http::header::CONTENT_LENGTH, length.to_string());
                }
                return Ok(Response {
                    head: answered,
                    body: exchange.into_body(is_head),
                    server: None,
                    failure: None,
                    tunnel: None,
                });
            }
            // The server closed the pooled connection before it saw the request.
            Err(Failure::Broken) if reused && replayable(&head) => match exchange.take_unsent() {
                Some(unsent) => {
                    body = unsent;
                    stale += 1;
                }
                None => return Err(Failure::Broken),
            },
            Err(failure) => return Err(failure),
        }
    }
}

async fn over_h2(
    core: &Rc<Core>,
    connection: ::h2::client::SendRequest<bytes::Bytes>,
    server: &Arc<Server>,
    head: RequestHead<'static>,
    body: Body,
    in_flight: InFlight,
) -> Result<Response, Failure> {
    let is_head = head.method == "HEAD";
    let secure = server.scheme == Scheme::Https;
    let mut response = h2::exchange(core, connection, head, secure, body, server.transport.header_timeout()).await?;
    let length = is_head.then(|| response.head.fields.get_str("content-length").map(str::to_owned)).flatten();
    accept_response(&mut response.head, false);
    if let Some(length) = length {
        response.head.fields.push(http::header::CONTENT_LENGTH, length);
    }
    response.body = crate::body::holding(response.body, in_flight);
    Ok(response)
}

/// Whether sending the request twice does no harm when the first may have been processed (RFC 9110 §9.2.2).
pub fn replayable(head: &RequestHead<'_>) -> bool {
    matches!(&*head.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

fn framing_of(head: &RequestHead<'_>, body: &Body) -> (Framing, BodyWriter) {
    match body.length() {
        Some(0) => (Framing::None, BodyWriter::Plain),
        Some(length) => (Framing::Length(length), BodyWriter::Plain),
        None if body.is_end_stream() || head.method == "CONNECT" => (Framing::None, BodyWriter::Plain),
        None => (Framing::Chunked, BodyWriter::Chunked),
    }
}
