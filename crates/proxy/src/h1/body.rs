//! Body framing: [`BodyReader`] removes it in place, [`BodyWriter`] says what to put around each piece.

use super::{Framing, Malformed};
use crate::limits::{CHUNK_LINE_BYTES_MAX, HEADER_FIELDS_MAX, TRAILER_BYTES_MAX};
use crate::message::{Fields, Name, Value};
use bytes::Bytes;

/// What one call of [`BodyReader::take`] found in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Body bytes, moved to the buffer's start.
    pub data: usize,
    /// Input bytes consumed; what follows belongs to the next message.
    pub used: usize,
    /// The body is complete.
    pub done: bool,
}

/// Reads one body.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    trailer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    /// In a chunk-size line: value so far, digits seen, whether an extension began.
    Size {
        value: u64,
        digits: u8,
        extension: bool,
        line: usize,
    },
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    Trailer {
        line: usize,
        cr: bool,
    },
    Done,
}

const SIZE: State = State::Size { value: 0, digits: 0, extension: false, line: 0 };

impl BodyReader {
    /// A reader for a body framed as `framing`.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(bytes) => State::Length(bytes),
            Framing::Chunked => SIZE,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, trailer: Vec::new() }
    }

    /// Whether the whole body was read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the peer may close now without cutting the body short.
    pub fn may_end(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// The raw trailer section, complete once the body is.
    pub fn trailer(&self) -> &[u8] {
        &self.trailer
    }

    /// Takes what belongs to this body from `buf`, moving body bytes to its start.
    pub fn take(&mut self, buf: &mut [u8]) -> Result<Taken, Malformed> {
        match self.state {
            State::Done => Ok(Taken { data: 0, used: 0, done: true }),
            State::UntilClose => Ok(Taken { data: buf.len(), used: buf.len(), done: false }),
            State::Length(left) => {
                let data = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - data as u64;
                self.state = if left == 0 { State::Done } else { State::Length(left) };
                Ok(Taken { data, used: data, done: left == 0 })
            }
            _ => self.take_chunked(buf),
        }
    }

    fn take_chunked(&mut self, buf: &mut [u8]) -> Result<Taken, Malformed> {
        let (mut at, mut data) = (0, 0);
        while at < buf.len() && self.state != State::Done {
            if let State::Data(left) = self.state {
                let piece = (buf.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                if at != data {
                    buf.copy_within(at..at + piece, data);
                }
                at += piece;
                data += piece;
                let left = left - piece as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                continue;
            }
            let byte = buf[at];
            at += 1;
            self.state = self.step(byte)?;
        }
        Ok(Taken { data, used: at, done: self.state == State::Done })
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Size { value, digits, extension, line }, _) => {
                if line >= CHUNK_LINE_BYTES_MAX {
                    return Err(Malformed::TooLarge);
                }
                let line = line + 1;
                match byte {
                    b'\r' if digits > 0 => State::SizeLf(value),
                    b';' if digits > 0 => State::Size { value, digits, extension: true, line },
                    _ if extension && (byte == b'\t' || (byte >= b' ' && byte != 0x7f)) => {
                        State::Size { value, digits, extension, line }
                    }
                    _ if extension => return Err(Malformed::Chunk),
                    _ => {
                        let digit = (byte as char).to_digit(16).ok_or(Malformed::Chunk)?;
                        // 15 digits: the sum of all chunks still fits u64.
                        if digits >= 15 {
                            return Err(Malformed::Chunk);
                        }
                        State::Size { value: value << 4 | u64::from(digit), digits: digits + 1, extension, line }
                    }
                }
            }
            (State::SizeLf(0), b'\n') => State::Trailer { line: 0, cr: false },
            (State::SizeLf(value), b'\n') => State::Data(value),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => SIZE,
            (State::Trailer { line: 0, cr: true }, b'\n') => State::Done,
            (State::Trailer { line: 0, cr: false }, b'\r') => State::Trailer { line: 0, cr: true },
            (State::Trailer { line: 0, cr: true }, _) => return Err(Malformed::Chunk),
            (State::Trailer { line, cr }, _) => {
                if self.trailer.len() >= TRAILER_BYTES_MAX {
                    return Err(Malformed::TooLarge);
                }
                self.trailer.push(byte);
                match (byte, cr) {
                    (b'\n', true) => State::Trailer { line: 0, cr: false },
                    (b'\n', false) | (_, true) => return Err(Malformed::Chunk),
                    (b'\r', false) => State::Trailer { line, cr: true },
                    _ => State::Trailer { line: line + 1, cr: false },
                }
            }
            _ => return Err(Malformed::Chunk),
        })
    }
}

/// Fields of a raw trailer section as kept by [`BodyReader::trailer`].
///
/// Framing, routing and hop-by-hop fields may not travel in trailers (RFC 9110 §6.5.1) and are dropped.
pub fn parse_trailers(raw: &[u8]) -> Result<Fields<'static>, Malformed> {
    let mut fields = Fields::default();
    if raw.is_empty() {
        return Ok(fields);
    }
    let mut section = Vec::with_capacity(raw.len() + 2);
    section.extend_from_slice(raw);
    section.extend_from_slice(b"\r\n");
    let mut slots = [httparse::EMPTY_HEADER; HEADER_FIELDS_MAX];
    let httparse::Status::Complete((_, found)) =
        httparse::parse_headers(&section, &mut slots).map_err(|_| Malformed::Chunk)?
    else {
        return Err(Malformed::Chunk);
    };
    for header in found {
        let name = http::HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| Malformed::Chunk)?;
        let name = Name::Header(name);
        if name.known().allowed_in_trailer() {
            fields.push(name, Value::Shared(Bytes::copy_from_slice(header.value)));
        }
    }
    Ok(fields)
}

/// Frames one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyWriter {
    /// Bytes go out as they are (length known, or ended by close).
    Plain,
    /// Each piece becomes a chunk.
    Chunked,
    /// Pieces are dropped: the message has no body (HEAD, 204, 304).
    Discard,
}

impl BodyWriter {
    /// What stands before a piece of `len` bytes, written into `into`.
    pub fn prefix<'a>(&self, len: usize, into: &'a mut [u8; 18]) -> &'a [u8] {
        if *self != Self::Chunked || len == 0 {
            return b"";
        }
        let mut at = 16;
        let mut rest = len;
        while rest > 0 {
            at -= 1;
            into[at] = b"0123456789abcdef"[rest & 15];
            rest >>= 4;
        }
        into[16] = b'\r';
        into[17] = b'\n';
        &into[at..]
    }

    /// What follows a piece of `len` bytes; `last` ends the body without trailers.
    pub fn suffix(&self, len: usize, last: bool) -> &'static [u8] {
        match (self, len, last) {
            (Self::Chunked, 0, true) => b"0\r\n\r\n",
            (Self::Chunked, 0, false) => b"",
            (Self::Chunked, _, true) => b"\r\n0\r\n\r\n",
            (Self::Chunked, _, false) => b"\r\n",
            _ => b"",
        }
    }
}
