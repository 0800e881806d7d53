//! Writing responses to HTTP/1 clients, and the books that are closed with them.

use super::intake::Draft;
use super::{After, Client, ClientIo};
use crate::body::Body;
use crate::core::Core;
use crate::engine::Phase;
use crate::exchange::Peer;
use crate::h1::{BodyWriter, ResponseFraming, write_response, write_trailers};
use crate::io::Outgoing;
use crate::limits::{PIPELINE_BYTES_MAX, WRITE_STALL};
use crate::message::{Fields, Known, ResponseHead};
use crate::middleware::Response;
use crate::snapshot::{Plan, View};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Facts about an exchange that decide how its response is framed and counted.
pub struct Framed {
    /// The configuration the request was routed by.
    pub snapshot: View,
    /// Index of the plan, when a route matched.
    pub plan: Option<usize>,
    /// The connection.
    pub peer: Rc<Peer>,
    /// The client speaks HTTP/1.0.
    pub http10: bool,
    /// The request is HEAD.
    pub is_head: bool,
    /// The client wants the connection to stay open.
    pub keep_alive: bool,
    /// Notes for the access log.
    pub draft: Option<Box<Draft>>,
}

/// How the body of a response ends toward the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// There is none.
    None,
    /// Known.
    Exact(u64),
    /// Unknown.
    Unknown,
}

impl Framed {
    /// Writes a response head; says how its body goes out and whether the connection stays open.
    ///
    /// `declared` is the length a response without a body tells about (HEAD, 304).
    pub fn write_head(
        &self,
        core: &Core,
        client_keeps: bool,
        head: &ResponseHead<'_>,
        length: Length,
        declared: Option<u64>,
        out: &mut Vec<u8>,
    ) -> (BodyWriter, bool) {
        let bodiless = self.is_head || matches!(head.status, 100..=199 | 204 | 304);
        let mut keep = self.keep_alive && client_keeps && core.shared.phase() < Phase::Draining;
        let (writer, content_length, chunked) = match length {
            _ if bodiless => (BodyWriter::Discard, if head.status == 204 { None } else { declared }, false),
            Length::None => (BodyWriter::Discard, Some(0), false),
            Length::Exact(bytes) => (BodyWriter::Plain, Some(bytes), false),
            Length::Unknown if self.http10 => {
                keep = false;
                (BodyWriter::Plain, None, false)
            }
            Length::Unknown => (BodyWriter::Chunked, None, true),
        };
        let connection = match (keep, self.http10) {
            (false, _) => Some("close"),
            (true, true) => Some("keep-alive"),
            (true, false) => None,
        };
        let date = core.date();
        let date = head.fields.known(Known::Date).is_none().then_some(&date[..]);
        write_response(head, ResponseFraming { length: content_length, chunked, connection }, date, out);
        (writer, keep)
    }

    /// The plan, when a route matched.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.plan.map(|index| &*self.snapshot.plans[index])
    }

    /// Counts the finished exchange and tells the access log.
    pub(crate) fn finish(&self, core: &Core, server: Option<&str>, status: u16, bytes_out: u64) {
        if let Some(plan) = self.plan() {
            plan.counter.add(core.index, status, bytes_out);
        }
        if let Some(entry_point) = self.snapshot.entry_point(self.peer.entry_point) {
            entry_point.counter.add(core.index, status, bytes_out);
            if let Some(draft) = &self.draft {
                draft.finish(core, self, entry_point, Outcome { server, status, bytes_out });
            }
        }
    }
}

/// What an exchange came to.
pub(crate) struct Outcome<'a> {
    /// URL of the server that answered.
    pub(crate) server: Option<&'a str>,
    /// Status told to the client.
    pub(crate) status: u16,
    /// Body bytes told to the client.
    pub(crate) bytes_out: u64,
}

