//! The HTTP/1 connection loop: read a head, do what it asks, again. What a connection does seldom is boxed, so that an idle
//! one is small.

use super::intake::{self, Next};
use super::respond::{self, Framed};
use super::{After, Client, ClientIo, generic, http2, relay};
use crate::core::Core;
use crate::engine::Phase;
use crate::exchange::Peer;
use crate::h1::{BodyReader, Framing, may_end_head};
use crate::io::Rewound;
use crate::limits::{LINGER, LINGER_BYTES, READ_TIMEOUT};
use crate::middleware::Response;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite as _;

/// Serves a connection until it ends.
pub(super) async fn serve(mut client: Client) {
    loop {
        let (idle, read) = timeouts(&client);
        // A connection that never sent anything gets the time of a request, not that of an idle one.
        let first = if client.served == 0 { read } else { idle };
        client.core.timers.arm(&client.connection.watch, first);
        let next = poll_fn(|cx| poll_next(&mut client, cx, read)).await;
        client.served += 1;
        let after = match next {
            Next::Closed => return,
            Next::Http2 => {
                let Client { io, core, peer, connection, .. } = client;
                let stream = Rewound { prefix: Bytes::from(io.input), stream: io.stream };
                return Box::pin(http2::serve(core, connection, peer, stream)).await;
            }
            Next::Refused(status) => Box::pin(refuse(&mut client, status)).await,
            Next::Relay(relay) => relay::run(&mut client, relay).await,
            Next::Answer(answered) => {
                let read = skip_body(&mut client, answered.framing);
                respond::send(&mut client, &answered.framed, answered.response, read).await
            }
            Next::Generic(wanted) => match Box::pin(generic::run(client, wanted)).await {
                Some((back, after)) => {
                    client = back;
                    after
                }
                None => return,
            },
        };
        match after {
            After::Keep => {}
            After::Close => return Box::pin(linger(client)).await,
            After::Abort => return,
        }
    }
}

fn timeouts(client: &Client) -> (Duration, Duration) {
    let snapshot = client.core.snapshot();
    match snapshot.entry_point(client.peer.entry_point) {
        Some(entry_point) => (entry_point.idle_timeout, entry_point.read_timeout),
        None => (Duration::from_secs(1), READ_TIMEOUT),
    }
}

fn poll_next(client: &mut Client, cx: &mut Context<'_>, read_timeout: Duration) -> Poll<Next> {
    let first = client.served == 0;
    let mut fresh = !client.io.input.is_empty();
    loop {
        if fresh {
            let mut input = std::mem::take(&mut client.io.input);
            if let Some((next, used)) = intake::read(&client.core, &client.peer, &input, first) {
                input.drain(..used);
                client.io.input = input;
                return Poll::Ready(next);
            }
            client.io.input = input;
        }
        let core = client.core.clone();
        let began = client.io.input.is_empty();
        let got = core.with_scratch(|scratch| match client.io.stream.poll_fill(cx, scratch) {
            Poll::Ready(Ok(bytes)) if bytes > 0 => {
                if began && let Some((next, used)) = intake::read(&core, &client.peer, &scratch[..bytes], first) {
                    client.io.input.extend_from_slice(&scratch[used..bytes]);
                    return Poll::Ready(Some(next));
                }
                let input = &mut client.io.input;
                let seen = input.len();
                input.extend_from_slice(&scratch[..bytes]);
                // Of a head that comes in pieces only the last is worth reading it all.
                fresh = !began && may_end_head(input, seen, head_limit(&core, &client.peer));
                skip_blank_lines(input);
                Poll::Ready(None)
            }
            Poll::Ready(_) => Poll::Ready(Some(Next::Closed)),
            Poll::Pending => Poll::Pending,
        });
        match got {
            Poll::Ready(Some(next)) => return Poll::Ready(next),
            Poll::Ready(None) => {
                if began {
                    client.core.timers.arm(&client.connection.watch, read_timeout);
                }
            }
            Poll::Pending => {
                let phase = client.core.shared.phase();
                let idle = client.io.input.is_empty();
                let over = client.connection.watch.expired(&client.core.timers, cx)
                    || phase == Phase::Cut
                    || (idle && phase >= Phase::Closing);
                return if over { Poll::Ready(Next::Closed) } else { Poll::Pending };
            }
        }
    }
}

fn head_limit(core: &Core, peer: &Peer) -> usize {
    core.snapshot().entry_point(peer.entry_point).map_or(0, |entry_point| entry_point.header_bytes)
}

/// Leaves one of the blank lines that stand before a request (RFC 9112 §2.2), so that many take no room.
fn skip_blank_lines(input: &mut Vec<u8>) {
    let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    input.drain(..blank.saturating_sub(2));
}

/// Drops a request's body as far as it came along; whether that was all of it.
fn skip_body(client: &mut Client, framing: Framing) -> bool {
    let mut reader = BodyReader::new(framing);
    if reader.is_done() {
        return true;
    }
    match reader.take(&mut client.io.input) {
        Ok(taken) => {
            client.io.input.drain(..taken.used);
            taken.done
        }
        Err(_) => false,
    }
}

/// Answers a request that is not acceptable.
async fn refuse(client: &mut Client, status: u16) -> After {
    let framed = Framed {
        snapshot: client.core.snapshot(),
        plan: None,
        peer: client.peer.clone(),
        http10: false,
        is_head: false,
        keep_alive: false,
        draft: None,
    };
    let text = match status {
        431 => "431 Request Header Fields Too Large",
        505 => "505 HTTP Version Not Supported",
        501 => "501 Not Implemented",
        _ => "400 Bad Request",
    };
    respond::send(client, &framed, Response::text(status, text), false).await
}

/// Closes so that the client gets the response: our side first, then what it still sends is read and dropped for a while.
async fn linger(mut client: Client) {
    let Client { core, connection, io: ClientIo { stream, .. }, .. } = &mut client;
    core.timers.arm(&connection.watch, LINGER);
    let (mut closed, mut left) = (false, LINGER_BYTES);
    poll_fn(|cx| {
        loop {
            let step = if closed {
                core.with_scratch(|scratch| stream.poll_fill(cx, scratch))
            } else {
                Pin::new(&mut *stream).poll_shutdown(cx).map_ok(|()| 1)
            };
            match step {
                Poll::Ready(Ok(_)) if !closed => closed = true,
                Poll::Ready(Ok(bytes)) if bytes > 0 && bytes < left => left -= bytes,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let over = connection.watch.expired(&core.timers, cx) || core.shared.phase() == Phase::Cut;
                    return if over { Poll::Ready(()) } else { Poll::Pending };
                }
            }
        }
    })
    .await;
}

impl Client {
    /// Whether the connection's own limits allow another request.
    pub fn keeps(&self, framed: &Framed) -> bool {
        let Some(entry_point) = framed.snapshot.entry_point(self.peer.entry_point) else { return false };
        let transport = &entry_point.options.transport;
        let requests = transport.keep_alive_max_requests;
        let age = (self.core.timers.now() - self.since) * crate::limits::TICK.as_millis() as u64;
        let max_age = transport.keep_alive_max_time.as_millis() as u64;
        (requests == 0 || self.served < requests) && (max_age == 0 || age < max_age)
    }
}
