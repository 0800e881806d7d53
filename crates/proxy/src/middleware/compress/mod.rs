//! `compress`: codes response bodies with gzip, brotli or zstd where the client takes it (RFC 9110 §8.4, §12.5.3).
//!
//! The body streams through the encoder; only its beginning is held back, and only when the length is unknown, to learn
//! whether it is worth the effort. Invariants: what is coded already, a part, or must not be transformed stays as it is;
//! event streams and gRPC pass untouched; whenever the answer depends on `Accept-Encoding`, `Vary` says so.

mod accept;
mod coding;
mod stream;

use super::{LocalFuture, Middleware, Next, Request, Response};
use crate::body::{Body, joined};
use crate::message::{Fields, ResponseHead, Value};
use accept::negotiate;
use baton_routing::config;
use coding::Coding;
use http_body::Frame;
use std::collections::VecDeque;
use std::time::Duration;

/// Bodies below this stay as they are, where the configuration names no size.
const MIN_BYTES: u64 = 1024;
/// How long the beginning of a body is held back until enough of it is there to decide.
const HOLD_BACK: Duration = Duration::from_millis(50);
/// Media types that are messages in a stream, each of which is waited for.
const STREAMS: [&str; 2] = ["text/event-stream", "application/grpc"];

/// The middleware.
pub(super) struct Compress {
    /// Codings in order of preference.
    codings: Vec<Coding>,
    /// For clients that do not say what they take.
    default: Option<Coding>,
    min_bytes: u64,
    types: Types,
}

/// Which media types are coded.
enum Types {
    AllBut(Vec<String>),
    Only(Vec<String>),
}

impl Compress {
    /// From its options.
    pub(super) fn new(options: &config::Compress) -> Result<Self, String> {
        let coding = |name: &str| {
            Coding::named(name).ok_or_else(|| format!("unsupported encoding {name:?}: known are gzip, br and zstd"))
        };
        let types = match (&options.included_content_types[..], &options.excluded_content_types[..]) {
            ([], excluded) => Types::AllBut(media_types(excluded)?),
            (included, []) => Types::Only(media_types(included)?),
            _ => return Err("excludedContentTypes and includedContentTypes exclude each other".to_owned()),
        };
        let codings = options.encodings.iter().map(|name| coding(name)).collect::<Result<Vec<_>, _>>()?;
        if codings.is_empty() {
            return Err("encodings is empty".to_owned());
        }
        Ok(Self {
            codings,
            default: Some(&*options.default_encoding).filter(|name| !name.is_empty()).map(coding).transpose()?,
            min_bytes: options.min_response_body_bytes.unwrap_or(MIN_BYTES),
            types,
        })
    }

    fn codes(&self, media: Option<&str>) -> bool {
        let listed = |types: &[String]| media.is_some_and(|media| types.iter().any(|known| *known == media));
        match &self.types {
            Types::AllBut(excluded) => !listed(excluded),
            Types::Only(included) => listed(included),
        }
    }

    /// Whether the answer may be coded, its length aside.
    fn may_code(&self, head: &ResponseHead<'_>) -> bool {
        let fields = &head.fields;
        let media = media_type(fields);
        let is_stream = media.as_deref().is_some_and(|media| STREAMS.iter().any(|stream| media.starts_with(stream)));
        !matches!(head.status, 100..=199 | 204 | 206 | 304)
            && !is_stream
            && fields.get("content-encoding").is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
            && fields.get("content-range").is_none()
            && !lists(fields, "cache-control", "no-transform")
            && self.codes(media.as_deref())
    }
}

impl Middleware for Compress {
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let coding = negotiate(&request.head.fields, &self.codings, self.default);
            let is_head = request.head.method == "HEAD";
            let asks_grpc = media_type(&request.head.fields).is_some_and(|media| media.starts_with("application/grpc"));
            let mut response = next.run(request).await;
            if asks_grpc || response.tunnel.is_some() || !self.may_code(&response.head) {
                return response;
            }
            let declared = response.head.fields.get_str("content-length").and_then(|length| length.parse().ok());
            let known = if is_head { declared } else { response.body.length() };
            if known.is_some_and(|bytes| bytes < self.min_bytes) {
                return response;
            }
            if !lists(&response.head.fields, "vary", "accept-encoding") {
                response.head.fields.push(http::header::VARY, "Accept-Encoding");
            }
            let Some(coding) = coding.filter(|_| !is_head) else { return response };
            if known.is_none() {
                let (body, enough) = hold_back(std::mem::take(&mut response.body), self.min_bytes).await;
                response.body = body;
                if !enough {
                    return response;
                }
            }
            mark(&mut response.head.fields, coding);
            response.body = Body::stream(stream::Coded::new(response.body, coding));
            response
        })
    }
}

/// Waits for `bytes` of a body; says whether it has so many or goes on. The body is whole again either way.
async fn hold_back(mut body: Body, bytes: u64) -> (Body, bool) {
    let mut held = VecDeque::new();
    let mut count = 0;
    let gather = async {
        while count < bytes {
            let Some(frame) = body.frame().await else { return false };
            let ends = match &frame {
                Ok(frame) => {
                    count += frame.data_ref().map_or(0, |data| data.len() as u64);
                    frame.is_trailers()
                }
                Err(_) => true,
            };
            held.push_back(frame);
            if ends {
                return false;
            }
        }
        true
    };
    let enough = tokio::time::timeout(HOLD_BACK, gather).await.unwrap_or(true);
    // A body in one piece keeps its length.
    if !enough && held.len() <= 1 && held.iter().flatten().all(Frame::is_data) {
        let whole = held.pop_front().map(|frame| frame.map(Frame::into_data));
        return match whole {
            Some(Ok(Ok(data))) => (Body::from(data), false),
            Some(Err(error)) => (joined(VecDeque::from([Err(error)]), body), false),
            _ => (Body::Empty, false),
        };
    }
    (joined(held, body), enough)
}

/// Tells about the coding in the head of the answer.
fn mark(fields: &mut Fields<'static>, coding: Coding) {
    fields.set(http::header::CONTENT_ENCODING, coding.name());
    for name in ["content-length", "accept-ranges", "content-md5", "content-digest", "digest"] {
        fields.remove(name);
    }
    // A strong validator stands for the bytes, which are others now (RFC 9110 §8.8.1).
    let weak = fields.get("etag").filter(|tag| tag.starts_with(b"\"")).map(|tag| [b"W/", tag].concat());
    if let Some(weak) = weak {
        fields.set(http::header::ETAG, Value::Shared(weak.into()));
    }
}

/// The media type in lower case, without parameters.
fn media_type(fields: &Fields<'_>) -> Option<String> {
    let value = fields.get_str("content-type")?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn media_types(list: &[String]) -> Result<Vec<String>, String> {
    list.iter()
        .map(|text| {
            let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if media.contains('/') { Ok(media) } else { Err(format!("{text:?} is not a media type")) }
        })
        .collect()
}

/// Whether a list of tokens in a field holds one of them.
fn lists(fields: &Fields<'_>, name: &str, token: &str) -> bool {
    fields
        .all(name)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .flat_map(|line| line.split(','))
        .any(|entry| entry.trim() == "*" || entry.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests;
