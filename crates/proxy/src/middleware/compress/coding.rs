//! The codings and their encoders.

use async_compression::Level;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;

/// Brotli's effort: about as fast as gzip, and smaller.
const BROTLI_QUALITY: i32 = 4;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// RFC 1952
    Gzip,
    /// RFC 7932
    Brotli,
    /// RFC 8878
    Zstd,
}

impl Coding {
    /// The coding of a registered name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Brotli, Self::Zstd].into_iter().find(|coding| coding.name() == name)
    }

    /// Its registered name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// An encoder that writes to memory, so that it never waits.
pub(super) enum Encoder {
    Gzip(Box<GzipEncoder<Vec<u8>>>),
    Brotli(Box<BrotliEncoder<Vec<u8>>>),
    Zstd(Box<ZstdEncoder<Vec<u8>>>),
}

impl Encoder {
    /// An encoder at the start of a body.
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Gzip(Box::new(GzipEncoder::new(Vec::new()))),
            Coding::Brotli => {
                Self::Brotli(Box::new(BrotliEncoder::with_quality(Vec::new(), Level::Precise(BROTLI_QUALITY))))
            }
            Coding::Zstd => Self::Zstd(Box::new(ZstdEncoder::new(Vec::new()))),
        }
    }

    /// Takes in data.
    pub(super) fn write(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            match now(|cx| self.sink().poll_write(cx, data))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                taken => data = &data[taken..],
            }
        }
        Ok(())
    }

    /// Makes everything taken in so far readable for the other side.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        now(|cx| self.sink().poll_flush(cx))
    }

    /// Ends the body.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        now(|cx| self.sink().poll_shutdown(cx))
    }

    /// What came out since the last time.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    /// Takes what came out.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(self.output()).into()
    }

    fn sink(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Self::Gzip(encoder) => Pin::new(&mut **encoder),
            Self::Brotli(encoder) => Pin::new(&mut **encoder),
            Self::Zstd(encoder) => Pin::new(&mut **encoder),
        }
    }
}

/// The outcome of an operation on memory.
fn now<T>(operation: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    match operation(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
