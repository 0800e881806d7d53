//! HTTP/1.1: heads, bodies, targets.

use baton_proxy::h1::{
    BodyReader, Framing, Malformed, ResponseFraming, may_end_head, parse_request, parse_response, parse_trailers,
    write_request, write_response,
};
use baton_proxy::message::{Known, RequestHead, ResponseHead};
use baton_proxy::normalize::{PathRules, port_of, routing_host, routing_path, without_port};
use std::borrow::Cow;

use crate::Target;

const HEAD_BYTES: usize = 16 * 1024;

const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    " ",
    ":",
    ",",
    "\0",
    "\t",
    "\x0b",
    "Host: ",
    "Content-Length: ",
    "Transfer-Encoding: ",
    "chunked",
    "identity",
    "Connection: ",
    "close",
    "Upgrade: ",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "GET ",
    "POST ",
    "* ",
    "http://a.test/",
    "Expect: 100-continue\r\n",
    "TE: trailers\r\n",
    "0",
    "5",
    "18446744073709551616",
    "X-Forwarded-For: ",
    "X_Forwarded_For: 1\r\n",
    "[::1]:80",
    "é",
    "\u{80}",
];

pub(crate) const REQUEST: Target = Target {
    name: "h1_request",
    run: request,
    seeds: &[
        "GET /x?y=z HTTP/1.1\r\nHost: a.test:80\r\nUser-Agent: me\r\nAccept: */*\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
        "PUT http://a.test/p HTTP/1.1\r\nHost: b.test\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, X-A\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\n\r\nOPTIONS * HTTP/1.1\nHost:a\nCookie: a=b; c=d\n\n",
    ],
    words: WORDS,
};

/// What is passed on is one request, and the same one.
fn request(input: &[u8]) {
    let whole = parse_request(input, HEAD_BYTES);
    let Ok(Some(parsed)) = whole else { return };
    assert!(may_end_head(input, parsed.length.saturating_sub(1), HEAD_BYTES), "a whole head looks unfinished");
    for cut in [parsed.length / 3, parsed.length / 2, parsed.length - 1] {
        // A prefix may be refused, never be another request.
        assert!(!matches!(parse_request(&input[..cut], HEAD_BYTES), Ok(Some(_))), "a part of a head is a head");
    }
    let Some(host) = parsed.host.filter(|host| !host.is_empty()) else { return };
    let (path, query) =
        parsed.target.split_once('?').map_or((parsed.target, None), |(path, query)| (path, Some(query)));
    if !path.starts_with('/') || query.is_some_and(|query| query.contains('#')) {
        return;
    }
    let rules = PathRules::new(true, false, None);
    let Some(path) = rules.clean(path) else { return };
    let head = RequestHead {
        method: Cow::Borrowed(parsed.method),
        path,
        query: query.map(|query| rules.query(query)),
        host: Cow::Borrowed(host),
        version: parsed.version,
        fields: parsed.fields,
    };
    let mut wire = Vec::new();
    write_request(&head, &head.path, host, parsed.framing, None, &mut wire);
    let again = parse_request(&wire, usize::MAX).expect("what is written reads").expect("what is written is whole");
    assert_eq!(again.length, wire.len(), "there is something behind the head");
    assert_eq!((again.method, again.host, again.framing), (parsed.method, parsed.host, parsed.framing));
    assert_eq!(again.target, head.target());
    let passing = |known| !matches!(known, Known::Connection | Known::ContentLength | Known::TransferEncoding);
    let sent: Vec<_> = head.fields.iter().filter(|field| passing(field.known)).collect();
    let got: Vec<_> = again.fields.iter().filter(|field| passing(field.known)).collect();
    assert_eq!(sent.len(), got.len());
    for (sent, got) in sent.iter().zip(got) {
        assert!(sent.name.as_str().eq_ignore_ascii_case(got.name.as_str()));
        assert_eq!(sent.value.as_bytes(), got.value.as_bytes());
    }
}

pub(crate) const RESPONSE: Target = Target {
    name: "h1_response",
    run: response,
    seeds: &[
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nabc",
        "HTTP/1.1 204 No Content\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\n",
        "HTTP/1.0 302 \r\nLocation: /x\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
        "HTTP/1.1 200\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: \"x\"\r\n\r\n",
    ],
    words: WORDS,
};

