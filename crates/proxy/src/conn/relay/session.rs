//! One attempt on one connection: both directions in turn, the request's here, and what ends the waiting.

use super::Relay;
use crate::conn::{After, Client, ClientIo};
use crate::core::Core;
use crate::engine::Phase;
use crate::h1::{BodyReader, BodyWriter, Framing, parse_trailers, write_trailers};
use crate::io::Stream;
use crate::limits::PIPELINE_BYTES_MAX;
use crate::middleware::Failure;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How an attempt on one connection ended.
pub(super) enum Ended {
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
pub(super) enum Stage {
    Head,
    Body,
    Flush(After),
}

/// One attempt to relay a request on one connection to the server.
pub(super) struct Session<'a> {
    pub(super) core: Rc<Core>,
    pub(super) client: &'a mut Client,
    pub(super) relay: &'a mut Relay,
    pub(super) server: Stream,
    pub(super) stage: Stage,
    /// Part of a response head.
    pub(super) partial: Vec<u8>,
    pub(super) response: BodyReader,
    pub(super) writer: BodyWriter,
    pub(super) keep_server: bool,
    pub(super) keep_client: bool,
    /// The server stopped reading; its answer may still come.
    pub(super) deaf: bool,
    pub(super) received: bool,
    pub(super) timed: bool,
    /// How far the response had come when the client stopped taking it.
    pub(super) stalled: Option<u64>,
    pub(super) interim: usize,
    pub(super) status: u16,
    pub(super) bytes_out: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(core: &Rc<Core>, client: &'a mut Client, relay: &'a mut Relay, server: Stream) -> Self {
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

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
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

    pub(super) fn failed(&self, failure: Failure) -> Ended {
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
}