/// Sends a whole response, body included. `all_read` is false when the rest of the request will not be read.
pub(super) async fn send(client: &mut Client, framed: &Framed, response: Response, all_read: bool) -> After {
    let client_keeps = all_read && client.keeps(framed);
    let Response { mut head, mut body, server, .. } = response;
    let declared =
        head.fields.known(Known::ContentLength).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    head.fields.remove("content-length");
    let length = match body.length() {
        Some(0) => Length::None,
        Some(bytes) => Length::Exact(bytes),
        None => Length::Unknown,
    };
    let mut written = client.core.buffer();
    let (writer, keep) = framed.write_head(&client.core, client_keeps, &head, length, declared, &mut written);
    let mut bytes_out = 0;
    let mut after = if keep { After::Keep } else { After::Close };
    if let Body::Full(data) = &body {
        // Head and body leave in one write.
        if writer != BodyWriter::Discard {
            written.extend_from_slice(data);
            bytes_out = data.len() as u64;
        }
        body = Body::Empty;
    }
    client.io.out = Outgoing::of(written);
    let mut ended = matches!(body, Body::Empty) && writer != BodyWriter::Chunked;
    loop {
        if let Err(gone) = drain(client).await {
            after = gone;
            break;
        }
        if ended {
            break;
        }
        let next = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending if given_up(client, all_read, cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let Some(frame) = next.await else {
            after = After::Abort;
            break;
        };
        let out = &mut client.io.out;
        out.clear();
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if writer == BodyWriter::Discard => drop(data),
                Ok(data) => {
                    bytes_out += data.len() as u64;
                    let mut number = [0; 18];
                    out.data.extend_from_slice(writer.prefix(data.len(), &mut number));
                    out.data.extend_from_slice(&data);
                    out.data.extend_from_slice(writer.suffix(data.len(), false));
                }
                Err(frame) => {
                    if let (Ok(trailers), BodyWriter::Chunked) = (frame.into_trailers(), writer) {
                        write_trailers(&Fields::of_trailers(trailers), &mut out.data);
                        ended = true;
                    }
                }
            },
            Some(Err(_)) => {
                after = After::Abort;
                break;
            }
            None => {
                out.data.extend_from_slice(writer.suffix(0, true));
                ended = true;
            }
        }
    }
    client.core.recycle(std::mem::take(&mut client.io.out.data));
    client.io.out.sent = 0;
    framed.finish(&client.core, server.as_deref().map(|server| &*server.url), head.status, bytes_out);
    after
}

/// Whether nobody waits for the rest of an answer any more: the process cuts its connections, or the client left.
fn given_up(client: &mut Client, all_read: bool, cx: &mut Context<'_>) -> bool {
    let Client { io: ClientIo { stream, input, .. }, connection, core, .. } = client;
    connection.watch.register(cx);
    if core.shared.phase() == Phase::Cut {
        return true;
    }
    // What is left of a request is not read: it says nothing about who is there.
    while all_read && input.len() < PIPELINE_BYTES_MAX {
        let read = core.with_scratch(|scratch| match stream.poll_fill(cx, scratch) {
            Poll::Ready(Ok(bytes)) => {
                input.extend_from_slice(&scratch[..bytes]);
                Poll::Ready(bytes > 0)
            }
            Poll::Ready(Err(_)) => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        });
        match read {
            Poll::Ready(true) => {}
            Poll::Ready(false) => return true,
            Poll::Pending => return false,
        }
    }
    false
}

/// Sends what waits; the client is gone when it takes none of it for as long as its entry point allows.
pub(super) async fn drain(client: &mut Client) -> Result<(), After> {
    let Client { io, connection, core, peer, .. } = client;
    let mut stalled = None;
    let outcome = poll_fn(|cx| {
        if let Poll::Ready(sent) = io.stream.poll_drain(cx, &mut io.out) {
            return Poll::Ready(sent.map_err(|_| After::Abort));
        }
        if stalled.replace(io.out.sent) != Some(io.out.sent) {
            let limit = core.snapshot().entry_point(peer.entry_point).map_or(WRITE_STALL, |entry| entry.write_timeout);
            core.timers.arm(&connection.watch, limit);
        }
        let over = connection.watch.expired(&core.timers, cx) || core.shared.phase() == Phase::Cut;
        if over { Poll::Ready(Err(After::Abort)) } else { Poll::Pending }
    })
    .await;
    if stalled.is_some() {
        core.timers.arm(&connection.watch, Duration::ZERO);
    }
    outcome
}
