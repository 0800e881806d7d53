//! One HTTP/1.1 exchange with a server on the generic path: the request's body is sent while the response is awaited
//! and read, and the response's body drives what is left of both.

use crate::balance::InFlight;
use crate::body::{Body, BodyError};
use crate::core::{Core, Watch};
use crate::h1::{BodyReader, BodyWriter, Framing, may_end_head, parse_response, parse_trailers, write_trailers};
use crate::io::{Outgoing, Rewound, Stream};
use crate::limits::{INTERIM_RESPONSES_MAX, RESPONSE_HEADER_BYTES_MAX};
use crate::message::ResponseHead;
use crate::middleware::Failure;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A request on its way and its response.
pub(super) struct H1Exchange {
    core: Rc<Core>,
    stream: Option<Stream>,
    out: Outgoing,
    body: Option<Body>,
    writer: BodyWriter,
    input: Vec<u8>,
    reader: BodyReader,
    framing: Framing,
    keep_alive: bool,
    sent_any: bool,
    received_any: bool,
    head_request: bool,
    /// Bytes of an incomplete head that were looked at.
    seen: usize,
    interim: usize,
    /// The limit for the head runs.
    timed: bool,
    /// The server stopped reading: it never gets another request.
    deaf: bool,
    watch: Watch,
    in_flight: InFlight,
}

/// The head of a final response.
pub(super) struct Answer {
    /// Status and fields.
    pub head: ResponseHead<'static>,
    /// Whether `Connection` listed fields.
    pub listed: bool,
    /// Declared length.
    pub length: Option<u64>,
}

impl H1Exchange {
    /// An exchange over `stream`: `head` is the written request head, `body` follows framed by `writer`.
    pub(super) fn new(
        core: &Rc<Core>,
        stream: Stream,
        head: Vec<u8>,
        body: Body,
        writer: BodyWriter,
        head_request: bool,
        in_flight: InFlight,
    ) -> Self {
        Self {
            core: core.clone(),
            stream: Some(stream),
            out: Outgoing::of(head),
            body: Some(body),
            writer,
            input: Vec::new(),
            reader: BodyReader::new(Framing::None),
            framing: Framing::None,
            keep_alive: false,
            sent_any: false,
            received_any: false,
            head_request,
            seen: 0,
            interim: 0,
            timed: false,
            deaf: false,
            watch: core.timers.watch(),
            in_flight,
        }
    }

    /// Whether the server has seen nothing of the request's body, so that body and head may be used again.
    pub(super) fn take_unsent(&mut self) -> Option<Body> {
        if self.sent_any || self.received_any { None } else { Some(self.body.take().unwrap_or_default()) }
    }

    /// Sends what can be sent; ready when the request is out.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        loop {
            let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
            if ready!(stream.poll_drain(cx, &mut self.out)).is_err() {
                // The server may have answered before it stopped reading.
                self.body = None;
                self.deaf = true;
                self.out.clear();
                return Poll::Ready(Ok(()));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    self.sent_any = true;
                    match frame.into_data() {
                        Ok(data) => {
                            let mut number = [0; 18];
                            let prefix = self.writer.prefix(data.len(), &mut number);
                            let pieces = [prefix, &data, self.writer.suffix(data.len(), false)];
                            if stream.write_through(cx, &pieces, &mut self.out).is_err() {
                                self.body = None;
                                self.deaf = true;
                            }
                        }
                        Err(frame) => {
                            if let (Ok(trailers), BodyWriter::Chunked) = (frame.into_trailers(), self.writer) {
                                write_trailers(&crate::message::Fields::of_trailers(trailers), &mut self.out.data);
                                self.body = None;
                            }
                        }
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {
                    self.body = None;
                    self.out.data.extend_from_slice(self.writer.suffix(0, true));
                }
            }
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
        let input = &mut self.input;
        self.core.with_scratch(|scratch| {
            let bytes = ready!(stream.poll_fill(cx, scratch))?;
            input.extend_from_slice(&scratch[..bytes]);
            Poll::Ready(Ok(bytes))
        })
    }

