//! Heads of requests and responses, as both paths of the engine and every middleware see them.
//!
//! On the fast path names and values point into the core's scratch buffer; on the generic path they own their bytes.
//! The type is the same, so a middleware that only looks at heads is written once and runs on both.
//! Invariants: names are valid tokens, values hold no CR, LF or NUL; connection-level fields are never in a head that
//! leaves the engine (see `forward`).

use crate::limits::HEADER_FIELDS_MAX;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::borrow::Cow;

/// Fields the engine itself acts on; everything else is [`Known::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Not special.
    Other,
    /// `Host`
    Host,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Connection`
    Connection,
    /// `Keep-Alive`, `Proxy-Connection`, `Proxy-Authenticate`, `Proxy-Authorization`
    Hop,
    /// `Upgrade`
    Upgrade,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Expect`
    Expect,
    /// `Date`
    Date,
    /// `X-Forwarded-For`
    ForwardedFor,
    /// `X-Forwarded-Proto`
    ForwardedProto,
    /// `X-Forwarded-Host`
    ForwardedHost,
    /// `X-Forwarded-Port`
    ForwardedPort,
    /// `X-Forwarded-Server`
    ForwardedServer,
    /// `X-Real-Ip`
    RealIp,
    /// Other fields an untrusted client may not set: `X-Forwarded-{Uri,Method,Prefix,Scheme,Tls-Client-Cert(-Info)}`, `X-Scheme`,
    /// and every forwarding field spelled with underscores.
    ForwardedOther,
    /// `Sec-WebSocket-*`
    WebSocket,
}

/// A set of classes, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Classes(u32);

impl Classes {
    /// The set of these.
    pub(crate) const fn of(classes: &[Known]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < classes.len() {
            bits |= 1 << classes[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    /// Whether the two sets have a class in common.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether a class is in the set.
    pub(crate) const fn holds(self, known: Known) -> bool {
        self.0 & (1 << known as u32) != 0
    }

    /// What either set holds.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// The fields that tell a server about the client.
pub(crate) const FORWARDING: Classes = Classes::of(&[
    Known::ForwardedFor,
    Known::ForwardedProto,
    Known::ForwardedHost,
    Known::ForwardedPort,
    Known::ForwardedServer,
    Known::RealIp,
    Known::ForwardedOther,
]);

impl Known {
    /// The class of a field name in any case.
    pub fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let is = |text: &str| name.eq_ignore_ascii_case(text);
        match (bytes.len(), bytes.first().map(|byte| byte | 0x20)) {
            (2, Some(b't')) if is("te") => Self::Te,
            (4, Some(b'h')) if is("host") => Self::Host,
            (4, Some(b'd')) if is("date") => Self::Date,
            (6, Some(b'e')) if is("expect") => Self::Expect,
            (7, Some(b'u')) if is("upgrade") => Self::Upgrade,
            (7, Some(b't')) if is("trailer") => Self::Trailer,
            (10, Some(b'c')) if is("connection") => Self::Connection,
            (10, Some(b'k')) if is("keep-alive") => Self::Hop,
            (14, Some(b'c')) if is("content-length") => Self::ContentLength,
            (16, Some(b'p')) if is("proxy-connection") => Self::Hop,
            (17, Some(b't')) if is("transfer-encoding") => Self::TransferEncoding,
            (18, Some(b'p')) if is("proxy-authenticate") => Self::Hop,
            (19, Some(b'p')) if is("proxy-authorization") => Self::Hop,
            (14.., Some(b's')) if bytes[..14].eq_ignore_ascii_case(b"sec-websocket-") => Self::WebSocket,
            (8.., Some(b'x')) => Self::forwarding(bytes),
            _ => Self::Other,
        }
    }

    fn forwarding(name: &[u8]) -> Self {
        if !matches!(name[1], b'-' | b'_') {
            return Self::Other;
        }
        let mut lower = [0u8; 32];
        let Some(slot) = lower.get_mut(..name.len()) else { return Self::Other };
        let mut underscore = false;
        for (to, from) in slot.iter_mut().zip(name) {
            underscore |= *from == b'_';
            *to = if *from == b'_' { b'-' } else { from.to_ascii_lowercase() };
        }
        let class = match &*slot {
            b"x-forwarded-for" => Self::ForwardedFor,
            b"x-forwarded-proto" => Self::ForwardedProto,
            b"x-forwarded-host" => Self::ForwardedHost,
            b"x-forwarded-port" => Self::ForwardedPort,
            b"x-forwarded-server" => Self::ForwardedServer,
            b"x-real-ip" => Self::RealIp,
            b"x-scheme"
            | b"x-forwarded-uri"
            | b"x-forwarded-method"
            | b"x-forwarded-prefix"
            | b"x-forwarded-scheme"
            | b"x-forwarded-tls-client-cert"
            | b"x-forwarded-tls-client-cert-info" => Self::ForwardedOther,
            _ => return Self::Other,
        };
        if underscore { Self::ForwardedOther } else { class }
    }

    /// One of the forwarding fields, whose values a client is not trusted with.
    pub fn is_forwarding(self) -> bool {
        FORWARDING.holds(self)
    }

    /// The canonical spelling, where every field of the class has the same name.
    pub(crate) const fn spelling(self) -> Option<&'static str> {
        Some(match self {
            Self::Date => "Date",
            Self::ForwardedFor => "X-Forwarded-For",
            Self::ForwardedProto => "X-Forwarded-Proto",
            Self::ForwardedHost => "X-Forwarded-Host",
            Self::ForwardedPort => "X-Forwarded-Port",
            Self::ForwardedServer => "X-Forwarded-Server",
            Self::RealIp => "X-Real-Ip",
            _ => return None,
        })
    }

    pub(crate) fn allowed_in_trailer(self) -> bool {
        matches!(self, Self::Other | Self::Date)
    }
}

/// A field name.
#[derive(Debug, Clone)]
pub enum Name<'b> {
    /// As it stands in the input.
    Ref(&'b str),
    /// Owned or well-known.
    Header(HeaderName),
}

impl Name<'_> {
    /// The name as spelled; case is not significant.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ref(name) => name,
            Self::Header(name) => name.as_str(),
        }
    }

    /// Its class.
    pub fn known(&self) -> Known {
        Known::of(self.as_str())
    }
}

