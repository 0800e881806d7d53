//! The generic path for HTTP/1 clients: the request's body becomes a [`Body`], the route's chain makes the response.

use super::intake::Wanted;
use super::{After, Client, ClientIo, respond, tunnel};
use crate::body::{Body, BodyError, trailer_frame};
use crate::core::{Core, Watch};
use crate::engine::Phase;
use crate::h1::{BodyReader, Framing, ResponseFraming, parse_trailers, write_response};
use crate::io::{Outgoing, Rewound};
use crate::middleware::{Next, Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Where a request's body is read from, and whether it was read to its end.
struct Source {
    io: RefCell<Option<ClientIo>>,
    reader: RefCell<BodyReader>,
    /// `100 Continue` is due before the first read.
    continues: Cell<bool>,
}

/// Runs one request. `None` when the connection cannot be used further.
pub(super) async fn run(client: Client, wanted: Box<Wanted>) -> Option<(Client, After)> {
    let Client { core, connection, peer, io, served, since } = client;
    let Wanted { snapshot, plan, mut request, framing, expects_continue, framed } = *wanted;
    let read_timeout = snapshot.entry_point(peer.entry_point).map(|entry| entry.read_timeout).unwrap_or_default();
    core.timers.arm(&connection.watch, Duration::ZERO);
    let source = Rc::new(Source {
        continues: Cell::new(expects_continue && io.input.is_empty()),
        io: RefCell::new(Some(io)),
        reader: RefCell::new(BodyReader::new(framing)),
    });
    if framing != Framing::None {
        request.body = Body::stream(ClientBody {
            core: core.clone(),
            source: source.clone(),
            framing,
            watch: connection.watch.clone(),
            read_timeout,
            awaited: false,
            ended: false,
        });
    }
    let plan = snapshot.plans[plan].clone();
    let response = {
        let mut chain = Next::new(&core, &plan.layers, &plan.service).run(request);
        poll_fn(|cx| match chain.as_mut().poll(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => {
                connection.watch.register(cx);
                if core.shared.phase() == Phase::Cut || client_left(&core, &source, cx) {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                }
            }
        })
        .await
    };
    let Some(mut response) = response else {
        framed.finish(&core, None, 499, 0);
        return None;
    };
    // While the response streams, a body of the same exchange may still read from the client: it keeps the source, and
    // the stream is taken back between writes only if nothing else holds it.
    let all_read = source.reader.borrow().is_done();
    let io = source.io.borrow_mut().take()?;
    let mut client = Client { core, connection, peer, io, served, since };
    if let (101, Some(upstream)) = (response.head.status, response.tunnel.take()) {
        switch(&mut client, &response, *upstream).await;
        framed.finish(&client.core, response.server.as_deref().map(|server| &*server.url), 101, 0);
        return None;
    }
    let after = respond::send(&mut client, &framed, response, all_read).await;
    Some((client, after))
}

/// Writes the 101 and tunnels.
async fn switch(client: &mut Client, response: &Response, upstream: Rewound) {
    let mut written = client.core.buffer();
    let framing = ResponseFraming { length: None, chunked: false, connection: Some("Upgrade") };
    write_response(&response.head, framing, None, &mut written);
    client.io.out = Outgoing::of(written);
    if respond::drain(client).await.is_ok() {
        Box::pin(tunnel::run(client, upstream)).await;
    }
}

/// Whether the client closed while its answer was being made; input that arrives is kept for later.
fn client_left(core: &Core, source: &Source, cx: &mut Context<'_>) -> bool {
    if !source.reader.borrow().is_done() {
        return false;
    }
    let mut io = source.io.borrow_mut();
    let Some(ClientIo { stream, input, .. }) = io.as_mut() else { return false };
    if !input.is_empty() {
        return false;
    }
    core.with_scratch(|scratch| match stream.poll_fill(cx, scratch) {
        Poll::Ready(Ok(bytes)) if bytes > 0 => {
            input.extend_from_slice(&scratch[..bytes]);
            false
        }
        Poll::Ready(_) => true,
        Poll::Pending => false,
    })
}

/// A client's request body.
struct ClientBody {
    core: Rc<Core>,
    source: Rc<Source>,
    framing: Framing,
    watch: Watch,
    read_timeout: Duration,
    /// Somebody waits for more, so that the limit runs.
    awaited: bool,
    ended: bool,
}

impl ClientBody {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        let mut io = self.source.io.borrow_mut();
        // The response is on its way already: the rest of the request is not wanted.
        let Some(ClientIo { stream, input, out }) = io.as_mut() else { return Poll::Ready(Err(BodyError::Truncated)) };
        if self.source.continues.take() {
            out.clear();
            out.data.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if !out.is_empty() {
            ready!(stream.poll_drain(cx, out)).map_err(|_| BodyError::Truncated)?;
        }
        let mut reader = self.source.reader.borrow_mut();
        if !input.is_empty() {
            let taken = reader.take(input).map_err(|_| BodyError::Malformed)?;
            let data = Bytes::copy_from_slice(&input[..taken.data]);
            input.drain(..taken.used);
            return Poll::Ready(Ok(data));
        }
        self.core.with_scratch(|scratch| {
            let Poll::Ready(read) = stream.poll_fill(cx, scratch) else {
                if !std::mem::replace(&mut self.awaited, true) {
                    self.core.timers.arm(&self.watch, self.read_timeout);
                }
                return if self.watch.expired(&self.core.timers, cx) {
                    Poll::Ready(Err(BodyError::Timeout))
                } else {
                    Poll::Pending
                };
            };
            let bytes = read.map_err(|_| BodyError::Truncated)?;
            if bytes == 0 {
                return Poll::Ready(Err(BodyError::Truncated));
            }
            self.awaited = false;
            let taken = reader.take(&mut scratch[..bytes]).map_err(|_| BodyError::Malformed)?;
            input.extend_from_slice(&scratch[taken.used..bytes]);
            Poll::Ready(Ok(Bytes::copy_from_slice(&scratch[..taken.data])))
        })
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.source.reader.borrow().is_done() {
                if std::mem::replace(&mut self.ended, true) {
                    return Poll::Ready(None);
                }
                let trailers =
                    parse_trailers(self.source.reader.borrow().trailer()).map_err(|_| BodyError::Malformed)?;
                return Poll::Ready((!trailers.is_empty()).then(|| Ok(trailer_frame(trailers))));
            }
            let data = ready!(self.poll_data(cx))?;
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let reader = self.source.reader.borrow();
        reader.is_done() && reader.trailer().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(bytes) => SizeHint::with_exact(bytes),
            _ => SizeHint::default(),
        }
    }
}
