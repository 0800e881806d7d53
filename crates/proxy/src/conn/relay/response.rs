//! The response's direction: heads parsed and edited, bodies passed on as they come.

use super::session::{Ended, Session, Stage};
use crate::conn::After;
use crate::conn::intake::filter_response;
use crate::conn::respond::Length;
use crate::forward::accept_response;
use crate::h1::{
    BodyReader, BodyWriter, Framing, ResponseFraming, may_end_head, parse_response, parse_trailers, write_response,
    write_trailers,
};
use crate::io::GATHER_BYTES_MIN;
use crate::limits::{INTERIM_RESPONSES_MAX, RESPONSE_HEADER_BYTES_MAX};
use crate::message::ResponseHead;
use crate::middleware::Failure;
use bytes::Bytes;
use std::task::{Context, Poll};
use std::time::Duration;

impl Session<'_> {
    /// Moves the response on; `Some` when the exchange ended.
    pub(super) fn poll_response(&mut self, cx: &mut Context<'_>) -> Result<Option<Ended>, Ended> {
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
                    self.write_more(cx, &[&written])?;
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