/// What is passed on is one response, and the same one.
fn response(input: &[u8]) {
    for is_head in [false, true] {
        let Ok(Some(parsed)) = parse_response(input, is_head) else { continue };
        assert!(may_end_head(input, parsed.head_length.saturating_sub(1), usize::MAX));
        assert!((100..=999).contains(&parsed.status));
        let head = ResponseHead { status: parsed.status, fields: parsed.fields };
        let mut wire = Vec::new();
        let (length, chunked) = match parsed.framing {
            Framing::Length(bytes) => (Some(bytes), false),
            Framing::None => (None, false),
            Framing::Chunked | Framing::UntilClose => (None, true),
        };
        write_response(&head, ResponseFraming { length, chunked, connection: None }, None, &mut wire);
        let again = parse_response(&wire, is_head).expect("what is written reads").expect("what is written is whole");
        assert_eq!((again.head_length, again.status), (wire.len(), parsed.status));
        let framing = if chunked { Framing::Chunked } else { parsed.framing };
        assert!(parsed.framing == Framing::None || again.framing == framing, "{:?} {:?}", again.framing, framing);
    }
}

pub(crate) const CHUNKED: Target = Target {
    name: "h1_chunked",
    run: chunked,
    seeds: &[
        "\x033\r\nabc\r\n0\r\n\r\nGET /",
        "\x01a;x=y\r\n0123456789\r\n00\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n",
        "\x70000000000000003\r\nabc\r\n0\r\n\r\n",
        "\x02ffffffffffffff\r\nabc",
    ],
    words: &[
        "\r\n",
        "\n",
        "\r",
        "0",
        "1",
        "f",
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        ";",
        "\"",
        " ",
        "\0",
        "X: y\r\n",
        "Host: a\r\n",
        "abc",
    ],
};

/// The body is the same however it is cut, and shorter than what came.
fn chunked(input: &[u8]) {
    let Some((first, wire)) = input.split_first() else { return };
    let whole = unframe(wire, wire.len().max(1));
    let pieces = unframe(wire, usize::from(*first).max(1));
    assert_eq!(whole, pieces, "cut into pieces of {first}");
    if let Ok((body, trailer, used)) = whole {
        assert!(body.len() + trailer.len() <= used && used <= wire.len());
        if let Ok(fields) = parse_trailers(&trailer) {
            assert!(fields.iter().all(|field| !matches!(field.known, Known::ContentLength | Known::Host)));
        }
    }
}

/// Body, trailer section and length of the input used.
fn unframe(wire: &[u8], size: usize) -> Result<(Vec<u8>, Vec<u8>, usize), Malformed> {
    let mut reader = BodyReader::new(Framing::Chunked);
    let (mut body, mut used) = (Vec::new(), 0);
    for piece in wire.chunks(size) {
        let mut piece = piece.to_vec();
        let taken = reader.take(&mut piece)?;
        body.extend_from_slice(&piece[..taken.data]);
        used += taken.used;
    }
    Ok((body, reader.trailer().to_vec(), used))
}

pub(crate) const PATH: Target = Target {
    name: "path",
    run: path,
    seeds: &["/a/b/../c//d/./e?x=y", "/%2e%2E/%41%2f%zz", "/..%2f..;/x", "a.test:80", "[::1]:443", "/"],
    words: &["/", "..", ".", "//", "%2e", "%2F", "%", "%00", "%25", "#", ";", "\\", ":", "[", "]", "?", "é", "*"],
};

/// A cleaned path has nothing left to clean, and nothing that leads up.
fn path(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let host = routing_host(text);
    assert!(without_port(text).len() <= text.len() && host.len() <= text.len());
    assert!(port_of(text).is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit())));
    if !text.starts_with('/') || text.contains('?') {
        return;
    }
    let rules = PathRules::new(true, false, None);
    let Some(clean) = rules.clean(text) else { return };
    assert!(clean.starts_with('/') && !clean.contains("//"), "{clean}");
    assert!(!clean.split('/').any(|segment| matches!(segment, "." | "..")), "{clean}");
    assert_eq!(rules.clean(&clean).as_deref(), Some(&*clean), "cleaned twice");
    assert!(routing_path(&clean).starts_with('/'));
}
