//! `grpcWeb`: lets browsers talk to gRPC servers (gRPC-Web, <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>).
//!
//! A call's head gets gRPC's type and a text body is decoded; of the answer the trailers become the last frame of the body,
//! since scripts cannot read trailers. Everything else passes as it is. Invariant: what a browser of another origin may
//! read is said by `allowOrigins` alone.

use super::{LocalFuture, Middleware, Next, Request, Response};
use crate::body::{Body, BodyError};
use crate::message::{Fields, RequestHead};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use baton_routing::config;
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName};
use http_body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

const WEB: &str = "application/grpc-web";
const WEB_TEXT: &str = "application/grpc-web-text";
const PLAIN: &str = "application/grpc";
/// The first byte of a frame that holds trailers.
const TRAILERS: u8 = 0x80;
/// How long a browser may remember that it may ask.
const PREFLIGHT_SECONDS: &str = "600";

/// The middleware.
pub(super) struct GrpcWeb {
    origins: Vec<String>,
}

impl GrpcWeb {
    /// From its options.
    pub(super) fn new(options: &config::GrpcWeb) -> Self {
        Self { origins: options.allow_origins.clone() }
    }

    /// The origin of a request, when it is allowed.
    fn origin(&self, head: &RequestHead<'_>) -> Option<String> {
        let origin = head.fields.get_str("origin")?;
        self.origins.iter().any(|allowed| allowed == "*" || allowed == origin).then(|| origin.to_owned())
    }

    fn preflight(&self, head: &RequestHead<'_>) -> Response {
        let mut fields = Fields::default();
        fields.push(header::VARY, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
        let asked = |name| head.fields.get_str(name).map(str::to_owned);
        let method =
            asked("access-control-request-method").filter(|method| matches!(&**method, "GET" | "POST" | "HEAD"));
        if let (Some(origin), Some(method)) = (self.origin(head), method) {
            fields.push(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            fields.push(header::ACCESS_CONTROL_ALLOW_METHODS, method);
            fields.push(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                asked("access-control-request-headers").unwrap_or_default(),
            );
            fields.push(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
            fields.push(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
        }
        Response::new(204, fields, Body::Empty)
    }
}

impl Middleware for GrpcWeb {
    fn handle<'a>(&'a self, mut request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            if is_preflight(&request.head) {
                return self.preflight(&request.head);
            }
            let Some(kind) = call_type(&request.head) else { return next.run(request).await };
            let (origin, text) = (self.origin(&request.head), kind.starts_with(WEB_TEXT));
            let own = if text { WEB_TEXT } else { WEB };
            let fields = &mut request.head.fields;
            fields.set(header::CONTENT_TYPE, kind.replacen(own, PLAIN, 1));
            fields.set(header::TE, "trailers");
            if text {
                request.body = Body::stream(Decoded { body: request.body, rest: BytesMut::new() });
            }
            let mut response = next.run(request).await;
            if response.failure.is_none() {
                translate(&mut response, own);
            }
            let fields = &mut response.head.fields;
            fields.push(header::VARY, "Origin");
            if let Some(origin) = origin {
                fields.set(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                fields.set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
            }
            response
        })
    }
}

fn is_preflight(head: &RequestHead<'_>) -> bool {
    let asked = head.fields.get_str("access-control-request-headers").unwrap_or_default();
    head.method == "OPTIONS" && asked.to_ascii_lowercase().contains("x-grpc-web")
}

fn call_type(head: &RequestHead<'_>) -> Option<String> {
    let kind = head.fields.get_str("content-type").filter(|kind| kind.starts_with(WEB) && head.method == "POST")?;
    Some(kind.to_owned())
}

/// Makes a gRPC answer one of the kind `own`.
fn translate(response: &mut Response, own: &str) {
    let fields = &mut response.head.fields;
    if let Some(kind) = fields.get_str("content-type").map(|kind| kind.replacen(PLAIN, own, 1)) {
        fields.set(header::CONTENT_TYPE, kind);
    }
    fields.remove("content-length");
    fields.remove("trailer");
    let mut names: Vec<String> = fields.iter().map(|field| field.name.as_str().to_owned()).collect();
    names.extend(["grpc-status", "grpc-message"].map(str::to_owned));
    fields.set(header::ACCESS_CONTROL_EXPOSE_HEADERS, names.join(", "));
    let body = std::mem::take(&mut response.body);
    response.body = Body::stream(Framed { body, text: own == WEB_TEXT, ended: false });
}

/// A body whose trailers are its last frame, in base64 where the client wants text.
struct Framed {
    body: Body,
    text: bool,
    ended: bool,
}

impl Framed {
    fn shown(&self, data: Bytes) -> Bytes {
        if self.text { BASE64_STANDARD.encode(data).into() } else { data }
    }
}

impl http_body::Body for Framed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let trailers = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(this.shown(data))))),
                Err(frame) => frame.into_trailers().unwrap_or_default(),
            },
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => http::HeaderMap::new(),
        };
        this.ended = true;
        Poll::Ready(Some(Ok(Frame::data(this.shown(frame_of(&trailers))))))
    }
}

fn frame_of(trailers: &http::HeaderMap) -> Bytes {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        let name: &HeaderName = name;
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    let mut frame = vec![TRAILERS];
    frame.extend_from_slice(&u32::try_from(lines.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(&lines);
    frame.into()
}

/// A body in base64, decoded; it may come in pieces that are padded each for itself.
struct Decoded {
    body: Body,
    rest: BytesMut,
}

impl http_body::Body for Decoded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers of a request mean nothing here.
                    let Ok(data) = frame.into_data() else { continue };
                    this.rest.extend(data.iter().filter(|byte| !byte.is_ascii_whitespace()));
                    let whole = this.rest.len() / 4 * 4;
                    if whole > 0 {
                        let quads = this.rest.split_to(whole);
                        return Poll::Ready(Some(decode(&quads).map(|data| Frame::data(data.into()))));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if this.rest.is_empty() => return Poll::Ready(None),
                None => {
                    this.rest.clear();
                    return Poll::Ready(Some(Err(BodyError::Malformed)));
                }
            }
        }
    }
}

/// Decodes whole groups of four; padding may end any of them.
fn decode(quads: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut decoded = Vec::with_capacity(quads.len() / 4 * 3);
    for piece in quads.chunks(4).collect::<Vec<_>>().chunk_by(|before, _| before[3] != b'=') {
        let piece = piece.concat();
        BASE64_STANDARD.decode_vec(piece, &mut decoded).map_err(|_| BodyError::Malformed)?;
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_pieces_are_decoded_one_by_one() {
        assert_eq!(decode(b"YQ==YmM=ZGVm").unwrap(), b"abcdef");
        assert!(decode(b"Y=Q=").is_err() && decode(b"!!!!").is_err());
        assert_eq!(decode(b"").unwrap(), b"");
    }

    #[test]
    fn trailers_are_a_frame() {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        assert_eq!(&frame_of(&trailers)[..], b"\x80\x00\x00\x00\x10grpc-status: 0\r\n");
        assert_eq!(&frame_of(&http::HeaderMap::new())[..], b"\x80\x00\x00\x00\x00");
    }
}
