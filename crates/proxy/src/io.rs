//! One byte stream type for clients and servers, plain or TLS, and the write helper that keeps what did not fit.

use bytes::Bytes;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection's byte stream.
#[derive(Debug)]
pub enum Stream {
    /// Clear text.
    Tcp(TcpStream),
    /// A client's TLS connection.
    TlsServer(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// Our TLS connection to a server.
    TlsClient(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            Self::TlsServer(stream) => stream.get_ref().0,
            Self::TlsClient(stream) => stream.get_ref().0,
        }
    }

    /// Reads into `buf`; 0 means end of stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buf);
        ready!(Pin::new(self).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Whether an idle connection is still usable: nothing arrived and the peer has not closed.
    ///
    /// Answered from the readiness flag; a system call is made only when something did happen.
    pub fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self.tcp().poll_read_ready(&mut cx) {
            Poll::Pending => true,
            Poll::Ready(Err(_)) => false,
            Poll::Ready(Ok(())) => {
                matches!(self.tcp().try_read(&mut [0u8; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
        }
    }

    /// Writes as much of `pieces` as the socket takes now and keeps the rest in `pending`, from which all must have been sent.
    pub fn write_through(&mut self, cx: &mut Context<'_>, pieces: &[&[u8]], pending: &mut Outgoing) -> io::Result<()> {
        debug_assert!(pending.is_empty());
        pending.clear();
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut sent = 0;
        while sent < total {
            let mut slices = [IoSlice::new(b""); 8];
            let (mut skip, mut count) = (sent, 0);
            for piece in pieces {
                if skip >= piece.len() {
                    skip -= piece.len();
                    continue;
                }
                slices[count] = IoSlice::new(&piece[skip..]);
                skip = 0;
                count += 1;
            }
            let written = if count == 1 {
                let only: &[u8] = &slices[0];
                Pin::new(&mut *self).poll_write(cx, only)
            } else {
                Pin::new(&mut *self).poll_write_vectored(cx, &slices[..count])
            };
            match written {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => sent += bytes,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    for piece in pieces {
                        let skip = sent.min(piece.len());
                        pending.data.extend_from_slice(&piece[skip..]);
                        sent -= skip;
                    }
                    return Ok(());
                }
            }
        }
        pending.held = self.poll_records(cx)?.is_pending();
        Ok(())
    }

    /// Sends what `pending` holds; ready when all of it is sent. The bytes stay until they are cleared or replaced.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, pending: &mut Outgoing) -> Poll<io::Result<()>> {
        while pending.sent < pending.data.len() {
            let bytes = ready!(Pin::new(&mut *self).poll_write(cx, &pending.data[pending.sent..]))?;
            if bytes == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            pending.sent += bytes;
            pending.held = true;
        }
        if pending.held {
            ready!(self.poll_records(cx)?);
            pending.held = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the records that TLS took while the socket refused them; ready when none is left.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        match self {
            Self::Tcp(_) => Ok(Poll::Ready(())),
            _ => match Pin::new(self).poll_flush(cx) {
                Poll::Ready(flushed) => flushed.map(Poll::Ready),
                Poll::Pending => Ok(Poll::Pending),
            },
        }
    }
}

/// Writes shorter than this are cheaper copied together than gathered by the kernel.
pub(crate) const GATHER_BYTES_MIN: usize = 4096;

/// Bytes that wait for a socket.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Everything that was queued since it was last empty.
    pub data: Vec<u8>,
    /// How much of it the stream took.
    pub sent: usize,
    /// The TLS layer may hold records that the socket refused.
    held: bool,
}

impl Outgoing {
    /// `data`, all of it still to be sent.
    pub fn of(data: Vec<u8>) -> Self {
        Self { data, sent: 0, held: false }
    }

    /// Whether nothing waits, here or in the TLS layer.
    pub fn is_empty(&self) -> bool {
        self.sent == self.data.len() && !self.held
    }

    /// Forgets everything that the stream has not taken, keeping the allocation.
    pub fn clear(&mut self) {
        self.data.clear();
        self.sent = 0;
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::TlsServer(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::TlsClient(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::TlsServer(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::TlsClient(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::TlsServer(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::TlsClient(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::TlsServer(stream) => Pin::new(stream).poll_flush(cx),
            Self::TlsClient(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::TlsServer(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::TlsClient(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A stream some of whose input was read already.
#[derive(Debug)]
pub struct Rewound {
    /// Input to deliver first.
    pub prefix: Bytes,
    /// Where the rest comes from.
    pub stream: Stream,
}

impl AsyncRead for Rewound {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let piece = self.prefix.len().min(buf.remaining());
        let piece = self.prefix.split_to(piece);
        buf.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
