//! Response heads of upstream servers.

use super::{Framing, Malformed, has_token, names_fields, parse_length};
use crate::limits::{CONNECTION_BYTES_MAX, HEADER_FIELDS_MAX, RESPONSE_HEADER_BYTES_MAX};
use crate::message::{Fields, Known, Name, Value};
use std::mem::MaybeUninit;

/// One parsed response head, pointing into the input.
#[derive(Debug)]
pub struct ParsedResponse<'b> {
    /// 100–999
    pub status: u16,
    /// The field lines, without lengths and codings, and what `Connection` usually says.
    pub fields: Fields<'b>,
    /// How the body ends.
    pub framing: Framing,
    /// Declared length, also for responses without a body (HEAD).
    pub length: Option<u64>,
    /// Whether the server keeps the connection open.
    pub keep_alive: bool,
    /// Whether `Connection` names fields to drop; only then it is among the fields.
    pub has_connection: bool,
    /// Length of the head in bytes.
    pub head_length: usize,
}

/// Parses the head at the start of `input`, an answer to a request that was HEAD if `head`; `None` when more bytes are needed.
pub fn parse_response(input: &[u8], head: bool) -> Result<Option<ParsedResponse<'_>>, Malformed> {
    let mut slots = [MaybeUninit::<httparse::Header<'_>>::uninit(); HEADER_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, input, &mut slots)
        .map_err(|error| match error {
            httparse::Error::TooManyHeaders => Malformed::TooLarge,
            httparse::Error::Version => Malformed::Version,
            _ => Malformed::Syntax,
        })?;
    let head_length = match status {
        httparse::Status::Complete(length) if length <= RESPONSE_HEADER_BYTES_MAX => length,
        httparse::Status::Partial if input.len() < RESPONSE_HEADER_BYTES_MAX => return Ok(None),
        _ => return Err(Malformed::TooLarge),
    };
    let http11 = response.version == Some(1);
    let status = response.code.filter(|code| (100..=999).contains(code)).ok_or(Malformed::Syntax)?;
    let mut parsed = ParsedResponse {
        status,
        fields: Fields::with_capacity(response.headers.len() + 4),
        framing: Framing::UntilClose,
        length: None,
        keep_alive: http11,
        has_connection: false,
        head_length,
    };
    let (mut chunked, mut connection_bytes) = (false, 0);
    for header in response.headers.iter() {
        let known = Known::of(header.name);
        match known {
            Known::ContentLength => {
                let length = parse_length(header.value)?;
                if parsed.length.is_some_and(|first| first != length) {
                    return Err(Malformed::Framing);
                }
                parsed.length = Some(length);
                continue;
            }
            Known::TransferEncoding => {
                if chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
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
                    parsed.keep_alive = false;
                } else if !http11 && has_token(header.value, "keep-alive") {
                    parsed.keep_alive = true;
                }
                if !names_fields(header.value) {
                    continue;
                }
                parsed.has_connection = true;
            }
            _ => {}
        }
        parsed.fields.push_known(Name::Ref(header.name), Value::Ref(header.value), known);
    }
    parsed.framing = match (status, chunked, parsed.length) {
        (100..=199 | 204 | 304, ..) => Framing::None,
        _ if head => Framing::None,
        (_, true, length) => {
            // A length beside chunked is void (RFC 9112 §6.3); the connection is not trusted further.
            parsed.keep_alive &= length.is_none();
            parsed.length = None;
            Framing::Chunked
        }
        (_, false, Some(0)) => Framing::None,
        (_, false, Some(length)) => Framing::Length(length),
        (_, false, None) => Framing::UntilClose,
    };
    parsed.keep_alive &= parsed.framing != Framing::UntilClose;
    Ok(Some(parsed))
}
