//! Request heads: parsing with the strict framing rules of RFC 9112 §3, §5 and §6.3.

use super::{Framing, Malformed, has_token, names_fields, parse_length};
use crate::limits::{CONNECTION_BYTES_MAX, HEADER_FIELDS_MAX};
use crate::message::{Fields, Known, Name, Value, Version};
use std::mem::MaybeUninit;

/// Fields that the proxy adds to a request.
const ADDED_FIELDS: usize = 8;

/// One parsed request head, pointing into the input.
#[derive(Debug)]
pub struct ParsedRequest<'b> {
    /// Method token.
    pub method: &'b str,
    /// Request target as sent.
    pub target: &'b str,
    /// `Host`, trimmed; `None` only for HTTP/1.0.
    pub host: Option<&'b str>,
    /// 1.0 or 1.1.
    pub version: Version,
    /// The field lines, without `Host`, lengths and codings, and what `Connection` usually says.
    pub fields: Fields<'b>,
    /// How the request's body ends.
    pub framing: Framing,
    /// Whether the client wants the connection to stay open.
    pub keep_alive: bool,
    /// `Expect: 100-continue`
    pub expect_continue: bool,
    /// `Connection: upgrade` with an `Upgrade` field, on HTTP/1.1.
    pub upgrade: bool,
    /// `TE: trailers`, not listed in `Connection`.
    pub te_trailers: bool,
    /// Whether `Connection` names fields to drop; only then it is among the fields.
    pub has_connection: bool,
    /// Length of the head in bytes.
    pub length: usize,
}

/// Parses the head at the start of `input`; `None` when more bytes are needed.
///
/// `limit` is the most bytes a head may have.
pub fn parse_request(input: &[u8], limit: usize) -> Result<Option<ParsedRequest<'_>>, Malformed> {
    let mut slots = [MaybeUninit::<httparse::Header<'_>>::uninit(); HEADER_FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(input, &mut slots).map_err(|error| match error {
        httparse::Error::TooManyHeaders => Malformed::TooLarge,
        httparse::Error::Version => Malformed::Version,
        _ => Malformed::Syntax,
    })?;
    let length = match status {
        httparse::Status::Complete(length) if length <= limit => length,
        httparse::Status::Partial if input.len() < limit => return Ok(None),
        _ => return Err(Malformed::TooLarge),
    };
    let version = if request.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let mut parsed = ParsedRequest {
        method: request.method.ok_or(Malformed::Syntax)?,
        target: request.path.ok_or(Malformed::Syntax)?,
        host: None,
        version,
        // Room for what the proxy adds, so that the list grows once.
        fields: Fields::with_capacity(request.headers.len() + ADDED_FIELDS),
        framing: Framing::None,
        keep_alive: version == Version::Http11,
        expect_continue: false,
        upgrade: false,
        te_trailers: false,
        has_connection: false,
        length,
    };
    parsed.read_fields(request.headers)?;
    Ok(Some(parsed))
}

impl<'b> ParsedRequest<'b> {
    fn read_fields(&mut self, headers: &[httparse::Header<'b>]) -> Result<(), Malformed> {
        let (mut length, mut chunked, mut upgrade, mut wants_upgrade, mut te_listed) =
            (None, false, false, false, false);
        let mut connection_bytes = 0;
        for header in headers {
            let known = Known::of(header.name);
            match known {
                Known::Host => {
                    let host = std::str::from_utf8(header.value).map_err(|_| Malformed::Host)?;
                    if self.host.is_some() || !valid_host(host) {
                        return Err(Malformed::Host);
                    }
                    self.host = Some(host);
                    continue;
                }
                Known::ContentLength => {
                    if length.is_some() {
                        return Err(Malformed::Framing);
                    }
                    length = Some(parse_length(header.value)?);
                    continue;
                }
                Known::TransferEncoding => {
                    if chunked
                        || self.version == Version::Http10
                        || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked")
                    {
                        return Err(Malformed::Framing);
                    }
                    chunked = true;
                    continue;
                }
                Known::Connection => {
                    connection_bytes += header.value.len();
                    if connection_bytes > CONNECTION_BYTES_MAX {
                        return Err(Malformed::TooLarge);
                    }
                    if has_token(header.value, "close") {
                        self.keep_alive = false;
                    } else if self.version == Version::Http10 && has_token(header.value, "keep-alive") {
                        self.keep_alive = true;
                    }
                    wants_upgrade |= has_token(header.value, "upgrade");
                    te_listed |= has_token(header.value, "te");
                    if !names_fields(header.value) {
                        continue;
                    }
                    self.has_connection = true;
                }
                Known::Upgrade => upgrade = true,
                Known::Te => self.te_trailers |= has_token(header.value, "trailers"),
                Known::Expect => {
                    self.expect_continue =
                        self.version == Version::Http11 && header.value.eq_ignore_ascii_case(b"100-continue");
                }
                _ => {}
            }
            self.fields.push_known(Name::Ref(header.name), Value::Ref(header.value), known);
        }
        if self.host.is_none() && self.version == Version::Http11 {
            return Err(Malformed::Host);
        }
        self.framing = match (length, chunked) {
            (Some(_), true) => return Err(Malformed::Framing),
            (None, true) => Framing::Chunked,
            (Some(0) | None, false) => Framing::None,
            (Some(bytes), false) => Framing::Length(bytes),
        };
        self.te_trailers &= !te_listed;
        self.upgrade = upgrade && wants_upgrade && self.version == Version::Http11;
        Ok(())
    }
}

/// A host as RFC 9110 §7.2 allows it, without user information; empty is valid.
pub fn valid_host(host: &str) -> bool {
    host.bytes().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b':'
                    | b'['
                    | b']'
                    | b'%'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
            )
    })
}
