//! A body on its way through an encoder.

use super::coding::{Coding, Encoder};
use crate::body::{Body, BodyError};
use bytes::Bytes;
use http_body::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Coded bytes that make a frame.
const FRAME_BYTES: usize = 16 * 1024;
/// Bytes coded in one go before other connections of the core get their turn.
const TURN_BYTES: usize = 256 * 1024;

/// A coded body. What came in is sent on when the sender pauses, so that nothing waits in the encoder.
pub(super) struct Coded {
    inner: Body,
    encoder: Encoder,
    unflushed: bool,
    ended: bool,
    trailers: Option<Frame<Bytes>>,
}

impl Coded {
    /// `inner` in `coding`.
    pub(super) fn new(inner: Body, coding: Coding) -> Self {
        Self { inner, encoder: Encoder::new(coding), unflushed: false, ended: false, trailers: None }
    }

    fn flush(&mut self) -> Result<(), BodyError> {
        if std::mem::take(&mut self.unflushed) {
            self.encoder.flush().map_err(failed)?;
        }
        Ok(())
    }

    fn frame(&mut self) -> Option<Frame<Bytes>> {
        if self.encoder.output().is_empty() { self.trailers.take() } else { Some(Frame::data(self.encoder.take())) }
    }
}

impl http_body::Body for Coded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let mut turn = 0;
        while !this.ended && this.encoder.output().len() < FRAME_BYTES && turn < TURN_BYTES {
            match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        turn += data.len();
                        this.unflushed |= !data.is_empty();
                        this.encoder.write(&data).map_err(failed)?;
                    }
                    Err(trailers) => this.trailers = Some(trailers),
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    this.ended = true;
                    this.encoder.finish().map_err(failed)?;
                }
                Poll::Pending => {
                    this.flush()?;
                    return match this.encoder.output().is_empty() {
                        true => Poll::Pending,
                        false => Poll::Ready(Some(Ok(Frame::data(this.encoder.take())))),
                    };
                }
            }
        }
        if !this.ended && this.encoder.output().is_empty() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(this.frame().map(Ok))
    }
}

fn failed(error: io::Error) -> BodyError {
    BodyError::Stream(format!("compress: {error}"))
}
