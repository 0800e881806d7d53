//! Bodies on the generic path.

use crate::message::Fields;
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a body ended early.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// The sender closed or reset before the end.
    #[error("body cut short by the peer")]
    Truncated,
    /// The sender broke the framing.
    #[error("malformed body framing")]
    Malformed,
    /// Nothing arrived in time.
    #[error("timed out waiting for the body")]
    Timeout,
    /// A limit of the configuration was passed.
    #[error("body too large")]
    TooLarge,
    /// An HTTP/2 stream error.
    #[error("stream error: {0}")]
    Stream(String),
}

/// A boxed streaming body, bound to its core.
pub type BoxedBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError>>>;

/// A message body.
#[derive(Default)]
pub enum Body {
    /// No body.
    #[default]
    Empty,
    /// A body in memory.
    Full(Bytes),
    /// A body that arrives over time.
    Stream(BoxedBody),
}

impl Body {
    /// A streaming body.
    pub fn stream(body: impl http_body::Body<Data = Bytes, Error = BodyError> + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// The next frame, as a future.
    pub async fn frame(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *self), cx)).await
    }

    /// Length in bytes, when known.
    pub fn length(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// Trailer fields as a frame.
pub fn trailer_frame(fields: Fields<'static>) -> Frame<Bytes> {
    Frame::trailers(fields.into_map())
}

/// Frames that were read already, then the rest of their body.
pub fn joined(first: VecDeque<Result<Frame<Bytes>, BodyError>>, rest: Body) -> Body {
    if first.is_empty() { rest } else { Body::stream(Joined { first, rest }) }
}

struct Joined {
    first: VecDeque<Result<Frame<Bytes>, BodyError>>,
    rest: Body,
}

impl http_body::Body for Joined {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }
}

/// Reads a body of at most `limit` bytes into memory; a larger one is put together again.
pub async fn keep(mut body: Body, limit: usize) -> Result<(Option<Bytes>, Body), BodyError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(trailers) => {
                return Ok((None, joined([Ok(Frame::data(bytes.freeze())), Ok(trailers)].into(), body)));
            }
        }
        if bytes.len() > limit {
            return Ok((None, joined([Ok(Frame::data(bytes.freeze()))].into(), body)));
        }
    }
    Ok((Some(bytes.freeze()), Body::Empty))
}

/// A body that keeps something until its last frame was read or it is dropped; one in memory lets go of it at once.
///
/// Let go before the last frame is passed on, so that whoever saw the end finds it let go.
pub fn holding<T: Unpin + 'static>(body: Body, held: T) -> Body {
    match body {
        Body::Stream(inner) => Body::stream(Holding { inner, held: Some(held) }),
        other => other,
    }
}

struct Holding<T> {
    inner: BoxedBody,
    held: Option<T>,
}

impl<T: Unpin> http_body::Body for Holding<T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = std::task::ready!(self.inner.as_mut().poll_frame(cx));
        if frame.is_none() || self.inner.is_end_stream() {
            self.held = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use std::task::Waker;

    /// One frame, after which the end is known.
    struct Once(bool);

    impl http_body::Body for Once {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let first = !std::mem::replace(&mut self.0, true);
            Poll::Ready(first.then(|| Ok(Frame::data(Bytes::from_static(b"x")))))
        }

        fn is_end_stream(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn what_is_held_is_let_go_with_the_last_frame() {
        let held = Rc::new(());
        let mut body = holding(Body::stream(Once(false)), held.clone());
        assert_eq!(Rc::strong_count(&held), 2);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(http_body::Body::poll_frame(Pin::new(&mut body), &mut cx), Poll::Ready(Some(Ok(_)))));
        assert_eq!(Rc::strong_count(&held), 1);
        let given_up = holding(Body::stream(Once(false)), held.clone());
        drop(given_up);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
