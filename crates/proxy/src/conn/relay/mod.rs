//! The fast path: one HTTP/1.1 request relayed to one HTTP/1.1 server, heads edited, bodies passed through the core's
//! scratch buffer without a copy of their own.
//!
//! Per request without a body: one read and one write on each side, no allocation once buffers are warm. Invariants: no
//! scratch borrow crosses a wait; nothing more is read from one side while the other has not taken what was read;
//! a pooled connection that turns out to be closed is replaced once, and only if the request can be repeated.

mod response;
mod session;

use super::intake::filter_response;
use super::respond::Framed;
use super::{After, Client, tunnel};
use crate::balance::InFlight;
use crate::exchange::Info;
use crate::h1::{BodyReader, BodyWriter, parse_trailers, write_trailers};
use crate::io::{Outgoing, Rewound};
use crate::limits::{REPLAY_BYTES_MAX, STALE_RETRIES_MAX};
use crate::middleware::{Failure, Response};
use crate::upstream::connect_plain;
use bytes::Bytes;
use session::{Ended, Session};
use std::future::poll_fn;

/// A request ready to be relayed.
pub(super) struct Relay {
    /// Facts for response filters.
    pub info: Info,
    /// The server.
    pub in_flight: InFlight,
    /// Cookie that binds the client to it.
    pub set_cookie: Option<String>,
    /// Head, and body as far as read, for the server.
    pub out: Outgoing,
    /// The client's body.
    pub reader: BodyReader,
    /// Its framing toward the server.
    pub writer: BodyWriter,
    /// Sending it twice does no harm.
    pub replayable: bool,
    /// The client waits for `100 Continue`.
    pub expects_continue: bool,
    /// `101` may be the answer.
    pub upgrade: bool,
    /// Facts for framing and books.
    pub framed: Framed,
}

/// Relays one request.
pub(super) async fn run(client: &mut Client, mut relay: Box<Relay>) -> After {
    let core = client.core.clone();
    if let Err(failure) = take_early_body(client, &mut relay) {
        return Box::pin(fail(client, &mut relay, failure)).await;
    }
    let server = relay.in_flight.server().clone();
    let mut stale = 0;
    loop {
        let pooled = if stale < STALE_RETRIES_MAX { core.pool.take(server.id, core.timers.now()) } else { None };
        let reused = pooled.is_some();
        let stream = match pooled {
            Some(stream) => stream,
            None => match Box::pin(connect_plain(&core, &server)).await {
                Ok(stream) => stream,
                Err(failure) => return Box::pin(fail(client, &mut relay, failure)).await,
            },
        };
        let mut session = Session::new(&core, client, &mut relay, stream);
        let ended = poll_fn(|cx| session.poll(cx)).await;
        match ended {
            Ended::Done(after) => {
                let (keep, status, bytes) = (session.keep_server, session.status, session.bytes_out);
                let stream = session.server;
                if keep {
                    core.pool.put(
                        server.id,
                        stream,
                        server.transport.idle_limit(),
                        core.timers.now() + server.transport.idle_ticks(),
                    );
                }
                core.recycle(std::mem::take(&mut relay.out.data));
                core.recycle(std::mem::take(&mut client.io.out.data));
                client.io.out.sent = 0;
                relay.framed.finish(&core, Some(&server.url), status, bytes);
                return after;
            }
            Ended::Tunnel => {
                let upstream =
                    Rewound { prefix: Bytes::from(std::mem::take(&mut session.partial)), stream: session.server };
                relay.framed.finish(&core, Some(&server.url), 101, 0);
                Box::pin(tunnel::run(client, upstream)).await;
                return After::Abort;
            }
            Ended::Failed(Failure::Broken)
                if reused
                    && !session.received
                    && relay.replayable
                    && relay.reader.is_done()
                    && relay.out.data.len() <= REPLAY_BYTES_MAX =>
            {
                stale += 1;
                relay.out.sent = 0;
            }
            Ended::Failed(failure) => return Box::pin(fail(client, &mut relay, failure)).await,
            Ended::ClientGone => {
                relay.framed.finish(&core, Some(&server.url), 499, 0);
                return After::Abort;
            }
        }
    }
}

/// Moves what came with the head into the first write, and answers `Expect: 100-continue` when the body did not come along.
fn take_early_body(client: &mut Client, relay: &mut Relay) -> Result<(), Failure> {
    if relay.reader.is_done() {
        return Ok(());
    }
    let entry_point = relay.framed.snapshot.entry_point(client.peer.entry_point);
    client.core.timers.arm(&client.connection.watch, entry_point.map(|entry| entry.read_timeout).unwrap_or_default());
    let input = &mut client.io.input;
    if input.is_empty() {
        if relay.expects_continue {
            client.io.out.clear();
            client.io.out.data.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        return Ok(());
    }
    let taken = relay.reader.take(input).map_err(|_| Failure::BadBody)?;
    let mut number = [0; 18];
    let out = &mut relay.out.data;
    out.extend_from_slice(relay.writer.prefix(taken.data, &mut number));
    out.extend_from_slice(&input[..taken.data]);
    out.extend_from_slice(relay.writer.suffix(taken.data, false));
    input.drain(..taken.used);
    if taken.done {
        end_body(relay)?;
    }
    Ok(())
}

/// Writes the end of a chunked request body, trailers included.
fn end_body(relay: &mut Relay) -> Result<(), Failure> {
    if relay.writer == BodyWriter::Chunked {
        let trailers = parse_trailers(relay.reader.trailer()).map_err(|_| Failure::BadBody)?;
        write_trailers(&trailers, &mut relay.out.data);
    }
    Ok(())
}

/// Answers in the server's place.
async fn fail(client: &mut Client, relay: &mut Relay, failure: Failure) -> After {
    let mut response = Response::failed(failure);
    response.server = Some(relay.in_flight.server().clone());
    if let Some(index) = relay.framed.plan {
        let plan = &relay.framed.snapshot.plans[index];
        filter_response(plan, plan.layers.len(), &mut response.head, &relay.info);
    }
    let all_read = relay.reader.is_done();
    super::respond::send(client, &relay.framed, response, all_read).await
}
