//! HTTP/1.1 without I/O: heads are parsed from and written to byte slices, bodies are unframed in place.
//!
//! Input is whatever the socket delivered, cut anywhere; output is the same for every cut (property-tested).
//! Invariants: a message with two readings (two lengths, length beside chunked, folded fields, two hosts) is refused,
//! never repaired; nothing here allocates per byte of input; no state survives a message.

mod body;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod write;

pub use body::{BodyReader, BodyWriter, Taken, parse_trailers};
pub use request::{ParsedRequest, parse_request, valid_host};
pub use response::{ParsedResponse, parse_response};
pub use write::{ResponseFraming, http_date, reason, write_request, write_response, write_trailers};

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not HTTP/1.x syntax (RFC 9112 §2, §3, §5).
    #[error("malformed message head")]
    Syntax,
    /// Two different ways to find the end of the body (RFC 9112 §6.3).
    #[error("ambiguous message framing")]
    Framing,
    /// No Host, more than one, or one that is not a host (RFC 9112 §3.2).
    #[error("missing or invalid host")]
    Host,
    /// Broken chunk header or trailer (RFC 9112 §7.1).
    #[error("malformed chunk")]
    Chunk,
    /// Head, chunk line or trailer over its limit.
    #[error("message head too large")]
    TooLarge,
    /// An HTTP version this side does not speak.
    #[error("unsupported protocol version")]
    Version,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body at all.
    None,
    /// Exactly so many bytes.
    Length(u64),
    /// Chunked coding.
    Chunked,
    /// Until the peer closes (responses only).
    UntilClose,
}

/// One `Content-Length` value: digits only, no list, no sign, no overflow.
pub(crate) fn parse_length(value: &[u8]) -> Result<u64, Malformed> {
    if value.is_empty() || value.len() > 19 {
        return Err(Malformed::Framing);
    }
    value.iter().try_fold(0u64, |sum, byte| match byte {
        b'0'..=b'9' => Ok(sum * 10 + u64::from(byte - b'0')),
        _ => Err(Malformed::Framing),
    })
}

/// Whether a `Connection` list names fields to drop, beyond options and fields that never pass anyway.
pub(crate) fn names_fields(list: &[u8]) -> bool {
    const USUAL: [&str; 5] = ["keep-alive", "close", "upgrade", "te", ""];
    list.split(|byte| *byte == b',')
        .any(|part| !USUAL.iter().any(|usual| part.trim_ascii().eq_ignore_ascii_case(usual.as_bytes())))
}

/// Whether a head that comes in pieces is worth parsing again: its blank line came behind the first `seen` bytes, or it has
/// more bytes than a head may have. So a head is parsed about once, however small its pieces are.
pub fn may_end_head(input: &[u8], seen: usize, limit: usize) -> bool {
    let fresh = &input[seen.saturating_sub(2).min(input.len())..];
    let mut line_ends = fresh.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| &fresh[at + 1..]);
    input.len() >= limit || line_ends.any(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r\n"))
}

/// Whether a comma-separated list holds `token` (ASCII case-insensitive).
pub fn has_token(list: &[u8], token: &str) -> bool {
    list.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