impl From<HeaderName> for Name<'_> {
    fn from(name: HeaderName) -> Self {
        Self::Header(name)
    }
}

/// A field value.
#[derive(Debug, Clone)]
pub enum Value<'b> {
    /// As it stands in the input, or static.
    Ref(&'b [u8]),
    /// Owned.
    Shared(Bytes),
    /// Owned, as hyper and h2 hold it.
    Header(HeaderValue),
}

impl Value<'_> {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ref(value) => value,
            Self::Shared(value) => value,
            Self::Header(value) => value.as_bytes(),
        }
    }
}

impl From<HeaderValue> for Value<'_> {
    fn from(value: HeaderValue) -> Self {
        Self::Header(value)
    }
}

impl<'b> From<&'b str> for Value<'b> {
    fn from(value: &'b str) -> Self {
        Self::Ref(value.as_bytes())
    }
}

/// Text that was put together here. Line ends and NUL in it become spaces: whatever a configuration says or a client wrote in
/// escapes, a value stays one value.
impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        let mut bytes = value.into_bytes();
        bytes.iter_mut().filter(|byte| breaks(byte)).for_each(|byte| *byte = b' ');
        Self::Shared(Bytes::from(bytes))
    }
}

impl From<Bytes> for Value<'_> {
    fn from(value: Bytes) -> Self {
        Self::Shared(value)
    }
}

/// One field line.
#[derive(Debug, Clone)]
pub struct Field<'b> {
    /// Name as received.
    pub name: Name<'b>,
    /// Value without surrounding white space.
    pub value: Value<'b>,
    /// Class of the name.
    pub known: Known,
}

/// Field lines in order; repeated names stay separate lines.
#[derive(Debug, Clone, Default)]
pub struct Fields<'b> {
    list: Vec<Field<'b>>,
    /// Classes of the lines, perhaps of some that were removed since: what is not in it need not be looked for.
    seen: Classes,
}

impl<'b> Fields<'b> {
    /// No lines, with room for `count`.
    pub fn with_capacity(count: usize) -> Self {
        Self { list: Vec::with_capacity(count), seen: Classes::default() }
    }

    /// Appends a line.
    pub fn push(&mut self, name: impl Into<Name<'b>>, value: impl Into<Value<'b>>) {
        let name = name.into();
        let known = name.known();
        self.push_known(name, value.into(), known);
    }

