//! `buffering`: reads bodies in whole before they go on, within limits, and may send a request again.
//!
//! A request body over its limit is answered 413, a response body over its limit 500. Invariant: a server sees a request
//! only when all of it is here, a client sees a response only when all of it is here.

mod condition;

use super::{Failure, LocalFuture, Middleware, Next, Request, Response};
use crate::body::{Body, BodyError, joined};
use baton_routing::config;
use bytes::{Bytes, BytesMut};
use condition::Condition;
use http_body::Frame;

/// Largest body that is read in whole where the configuration names no limit.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Tries of one request, whatever the expression says.
const ATTEMPTS_MAX: u32 = 10;

/// The middleware.
pub(super) struct Buffering {
    request_bytes: u64,
    response_bytes: u64,
    retry: Option<Condition>,
}

/// A body in memory.
#[derive(Clone, Default)]
struct Whole {
    data: Bytes,
    trailers: Option<http::HeaderMap>,
}

/// Why a body is not in memory.
enum Unread {
    TooLarge,
    Broken(BodyError),
}

impl Buffering {
    /// From its options.
    pub(super) fn new(options: &config::Buffering) -> Result<Self, String> {
        let limit = |bytes: u64| if bytes == 0 { BODY_BYTES_MAX } else { bytes };
        let retry = Some(&*options.retry_expression).filter(|text| !text.is_empty());
        Ok(Self {
            request_bytes: limit(options.max_request_body_bytes),
            response_bytes: limit(options.max_response_body_bytes),
            retry: retry.map(Condition::parse).transpose().map_err(|error| format!("retryExpression: {error}"))?,
        })
    }
}

impl Middleware for Buffering {
    fn handle<'a>(&'a self, mut request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let body = match read(std::mem::take(&mut request.body), self.request_bytes).await {
                Ok(body) => body,
                Err(Unread::TooLarge) => return Response::status(413),
                Err(Unread::Broken(error)) => return Response::failed(error.into()),
            };
            let mut attempts = 1;
            let mut response = loop {
                let attempt = Request {
                    head: request.head.clone(),
                    body: body.clone().into(),
                    info: request.info.clone(),
                    upgrade: request.upgrade.clone(),
                };
                let response = next.run(attempt).await;
                let again = |retry: &Condition| {
                    retry.holds(&condition::Outcome {
                        attempts,
                        status: response.head.status,
                        network_error: response.failure.is_some_and(|failure| failure != Failure::NoServer),
                    })
                };
                if attempts >= ATTEMPTS_MAX || response.tunnel.is_some() || !self.retry.as_ref().is_some_and(again) {
                    break response;
                }
                attempts += 1;
            };
            if response.tunnel.is_some() {
                return response;
            }
            let length = response.body.length();
            let body = match read(std::mem::take(&mut response.body), self.response_bytes).await {
                Ok(body) => body,
                Err(Unread::TooLarge) => return Response::status(500),
                Err(Unread::Broken(_)) => return Response::failed(Failure::Broken),
            };
            // A response without a body may tell about a length (HEAD).
            if length != Some(0) {
                response.head.fields.remove("content-length");
            }
            response.body = body.into();
            response
        })
    }
}

impl From<Whole> for Body {
    fn from(whole: Whole) -> Self {
        match whole.trailers {
            None => whole.data.into(),
            Some(trailers) => joined([Ok(Frame::data(whole.data)), Ok(Frame::trailers(trailers))].into(), Body::Empty),
        }
    }
}

/// Reads a body of at most `limit` bytes.
async fn read(mut body: Body, limit: u64) -> Result<Whole, Unread> {
    if body.length().is_some_and(|length| length > limit) {
        return Err(Unread::TooLarge);
    }
    let mut bytes = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.map_err(Unread::Broken)?.into_data() {
            Ok(data) if (bytes.len() + data.len()) as u64 > limit => return Err(Unread::TooLarge),
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok(Whole { data: bytes.freeze(), trailers })
}
