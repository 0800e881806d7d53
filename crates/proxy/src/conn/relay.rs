//! The fast path: one HTTP/1.1 request relayed to one HTTP/1.1 server, heads edited, bodies passed through the core's
//! scratch buffer without a copy of their own.
//!
//! Per request without a body: one read and one write on each side, no allocation once buffers are warm. Invariants: no
//! scratch borrow crosses a wait; nothing more is read from one side while the other has not taken what was read;
//! a pooled connection that turns out to be closed is replaced once, and only if the request can be repeated.

use super::intake::filter_response;
use super::respond::{Framed, Length};
use super::{After, Client, ClientIo, tunnel};
use crate::balance::InFlight;
use crate::core::Core;
use crate::engine::Phase;
use crate::exchange::Info;
use crate::forward::accept_response;
use crate::h1::{
    BodyReader, BodyWriter, Framing, ResponseFraming, may_end_head, parse_response, parse_trailers, write_response,
    write_trailers,
};
use crate::io::{GATHER_BYTES_MIN, Outgoing, Rewound, Stream};
use crate::limits::{
    INTERIM_RESPONSES_MAX, PIPELINE_BYTES_MAX, REPLAY_BYTES_MAX, RESPONSE_HEADER_BYTES_MAX, STALE_RETRIES_MAX,
};
use crate::message::ResponseHead;
use crate::middleware::{Failure, Response};
use crate::upstream::connect_plain;
use bytes::Bytes;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

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

/// How an attempt on one connection ended.
enum Ended {
    /// The response is out.
    Done(After),
    /// The connection became a tunnel.
    Tunnel,
    /// The server failed before the client was told anything.
    Failed(Failure),
    /// The client went away.
    ClientGone,
}

/// Where the response stands.
#[derive(PartialEq)]
enum Stage {
    Head,
    Body,
    Flush(After),
}

struct Session<'a> {
    core: Rc<Core>,
    client: &'a mut Client,
    relay: &'a mut Relay,
    server: Stream,
    stage: Stage,
    /// Part of a response head.
    partial: Vec<u8>,
    response: BodyReader,
    writer: BodyWriter,
    keep_server: bool,
    keep_client: bool,
    /// The server stopped reading; its answer may still come.
    deaf: bool,
    received: bool,
    timed: bool,
    /// How far the response had come when the client stopped taking it.
    stalled: Option<u64>,
    interim: usize,
    status: u16,
    bytes_out: u64,
}

