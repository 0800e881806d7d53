//! Heads of requests and responses, as both paths of the engine and every middleware see them.
//!
//! On the fast path names and values point into the core's scratch buffer; on the generic path they own their bytes.
//! The type is the same, so a middleware that only looks at heads is written once and runs on both.
//! Invariants: names are valid tokens, values hold no CR, LF or NUL; connection-level fields are never in a head that
//! leaves the engine (see `forward`).

mod field;
mod fields;
mod known;

pub use field::{Field, Name, Value};
pub use fields::Fields;
pub use known::Known;
pub(crate) use known::{Classes, FORWARDING};

use std::borrow::Cow;

/// Protocol of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
}

/// A request head: what routing, middlewares and the upstream see.
#[derive(Debug, Clone)]
pub struct RequestHead<'b> {
    /// As sent; methods are case-sensitive.
    pub method: Cow<'b, str>,
    /// Path as it will be sent upstream: normalised, still percent-encoded, starting with `/` (or `*`).
    pub path: Cow<'b, str>,
    /// Query without the question mark.
    pub query: Option<Cow<'b, str>>,
    /// Host with port as the client sent it; empty when an HTTP/1.0 client sent none. Not in `fields`.
    pub host: Cow<'b, str>,
    /// Protocol the client speaks.
    pub version: Version,
    /// Field lines without `Host` and without connection-level fields.
    pub fields: Fields<'b>,
}

impl RequestHead<'_> {
    /// The same head, owning its bytes.
    pub fn into_owned(self) -> RequestHead<'static> {
        RequestHead {
            method: Cow::Owned(self.method.into_owned()),
            path: Cow::Owned(self.path.into_owned()),
            query: self.query.map(|query| Cow::Owned(query.into_owned())),
            host: Cow::Owned(self.host.into_owned()),
            version: self.version,
            fields: self.fields.into_owned(),
        }
    }

    /// Path and query as in a request line.
    pub fn target(&self) -> Cow<'_, str> {
        match &self.query {
            Some(query) => Cow::Owned(format!("{}?{query}", self.path)),
            None => Cow::Borrowed(&self.path),
        }
    }
}

/// A response head.
#[derive(Debug, Clone)]
pub struct ResponseHead<'b> {
    /// Status code, 100–999.
    pub status: u16,
    /// Field lines without connection-level fields; `Content-Length` is kept as received.
    pub fields: Fields<'b>,
}

impl ResponseHead<'_> {
    /// The same head, owning its bytes.
    pub fn into_owned(self) -> ResponseHead<'static> {
        ResponseHead { status: self.status, fields: self.fields.into_owned() }
    }
}
