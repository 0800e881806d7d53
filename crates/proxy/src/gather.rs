//! Output of an HTTP/2 connection, gathered over one turn of its task.
//!
//! The codec writes and flushes after every DATA frame, which would cost each response a system call, and under TLS a
//! record. What it writes is only gathered here, and its flush does nothing: the task that drives the codec sends
//! everything in one piece after each turn ([`Gather::poll_send`]). Turns that produce much send in between, so that the
//! buffer has a limit and a client that reads slowly holds the codec back.

use crate::core::Core;
use crate::limits::GATHERED_BYTES_MAX;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose output is gathered. Clones share the stream: one belongs to the codec, one to the task.
pub(crate) struct Gather<S> {
    shared: Rc<RefCell<Gathered<S>>>,
}

struct Gathered<S> {
    core: Rc<Core>,
    stream: S,
    data: Vec<u8>,
    sent: usize,
    /// The stream may hold bytes that it took and has not sent.
    unflushed: bool,
    /// Bytes that the stream took in all.
    taken: u64,
}

impl<S> Clone for Gather<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gather<S> {
    pub(crate) fn new(core: &Rc<Core>, stream: S) -> Self {
        let gathered = Gathered { core: core.clone(), stream, data: Vec::new(), sent: 0, unflushed: false, taken: 0 };
        Self { shared: Rc::new(RefCell::new(gathered)) }
    }

    /// Sends what was gathered; ready when all of it went out, and otherwise the task is woken when more can go.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.shared.borrow_mut();
        ready!(gathered.poll_empty(cx))?;
        if gathered.unflushed {
            ready!(Pin::new(&mut gathered.stream).poll_flush(cx))?;
            gathered.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that the stream took since the connection began: grows while the client reads.
    pub(crate) fn taken(&self) -> u64 {
        self.shared.borrow().taken
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gathered<S> {
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.data.len() {
            let bytes = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.data[self.sent..]))?;
            if bytes == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += bytes;
            self.taken += bytes as u64;
            self.unflushed = true;
        }
        if !self.data.is_empty() {
            // An idle connection holds no buffer.
            self.core.recycle(std::mem::take(&mut self.data));
            self.sent = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Gathers as much of `pieces` as there is room for.
    fn poll_gather(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.data.len() >= GATHERED_BYTES_MAX {
            ready!(self.poll_empty(cx))?;
        }
        if self.data.capacity() == 0 {
            self.data = self.core.buffer();
        }
        let before = self.data.len();
        for piece in pieces {
            let room = GATHERED_BYTES_MAX - self.data.len();
            self.data.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Poll::Ready(Ok(self.data.len() - before))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.shared.borrow_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.borrow_mut().poll_gather(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.borrow_mut().poll_gather(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.shared.borrow_mut().stream).poll_shutdown(cx)
    }
}
