//! `contentType`: names the type of answers whose server named none, from how their bodies begin.

mod sniff;

use super::{LocalFuture, Middleware, Next, Request, Response};
use crate::body::{Body, joined};
use std::collections::VecDeque;

/// Frames without data that are passed over in search of the beginning.
const EMPTY_FRAMES_MAX: usize = 16;

/// The middleware.
pub(super) struct ContentType;

impl Middleware for ContentType {
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let mut response = next.run(request).await;
            let fields = &response.head.fields;
            // Of a body in some encoding the beginning says nothing.
            let says = |name: &str| fields.get(name).is_some_and(|value| !value.is_empty());
            if fields.get("content-type").is_some() || says("content-encoding") || response.tunnel.is_some() {
                return response;
            }
            let (found, body) = beginning(std::mem::take(&mut response.body)).await;
            response.body = body;
            if let Some(found) = found {
                response.head.fields.push(http::header::CONTENT_TYPE, found);
            }
            response
        })
    }
}

/// The type of a body, and the body whole again. A body without data has none.
async fn beginning(mut body: Body) -> (Option<&'static str>, Body) {
    let mut read = VecDeque::new();
    if let Body::Full(bytes) = &body {
        return (Some(sniff::media_type(bytes)), body);
    }
    let mut found = None;
    while found.is_none()
        && read.len() < EMPTY_FRAMES_MAX
        && let Some(frame) = body.frame().await
    {
        let data = frame.as_ref().ok().and_then(|frame| frame.data_ref());
        found = data.filter(|data| !data.is_empty()).map(|data| sniff::media_type(data));
        let ended = data.is_none();
        read.push_back(frame);
        if ended {
            break;
        }
    }
    (found, joined(read, body))
}