/// Relays one request.
pub(super) async fn run(client: &mut Client, mut relay: Box<Relay>) -> After {
    let core = client.core.clone();
    if let Err(failure) = take_early_body(client, &mut relay) {
        return fail(client, &mut relay, failure).await;
    }
    let server = relay.in_flight.server().clone();
    let mut stale = 0;
    loop {
        let pooled = if stale < STALE_RETRIES_MAX { core.pool.take(server.id, core.timers.now()) } else { None };
        let reused = pooled.is_some();
        let stream = match pooled {
            Some(stream) => stream,
            None => match connect_plain(&core, &server).await {
                Ok(stream) => stream,
                Err(failure) => return fail(client, &mut relay, failure).await,
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
                tunnel::run(client, upstream).await;
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
            Ended::Failed(failure) => return fail(client, &mut relay, failure).await,
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

impl<'a> Session<'a> {
    fn new(core: &Rc<Core>, client: &'a mut Client, relay: &'a mut Relay, server: Stream) -> Self {
        Self {
            core: core.clone(),
            client,
            relay,
            server,
            stage: Stage::Head,
            partial: Vec::new(),
            response: BodyReader::new(Framing::None),
            writer: BodyWriter::Discard,
            keep_server: false,
            keep_client: false,
            deaf: false,
            received: false,
            timed: false,
            stalled: None,
            interim: 0,
            status: 0,
            bytes_out: 0,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            let sent = match self.poll_request(cx) {
                Ok(progress) => progress,
                Err(ended) => return Poll::Ready(ended),
            };
            match self.poll_response(cx) {
                Ok(Some(ended)) => return Poll::Ready(ended),
                Ok(None) if sent => {}
                Ok(None) => return self.wait(cx),
                Err(ended) => return Poll::Ready(ended),
            }
        }
    }

    /// Nothing moved: deadlines, cut, and a client that leaves.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let client = &mut *self.client;
        if self.core.shared.phase() == Phase::Cut {
            return Poll::Ready(self.failed(Failure::Broken));
        }
        let request_done = self.relay.reader.is_done() && self.relay.out.is_empty();
        if !self.timed && request_done && self.stage == Stage::Head {
            self.timed = true;
            let limit = self.relay.in_flight.server().transport.header_timeout();
            self.core.timers.arm(&client.connection.watch, limit.unwrap_or_default());
        }
        let progress = (!client.io.out.is_empty()).then(|| self.bytes_out + client.io.out.sent as u64);
        if self.stage != Stage::Head && self.stalled != progress {
            self.stalled = progress;
            let entry_point = self.relay.framed.snapshot.entry_point(client.peer.entry_point);
            let limit = entry_point.map_or(Duration::ZERO, |entry| match progress {
                Some(_) => entry.write_timeout,
                None if request_done => Duration::ZERO,
                None => entry.read_timeout,
            });
            self.core.timers.arm(&client.connection.watch, limit);
        }
        if client.connection.watch.expired(&self.core.timers, cx) {
            return Poll::Ready(match (&self.stage, request_done) {
                (Stage::Head, true) => Ended::Failed(Failure::Timeout),
                (Stage::Head, false) if self.relay.out.is_empty() => Ended::Failed(Failure::SlowBody),
                (Stage::Head, false) => Ended::Failed(Failure::Timeout),
                _ => Ended::ClientGone,
            });
        }
        if request_done && client.io.input.len() < PIPELINE_BYTES_MAX {
            let ClientIo { stream, input, .. } = &mut client.io;
            let read = self.core.with_scratch(|scratch| match stream.poll_fill(cx, scratch) {
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    input.extend_from_slice(&scratch[..bytes]);
                    Poll::Ready(true)
                }
                Poll::Ready(_) => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            });
            match read {
                Poll::Ready(false) => return Poll::Ready(Ended::ClientGone),
                // Look again: there may be more, or an end.
                Poll::Ready(true) => return self.wait(cx),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    fn failed(&self, failure: Failure) -> Ended {
        if self.stage == Stage::Head { Ended::Failed(failure) } else { Ended::Done(After::Abort) }
    }

    /// Moves the request on; true when something moved.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        if self.deaf {
            return Ok(false);
        }
        if !self.relay.out.is_empty() {
            match self.server.poll_drain(cx, &mut self.relay.out) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.deaf = true;
                    return Ok(false);
                }
                Poll::Pending => return Ok(false),
            }
        }
        if self.relay.reader.is_done() {
            return Ok(false);
        }
        let read_timeout = self
            .relay
            .framed
            .snapshot
            .entry_point(self.client.peer.entry_point)
            .map(|entry| entry.read_timeout)
            .unwrap_or_default();
        let ClientIo { stream, input, .. } = &mut self.client.io;
        let Relay { reader, writer, out, replayable, .. } = &mut *self.relay;
        let server = &mut self.server;
        let unread = if self.stage == Stage::Head { || Ended::Failed(Failure::BadBody) } else { || Ended::ClientGone };
        let mut push = |cx: &mut Context<'_>, buffer: &mut [u8]| -> Result<crate::h1::Taken, Ended> {
            let taken = reader.take(buffer).map_err(|_| unread())?;
            // What is written from here on is not kept: the request is not whole any more.
            *replayable = false;
            let mut number = [0; 18];
            let mut ending = Vec::new();
            if taken.done && *writer == BodyWriter::Chunked {
                let trailers = parse_trailers(reader.trailer()).map_err(|_| unread())?;
                write_trailers(&trailers, &mut ending);
            }
            let pieces = [
                writer.prefix(taken.data, &mut number),
                &buffer[..taken.data],
                writer.suffix(taken.data, false),
                &ending,
            ];
            if server.write_through(cx, &pieces, out).is_err() {
                out.clear();
                self.deaf = true;
            }
            Ok(taken)
        };
        if !input.is_empty() {
            let taken = push(cx, input)?;
            input.drain(..taken.used);
            return Ok(true);
        }
        let moved = self.core.with_scratch(|scratch| match stream.poll_fill(cx, scratch) {
            Poll::Ready(Ok(bytes)) if bytes > 0 => {
                let taken = push(cx, &mut scratch[..bytes])?;
                input.extend_from_slice(&scratch[taken.used..bytes]);
                Ok(true)
            }
            Poll::Ready(_) => Err(Ended::ClientGone),
            Poll::Pending => Ok(false),
        })?;
        if moved {
            // The limit is on standing still, not on the whole body: slow uploads are legitimate.
            self.core.timers.arm(&self.client.connection.watch, read_timeout);
        }
        Ok(moved)
    }

    /// Moves the response on; `Some` when the exchange ended.
    fn poll_response(&mut self, cx: &mut Context<'_>) -> Result<Option<Ended>, Ended> {
        loop {
            if !self.client.io.out.is_empty() {
                match self.client.io.stream.poll_drain(cx, &mut self.client.io.out) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Err(Ended::ClientGone),
                    Poll::Pending => return Ok(None),
                }
            }
            if let Stage::Flush(after) = self.stage {
                return Ok(Some(Ended::Done(after)));
            }
            let core = self.core.clone();
            let moved = core.with_scratch(|scratch| {
                let bytes = match self.server.poll_fill(cx, scratch) {
                    Poll::Ready(Ok(bytes)) => bytes,
                    Poll::Ready(Err(_)) => 0,
                    Poll::Pending => return Ok(Poll::Pending),
                };
                if bytes == 0 {
                    return self.server_closed(cx).map(Poll::Ready);
                }
                self.received = true;
                let ended = match self.stage {
                    Stage::Head if self.partial.is_empty() => {
                        let used = self.on_head(cx, &mut scratch[..bytes])?;
                        self.partial.extend_from_slice(&scratch[used..bytes]);
                        None
                    }
                    Stage::Head => {
                        let mut partial = std::mem::take(&mut self.partial);
                        let seen = partial.len();
                        partial.extend_from_slice(&scratch[..bytes]);
                        if !may_end_head(&partial, seen, RESPONSE_HEADER_BYTES_MAX) {
                            self.partial = partial;
                            return Ok(Poll::Ready(None));
                        }
                        let used = self.on_head(cx, &mut partial)?;
                        partial.drain(..used);
                        self.partial = partial;
                        None
                    }
                    _ => self.on_body(cx, &mut scratch[..bytes])?,
                };
                Ok(Poll::Ready(ended))
            })?;
            match moved {
                Poll::Pending => return Ok(None),
                Poll::Ready(Some(ended)) => return Ok(Some(ended)),
                Poll::Ready(None) => {
                    if self.relay.upgrade && self.status == 101 {
                        return Ok(Some(Ended::Tunnel));
                    }
                }
            }
        }
    }

    fn server_closed(&mut self, cx: &mut Context<'_>) -> Result<Option<Ended>, Ended> {
        self.keep_server = false;
        match self.stage {
            Stage::Head if self.received => Err(Ended::Failed(Failure::Malformed)),
            Stage::Head => Err(Ended::Failed(Failure::Broken)),
            _ if self.response.may_end() => {
                let end = self.writer.suffix(0, true);
                let io = &mut self.client.io;
                io.stream.write_through(cx, &[end], &mut io.out).map_err(|_| Ended::ClientGone)?;
                self.stage = Stage::Flush(self.after());
                Ok(None)
            }
            _ => Err(Ended::Done(After::Abort)),
        }
    }

    fn after(&self) -> After {
        if self.keep_client { After::Keep } else { After::Close }
    }

    /// Parses heads at the start of `buffer`, interim ones included; returns how much of it was used.
    fn on_head(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Result<usize, Ended> {
        let mut start = 0;
        let (head_end, written, framing) = loop {
            let parsed = match parse_response(&buffer[start..], self.relay.framed.is_head) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => return Ok(start),
                Err(_) => return Err(Ended::Failed(Failure::Malformed)),
            };
            let head_end = start + parsed.head_length;
            let (framing, declared) = (parsed.framing, parsed.length);
            let mut head = ResponseHead { status: parsed.status, fields: parsed.fields };
            let mut written = self.core.buffer();
            match head.status {
                101 if self.relay.upgrade => {
                    // The handshake's own fields pass; only the framing of `Connection` is ours.
                    let protocol = head.fields.get("upgrade").map(<[u8]>::to_vec).unwrap_or_default();
                    accept_response(&mut head, parsed.has_connection);
                    head.fields.push(http::header::UPGRADE, Bytes::from(protocol));
                    let framing = ResponseFraming { length: None, chunked: false, connection: Some("Upgrade") };
                    write_response(&head, framing, None, &mut written);
                    self.write(cx, &[&written])?;
                    self.status = 101;
                    return Ok(head_end);
                }
                101 => return Err(Ended::Failed(Failure::Malformed)),
                100..=199 if self.interim >= INTERIM_RESPONSES_MAX => {
                    return Err(Ended::Failed(Failure::Malformed));
                }
                100 => self.interim += 1,
                102..=199 => {
                    self.interim += 1;
                    accept_response(&mut head, parsed.has_connection);
                    if !self.relay.framed.http10 {
                        write_response(
                            &head,
                            ResponseFraming { length: None, chunked: false, connection: None },
                            None,
                            &mut written,
                        );
                        self.write_more(cx, &[&written])?;
                    }
                }
                _ => {
                    self.keep_server =
                        parsed.keep_alive && !self.deaf && self.relay.reader.is_done() && self.relay.out.is_empty();
                    accept_response(&mut head, parsed.has_connection);
                    self.begin(head, framing, declared, &mut written);
                    break (head_end, written, framing);
                }
            }
            self.core.recycle(written);
            start = head_end;
        };
        self.finish_head(cx, buffer, head_end, written, framing)
    }

    /// Writes the final head into `written`.
    fn begin(&mut self, mut head: ResponseHead<'_>, framing: Framing, declared: Option<u64>, written: &mut Vec<u8>) {
        let framed = &self.relay.framed;
        if let Some(cookie) = self.relay.set_cookie.take() {
            head.fields.push(http::header::SET_COOKIE, cookie);
        }
        if let Some(plan) = framed.plan.map(|index| &framed.snapshot.plans[index])
            && plan.edits_responses
        {
            filter_response(plan, plan.layers.len(), &mut head, &self.relay.info);
        }
        let length = match framing {
            Framing::None => Length::None,
            Framing::Length(bytes) => Length::Exact(bytes),
            Framing::Chunked | Framing::UntilClose => Length::Unknown,
        };
        let all_sent = self.relay.reader.is_done();
        let (writer, keep) =
            framed.write_head(&self.core, all_sent && self.client.keeps(framed), &head, length, declared, written);
        self.writer = writer;
        self.keep_client = keep;
        self.status = head.status;
        self.response = BodyReader::new(framing);
        self.stage = Stage::Body;
        self.core.timers.arm(&self.client.connection.watch, Duration::ZERO);
    }

    /// Sends the head with the body bytes that came along.
    fn finish_head(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        head_end: usize,
        mut written: Vec<u8>,
        framing: Framing,
    ) -> Result<usize, Ended> {
        let rest = &mut buffer[head_end..];
        let taken = self.response.take(rest).map_err(|_| Ended::Done(After::Abort))?;
        self.bytes_out += taken.data as u64;
        let mut number = [0; 18];
        let ending = self.ending(taken.done)?;
        let body = [
            self.writer.prefix(taken.data, &mut number),
            &rest[..taken.data],
            self.writer.suffix(taken.data, false),
            &ending,
        ];
        if written.len() + taken.data < GATHER_BYTES_MIN {
            body.iter().for_each(|piece| written.extend_from_slice(piece));
            self.write_more(cx, &[&written])?;
        } else {
            let [prefix, data, suffix, ending] = body;
            self.write_more(cx, &[&written, prefix, data, suffix, ending])?;
        }
        self.core.recycle(written);
        if taken.done || framing == Framing::None {
            self.complete(taken.used < rest.len());
        }
        Ok(buffer.len())
    }

    fn on_body(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Result<Option<Ended>, Ended> {
        let taken = self.response.take(buffer).map_err(|_| Ended::Done(After::Abort))?;
        self.bytes_out += taken.data as u64;
        let mut number = [0; 18];
        let ending = self.ending(taken.done)?;
        let pieces = [
            self.writer.prefix(taken.data, &mut number),
            &buffer[..taken.data],
            self.writer.suffix(taken.data, false),
            &ending,
        ];
        self.write(cx, &pieces)?;
        if taken.done {
            self.complete(taken.used < buffer.len());
        }
        Ok(None)
    }

    /// The end of a chunked response with its trailers.
    fn ending(&self, done: bool) -> Result<Vec<u8>, Ended> {
        let mut ending = Vec::new();
        if done && self.writer == BodyWriter::Chunked {
            let trailers = parse_trailers(self.response.trailer()).map_err(|_| Ended::Done(After::Abort))?;
            write_trailers(&trailers, &mut ending);
        }
        Ok(ending)
    }

    /// The response was read; `surplus` bytes after it make the connection unusable.
    fn complete(&mut self, surplus: bool) {
        self.keep_server &= !surplus;
        self.stage = Stage::Flush(self.after());
    }

    fn write(&mut self, cx: &mut Context<'_>, pieces: &[&[u8]]) -> Result<(), Ended> {
        let io = &mut self.client.io;
        io.stream.write_through(cx, pieces, &mut io.out).map_err(|_| Ended::ClientGone)
    }

    /// As `write`, behind what may still wait.
    fn write_more(&mut self, cx: &mut Context<'_>, pieces: &[&[u8]]) -> Result<(), Ended> {
        if self.client.io.out.is_empty() {
            return self.write(cx, pieces);
        }
        pieces.iter().for_each(|piece| self.client.io.out.data.extend_from_slice(piece));
        Ok(())
    }
}
