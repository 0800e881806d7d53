//! `retry`: another try where the first came to nothing.
//!
//! After a failed dial nothing was sent, so any request may be tried again. By status only requests that can be repeated,
//! with a body small enough to keep.

use super::{Failure, LocalFuture, Middleware, Next, Request, Response, status_range};
use crate::body::{Body, BodyError, keep};
use crate::limits::RETRY_BODY_BYTES;
use baton_routing::config;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The middleware.
pub(super) struct Retry {
    attempts: u32,
    pause: Duration,
    statuses: Vec<RangeInclusive<u16>>,
    body_bytes: usize,
    network: bool,
    any_method: bool,
}

impl Retry {
    pub(super) fn new(options: &config::Retry) -> Self {
        let limit = options.max_request_body_bytes;
        Self {
            attempts: options.attempts.max(1),
            pause: *options.initial_interval,
            statuses: options.status.iter().filter_map(|text| status_range(text)).collect(),
            body_bytes: limit.map_or(RETRY_BODY_BYTES, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            network: !options.disable_retry_on_network_error,
            any_method: options.retry_non_idempotent_method,
        }
    }

    fn again(&self, response: &Response, repeatable: bool) -> bool {
        match response.failure {
            Some(Failure::Connect) => self.network,
            Some(_) => false,
            None => repeatable && self.statuses.iter().any(|range| range.contains(&response.head.status)),
        }
    }
}

impl Middleware for Retry {
    fn handle<'a>(&'a self, mut request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let idempotent = crate::upstream::replayable(&request.head);
            let mut kept = None;
            if !self.statuses.is_empty() && (idempotent || self.any_method) {
                match keep(request.body, self.body_bytes).await {
                    Ok((bytes, body)) => {
                        kept = bytes;
                        request.body = body;
                    }
                    Err(error) => return Response::failed(error.into()),
                }
            }
            let shared = Rc::new(RefCell::new(std::mem::take(&mut request.body)));
            let mut tries = 0;
            loop {
                let body = match &kept {
                    Some(bytes) => Body::from(bytes.clone()),
                    None if shared.borrow().is_end_stream() => Body::Empty,
                    None => Body::stream(Borrowed(shared.clone())),
                };
                let attempt = Request {
                    head: request.head.clone(),
                    body,
                    info: request.info.clone(),
                    upgrade: request.upgrade.clone(),
                };
                let response = next.run(attempt).await;
                tries += 1;
                let repeatable = kept.is_some();
                if tries >= self.attempts || !self.again(&response, repeatable) {
                    return response;
                }
                if !self.pause.is_zero() {
                    tokio::time::sleep(self.pause.saturating_mul(1 << (tries - 1).min(16)).min(PAUSE_MAX)).await;
                }
            }
        })
    }
}

/// A body lent to one try; a try that sent nothing of it leaves it whole for the next.
struct Borrowed(Rc<RefCell<Body>>);

impl http_body::Body for Borrowed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.borrow().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.borrow().size_hint()
    }
}
