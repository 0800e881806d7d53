//! Heads onto the wire.

use super::Framing;
use crate::message::{Fields, Known, RequestHead, ResponseHead};

/// Writes `name` as Go's canonical form spells it (`abc-DEF` → `Abc-Def`), which backends behind Traefik see.
///
/// `Sec-WebSocket-*` keeps RFC 6455's spelling.
pub(super) fn canonical_name(name: &str, out: &mut Vec<u8>) {
    let name = name.as_bytes();
    let start = out.len();
    out.extend_from_slice(name);
    let written = &mut out[start..];
    let Some(first) = written.first_mut() else { return };
    *first = first.to_ascii_uppercase();
    // Each byte depends on its neighbour in the input, not on the one written before it: the loop runs in lanes.
    for ((to, from), before) in written[1..].iter_mut().zip(&name[1..]).zip(name) {
        *to = if *before == b'-' { from.to_ascii_uppercase() } else { from.to_ascii_lowercase() };
    }
    if written.len() > 14 && written.starts_with(b"Sec-Websocket-") {
        written[7] = b'S';
    }
}

/// Writes fields, but for those that the writer of a head says itself: no middleware makes a message with two readings.
fn write_fields(fields: &Fields<'_>, out: &mut Vec<u8>) {
    for field in fields.iter() {
        if matches!(field.known, Known::Host | Known::ContentLength | Known::TransferEncoding | Known::Connection) {
            continue;
        }
        match field.known.spelling() {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => canonical_name(field.name.as_str(), out),
        }
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes a request head for an upstream server. `target` is the request target, `host` the `Host` field, which may differ
/// from the head's.
///
/// `fields` must be free of connection-level fields; this adds the framing and, for an upgrade, `Connection` and `Upgrade`.
pub fn write_request(
    head: &RequestHead<'_>,
    target: &str,
    host: &str,
    framing: Framing,
    upgrade: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    if let Some(query) = &head.query {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"\r\n");
    write_fields(&head.fields, out);
    match framing {
        Framing::Length(bytes) => write_length(bytes, out),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        // A length is expected with methods that define a body (RFC 9110 §8.6).
        Framing::None if matches!(&*head.method, "POST" | "PUT" | "PATCH") => write_length(0, out),
        Framing::None | Framing::UntilClose => {}
    }
    if let Some(protocol) = upgrade {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        out.extend_from_slice(protocol);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// How a response is framed for an HTTP/1 client.
#[derive(Debug, Clone, Copy)]
pub struct ResponseFraming {
    /// Length field to write.
    pub length: Option<u64>,
    /// Whether the body is sent in chunks.
    pub chunked: bool,
    /// `Connection` field to write: `close`, `keep-alive` (1.0 clients) or none.
    pub connection: Option<&'static str>,
}

/// Writes a response head for a client. `date` is added when the response has none.
pub fn write_response(head: &ResponseHead<'_>, framing: ResponseFraming, date: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    let status = head.status;
    out.extend_from_slice(&[
        b'0' + (status / 100) as u8,
        b'0' + (status / 10 % 10) as u8,
        b'0' + (status % 10) as u8,
        b' ',
    ]);
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    write_fields(&head.fields, out);
    if let Some(date) = date {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(length) = framing.length {
        write_length(length, out);
    }
    if framing.chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if let Some(connection) = framing.connection {
        out.extend_from_slice(b"Connection: ");
        out.extend_from_slice(connection.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a chunked body with its trailers.
pub fn write_trailers(fields: &Fields<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    write_fields(fields, out);
    out.extend_from_slice(b"\r\n");
}

fn write_length(mut bytes: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (bytes % 10) as u8;
        bytes /= 10;
        if bytes == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// The reason phrase of a status code; codes without one get none.
pub fn reason(status: u16) -> &'static str {
    match http::StatusCode::from_u16(status) {
        Ok(code) => code.canonical_reason().unwrap_or(""),
        Err(_) => "",
    }
}

/// `seconds` since the Unix epoch as an IMF-fixdate (RFC 9110 §5.6.7).
pub fn http_date(seconds: u64) -> [u8; 29] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let days = seconds / 86_400;
    // Days since 0000-03-01, counted in eras of 400 years, so that leap days end each year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 2 } else { month_index - 10 };
    let year = era * 400 + year_of_era + u64::from(month < 2);

    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let two = |value: u64| [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8];
    date[0..3].copy_from_slice(DAYS[(days % 7) as usize]);
    date[5..7].copy_from_slice(&two(day));
    date[8..11].copy_from_slice(MONTHS[month as usize]);
    date[12..14].copy_from_slice(&two(year / 100));
    date[14..16].copy_from_slice(&two(year % 100));
    date[17..19].copy_from_slice(&two(seconds / 3_600 % 24));
    date[20..22].copy_from_slice(&two(seconds / 60 % 60));
    date[23..25].copy_from_slice(&two(seconds % 60));
    date
}
