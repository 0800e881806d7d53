use super::*;
use crate::body::BodyError;
use async_compression::tokio::write::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use bytes::Bytes;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWriteExt;

fn middleware(edit: impl FnOnce(&mut config::Compress)) -> Compress {
    let mut options = config::Compress::default();
    edit(&mut options);
    Compress::new(&options).unwrap()
}

fn head(status: u16, pairs: &[(&'static str, &'static str)]) -> ResponseHead<'static> {
    let mut fields = Fields::default();
    pairs.iter().for_each(|(name, value)| fields.push(http::HeaderName::from_static(name), *value));
    ResponseHead { status, fields }
}

async fn decoded(coding: Coding, coded: &[u8]) -> Vec<u8> {
    macro_rules! decode {
        ($decoder:ident) => {{
            let mut decoder = $decoder::new(Vec::new());
            decoder.write_all(coded).await.unwrap();
            decoder.flush().await.unwrap();
            decoder.into_inner()
        }};
    }
    match coding {
        Coding::Gzip => decode!(GzipDecoder),
        Coding::Brotli => decode!(BrotliDecoder),
        Coding::Zstd => decode!(ZstdDecoder),
    }
}

/// A body whose frames the test hands in; pending while there is none.
#[derive(Clone, Default)]
struct Fed(Rc<RefCell<VecDeque<Polled>>>);

type Polled = Option<Result<Frame<Bytes>, BodyError>>;

impl Fed {
    fn data(&self, data: &'static [u8]) -> &Self {
        self.0.borrow_mut().push_back(Some(Ok(Frame::data(Bytes::from_static(data)))));
        self
    }

    fn end(&self) {
        self.0.borrow_mut().push_back(None);
    }
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.borrow_mut().pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

#[test]
fn some_answers_stay_as_they_are() {
    let all = middleware(|_| {});
    assert!(all.may_code(&head(200, &[])));
    assert!(all.may_code(&head(404, &[("content-type", "text/html; charset=utf-8")])));
    for (status, pairs) in [
        (206, &[][..]),
        (304, &[]),
        (204, &[]),
        (200, &[("content-range", "bytes 0-1/2")]),
        (200, &[("content-encoding", "br")]),
        (200, &[("cache-control", "private, No-Transform")]),
        (200, &[("content-type", "text/event-stream;charset=utf-8")]),
        (200, &[("content-type", "application/grpc+proto")]),
    ] {
        assert!(!all.may_code(&head(status, pairs)), "{status} {pairs:?}");
    }
    let listed = |media| head(200, &[("content-type", media)]);
    let only = middleware(|options| options.included_content_types = vec!["Text/HTML".into()]);
    assert!(only.may_code(&listed("text/html; charset=utf-8")));
    assert!(!only.may_code(&listed("text/css")) && !only.may_code(&head(200, &[])));
    let except = middleware(|options| options.excluded_content_types = vec!["image/png".into()]);
    assert!(!except.may_code(&listed("image/PNG")) && except.may_code(&listed("text/css")));
}

#[test]
fn impossible_options_are_refused() {
    let error = |edit: fn(&mut config::Compress)| {
        let mut options = config::Compress::default();
        edit(&mut options);
        Compress::new(&options).err()
    };
    assert!(error(|options| options.encodings = vec!["deflate".into()]).is_some());
    assert!(error(|options| options.encodings.clear()).is_some());
    assert!(error(|options| options.default_encoding = "x".into()).is_some());
    assert!(error(|options| options.excluded_content_types = vec!["png".into()]).is_some());
}

#[test]
fn validators_are_weakened() {
    let mut fields = head(200, &[("etag", "\"a\""), ("content-length", "5"), ("accept-ranges", "bytes")]).fields;
    mark(&mut fields, Coding::Gzip);
    assert_eq!(fields.get_str("etag"), Some("W/\"a\""));
    assert_eq!(fields.get_str("content-encoding"), Some("gzip"));
    assert_eq!(fields.len(), 2);
    mark(&mut fields, Coding::Gzip);
    assert_eq!(fields.get_str("etag"), Some("W/\"a\""));
}

#[tokio::test]
async fn each_coding_comes_back_whole_with_its_trailers() {
    let text = "a line of text that repeats itself\n".repeat(20_000).into_bytes();
    for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
        let frames = text.chunks(9999).map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))));
        let trailers = Frame::trailers(http::HeaderMap::from_iter([(http::header::ETAG, "x".parse().unwrap())]));
        let inner = joined(frames.chain([Ok(trailers)]).collect(), Body::Empty);
        let mut body = Body::stream(stream::Coded::new(inner, coding));
        let (mut coded, mut trailers) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            match frame.unwrap().into_data() {
                Ok(data) => coded.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        assert!(coded.len() < text.len() / 10);
        assert_eq!(decoded(coding, &coded).await, text);
        assert_eq!(trailers.unwrap()["etag"], "x");
    }
}

#[tokio::test]
async fn what_came_in_is_readable_while_the_sender_pauses() {
    for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
        let feed = Fed::default();
        let mut body = Body::stream(stream::Coded::new(Body::stream(feed.clone()), coding));
        feed.data(b"first ").data(b"part");
        let coded = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(decoded(coding, &coded).await, b"first part");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(http_body::Body::poll_frame(Pin::new(&mut body), &mut cx).is_pending());
        feed.end();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn an_error_ends_a_coded_body() {
    let frames = VecDeque::from([Ok(Frame::data(Bytes::from_static(b"x"))), Err(BodyError::Truncated)]);
    let mut body = Body::stream(stream::Coded::new(joined(frames, Body::Empty), Coding::Gzip));
    assert!(matches!(body.frame().await, Some(Err(BodyError::Truncated))));
}

#[tokio::test]
async fn the_beginning_is_held_back_until_it_is_enough() {
    let feed = Fed::default();
    feed.data(b"1234").end();
    let (body, enough) = hold_back(Body::stream(feed.clone()), 5).await;
    assert!(!enough && body.length() == Some(4));
    feed.data(b"123").data(b"45");
    let (mut body, enough) = hold_back(Body::stream(feed.clone()), 5).await;
    assert!(enough);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), &b"123"[..]);
    // A pause: what follows is unknown, so the body is taken for a long one.
    feed.data(b"1");
    let (_, enough) = hold_back(Body::stream(feed.clone()), 5).await;
    assert!(enough);
    feed.0.borrow_mut().push_back(Some(Err(BodyError::Truncated)));
    let (mut body, enough) = hold_back(Body::stream(feed), 5).await;
    assert!(!enough && matches!(body.frame().await, Some(Err(BodyError::Truncated))));
}