    /// Appends a line whose class is known already.
    pub(crate) fn push_known(&mut self, name: Name<'b>, value: Value<'b>, known: Known) {
        self.seen = self.seen.and(Classes::of(&[known]));
        self.list.push(Field { name, value, known });
    }

    /// Appends a line of a class that has one name.
    pub(crate) fn push_spelled(&mut self, known: Known, value: Value<'b>) {
        if let Some(name) = known.spelling() {
            self.push_known(Name::Ref(name), value, known);
        }
    }

    /// Removes every line of these classes.
    pub(crate) fn drop_classes(&mut self, classes: Classes) {
        if self.seen.meets(classes) {
            self.list.retain(|field| !classes.holds(field.known));
            self.seen = self.seen.without(classes);
        }
    }

    /// Replaces every line of that name by one.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Value<'b>>) {
        let value = value.into();
        match self.list.iter().position(|field| matches(field, name.as_str())) {
            Some(at) => {
                self.list[at].value = value;
                let mut index = 0;
                self.list.retain(|field| {
                    index += 1;
                    index - 1 <= at || !matches(field, name.as_str())
                });
            }
            None => self.push(name, value),
        }
    }

    /// Removes every line of that name; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|field| !matches(field, name));
        self.list.len() < before
    }

    /// Keeps the lines for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Field<'b>) -> bool) {
        self.list.retain(|field| keep(field));
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.list.iter().find(|field| matches(field, name)).map(|field| field.value.as_bytes())
    }

    /// The first value of that name, when it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.list.iter().filter(move |field| matches(field, name)).map(|field| field.value.as_bytes())
    }

    /// The first value of that class.
    pub fn known(&self, known: Known) -> Option<&[u8]> {
        if !self.seen.holds(known) {
            return None;
        }
        self.list.iter().find(|field| field.known == known).map(|field| field.value.as_bytes())
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = &Field<'b>> {
        self.list.iter()
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The same lines, owning their bytes.
    pub fn into_owned(self) -> Fields<'static> {
        let seen = self.seen;
        let list = self
            .list
            .into_iter()
            .filter_map(|field| {
                let name = match field.name {
                    Name::Ref(name) => HeaderName::from_bytes(name.as_bytes()).ok()?,
                    Name::Header(name) => name,
                };
                let value = match field.value {
                    Value::Ref(value) => Bytes::copy_from_slice(value),
                    Value::Shared(value) => value,
                    Value::Header(value) => {
                        return Some(Field {
                            name: Name::Header(name),
                            value: Value::Header(value),
                            known: field.known,
                        });
                    }
                };
                Some(Field { name: Name::Header(name), value: Value::Shared(value), known: field.known })
            })
            .collect();
        Fields { list, seen }
    }

    /// From hyper's and h2's representation.
    pub fn from_map(map: http::HeaderMap) -> Fields<'static> {
        let mut fields = Fields::default();
        let mut last: Option<HeaderName> = None;
        for (name, value) in map {
            if name.is_some() {
                last = name;
            }
            if let Some(name) = &last {
                fields.push(name.clone(), value);
            }
        }
        fields
    }

    /// From a trailer section, without the fields that may not stand in one (RFC 9110 §6.5.1).
    pub fn of_trailers(map: http::HeaderMap) -> Fields<'static> {
        let mut fields = Self::from_map(map);
        fields.retain(|field| field.known.allowed_in_trailer());
        fields
    }

    /// To hyper's and h2's representation; lines that do not fit are dropped.
    pub fn into_map(self) -> http::HeaderMap {
        let mut map = http::HeaderMap::with_capacity(self.list.len().min(HEADER_FIELDS_MAX) + 2);
        for field in self.list {
            let name = match field.name {
                Name::Ref(name) => HeaderName::from_bytes(name.as_bytes()).ok(),
                Name::Header(name) => Some(name),
            };
            let value = match field.value {
                Value::Ref(value) => HeaderValue::from_bytes(value).ok(),
                Value::Shared(value) => HeaderValue::from_maybe_shared(value).ok(),
                Value::Header(value) => Some(value),
            };
            if let (Some(name), Some(value)) = (name, value)
                && map.try_append(name, value).is_err()
            {
                break;
            }
        }
        map
    }
}

fn matches(field: &Field<'_>, name: &str) -> bool {
    field.name.as_str().eq_ignore_ascii_case(name)
}

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