    /// Waits for the response's head, sending the request meanwhile.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Failure>> {
        let sent = match self.poll_send(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        loop {
            match self.take_head() {
                Ok(Some(answer)) if (100..=199).contains(&answer.head.status) && answer.head.status != 101 => {
                    self.interim += 1;
                    if self.interim > INTERIM_RESPONSES_MAX {
                        return Poll::Ready(Err(Failure::Malformed));
                    }
                    continue;
                }
                Ok(Some(answer)) => return Poll::Ready(Ok(answer)),
                Ok(None) => {}
                Err(failure) => return Poll::Ready(Err(failure)),
            }
            match self.poll_input(cx) {
                Poll::Ready(Ok(0)) if self.input.is_empty() => return Poll::Ready(Err(Failure::Broken)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Failure::Malformed)),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::Broken)),
                Poll::Ready(Ok(_)) => self.received_any = true,
                Poll::Pending => {
                    if let (true, Some(limit)) = (sent, self.in_flight.server().transport.header_timeout()) {
                        if !std::mem::replace(&mut self.timed, true) {
                            self.core.timers.arm(&self.watch, limit);
                        }
                        if self.watch.expired(&self.core.timers, cx) {
                            return Poll::Ready(Err(Failure::Timeout));
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// The head at the start of what was read, which is then used up.
    fn take_head(&mut self) -> Result<Option<Answer>, Failure> {
        let seen = std::mem::replace(&mut self.seen, self.input.len());
        if !may_end_head(&self.input, seen, RESPONSE_HEADER_BYTES_MAX) {
            return Ok(None);
        }
        let input = std::mem::take(&mut self.input);
        let parsed = parse_response(&input, self.head_request).map_err(|_| Failure::Malformed)?;
        let Some(parsed) = parsed else {
            self.input = input;
            return Ok(None);
        };
        self.seen = 0;
        self.framing = parsed.framing;
        self.reader = BodyReader::new(parsed.framing);
        self.keep_alive = parsed.keep_alive && parsed.status != 101;
        self.input.extend_from_slice(&input[parsed.head_length..]);
        let head = ResponseHead { status: parsed.status, fields: parsed.fields }.into_owned();
        Ok(Some(Answer { head, listed: parsed.has_connection, length: parsed.length }))
    }

    /// The connection after `101 Switching Protocols`, with what the server sent already.
    pub(super) fn into_tunnel(mut self) -> Option<(Rewound, InFlight)> {
        let stream = self.stream.take()?;
        Some((Rewound { prefix: Bytes::from(std::mem::take(&mut self.input)), stream }, self.in_flight))
    }

    /// The response's body.
    pub(super) fn into_body(mut self, head_request: bool) -> Body {
        if self.reader.is_done() {
            self.finish();
            if head_request || self.body.is_none() {
                return Body::Empty;
            }
        }
        Body::stream(self)
    }

    /// As [`Self::finish`], with the last piece: who hears `is_end_stream` asks for no more.
    fn finish_early(&mut self) {
        if self.is_end_stream() {
            self.finish();
        }
    }

    /// Gives the connection back when both directions ended cleanly.
    fn finish(&mut self) {
        if self.keep_alive
            && !self.deaf
            && self.body.is_none()
            && self.out.is_empty()
            && self.input.is_empty()
            && let Some(stream) = self.stream.take()
        {
            let server = self.in_flight.server();
            let expires = self.core.timers.now() + server.transport.idle_ticks();
            self.core.pool.put(server.id, stream, server.transport.idle_limit(), expires);
        }
    }
}

impl http_body::Body for H1Exchange {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(Err(_)) = this.poll_send(cx) {
            // Answered already; what is left of the request is lost, and with it the connection.
            this.body = None;
            this.deaf = true;
        }
        loop {
            if this.reader.is_done() {
                let trailers = parse_trailers(this.reader.trailer()).map_err(|_| BodyError::Malformed)?;
                this.finish();
                this.reader = BodyReader::new(Framing::None);
                if trailers.is_empty() {
                    return Poll::Ready(None);
                }
                return Poll::Ready(Some(Ok(crate::body::trailer_frame(trailers))));
            }
            if !this.input.is_empty() {
                let taken = this.reader.take(&mut this.input).map_err(|_| BodyError::Malformed)?;
                let data = Bytes::copy_from_slice(&this.input[..taken.data]);
                this.input.drain(..taken.used);
                if !data.is_empty() {
                    this.finish_early();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                continue;
            }
            let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
            let reader = &mut this.reader;
            let input = &mut this.input;
            let step = this.core.with_scratch(|scratch| {
                let bytes = ready!(stream.poll_fill(cx, scratch)).map_err(|_| BodyError::Truncated)?;
                if bytes == 0 {
                    return Poll::Ready(if reader.may_end() { Ok(None) } else { Err(BodyError::Truncated) });
                }
                let taken = reader.take(&mut scratch[..bytes]).map_err(|_| BodyError::Malformed)?;
                input.extend_from_slice(&scratch[taken.used..bytes]);
                Poll::Ready(Ok(Some(Bytes::copy_from_slice(&scratch[..taken.data]))))
            });
            match ready!(step) {
                Ok(None) => return Poll::Ready(None),
                Ok(Some(data)) if data.is_empty() => {}
                Ok(Some(data)) => {
                    this.finish_early();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reader.is_done() && self.reader.trailer().is_empty() && self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(bytes) => SizeHint::with_exact(bytes),
            Framing::None => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
