//! The codec on hostile and oddly cut input.

use super::*;
use crate::message::Version;
use proptest::prelude::*;

const LIMIT: usize = 64 * 1024;

fn request(text: &str) -> Result<Option<ParsedRequest<'_>>, Malformed> {
    parse_request(text.as_bytes(), LIMIT)
}

#[test]
fn a_request_with_two_readings_is_refused() {
    for (fields, error) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Malformed::Framing),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", Malformed::Framing),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", Malformed::Framing),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", Malformed::Framing),
        ("Content-Length: 3, 3\r\n", Malformed::Framing),
        ("Content-Length: +3\r\n", Malformed::Framing),
        ("Content-Length: -1\r\n", Malformed::Framing),
        ("Content-Length: 0x3\r\n", Malformed::Framing),
        ("Content-Length: 99999999999999999999\r\n", Malformed::Framing),
        ("Content-Length:\r\n", Malformed::Framing),
        ("Transfer-Encoding: identity\r\n", Malformed::Framing),
        ("Transfer-Encoding: gzip, chunked\r\n", Malformed::Framing),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Malformed::Framing),
        ("Transfer-Encoding: xchunked\r\n", Malformed::Framing),
        ("Transfer-Encoding : chunked\r\n", Malformed::Syntax),
        ("X: a\r\n b\r\n", Malformed::Syntax),
        ("Host: other\r\n", Malformed::Host),
        ("X\x00: a\r\n", Malformed::Syntax),
        ("X: a\x00b\r\n", Malformed::Syntax),
    ] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(request(&text).unwrap_err(), error, "{fields:?}");
    }
    assert_eq!(request("GET / HTTP/1.1\r\n\r\n").unwrap_err(), Malformed::Host);
    assert_eq!(request("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n").unwrap_err(), Malformed::Host);
    assert_eq!(request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap_err(), Malformed::Framing);
}

#[test]
fn flags_of_a_request_head() {
    let parsed =
        request("GET /x HTTP/1.1\r\nHost: a:1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap().unwrap();
    assert!(parsed.upgrade && parsed.keep_alive);
    assert_eq!(parsed.host, Some("a:1"));
    let old = request("GET / HTTP/1.0\r\n\r\n").unwrap().unwrap();
    assert_eq!((old.version, old.keep_alive, old.host), (Version::Http10, false, None));
    assert!(request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap().unwrap().keep_alive);
    let te = request("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n").unwrap().unwrap();
    assert!(!te.te_trailers);
    assert!(request("GET / HTTP/1.1\r\nHost: a\r\n").unwrap().is_none());
    let listed =
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", format!("Connection: {}\r\n", "x,".repeat(1000)).repeat(3));
    assert_eq!(request(&listed).unwrap_err(), Malformed::TooLarge);
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(LIMIT));
    assert_eq!(request(&large).unwrap_err(), Malformed::TooLarge);
}

#[test]
fn framing_of_responses() {
    let framing = |text: &str, head| parse_response(text.as_bytes(), head).unwrap().unwrap().framing;
    assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false), Framing::Length(5));
    assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), Framing::None);
    assert_eq!(framing("HTTP/1.1 204 No Content\r\n\r\n", false), Framing::None);
    assert_eq!(framing("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false), Framing::None);
    assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n", false), Framing::UntilClose);
    assert_eq!(
        framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", false),
        Framing::Chunked
    );
    assert!(parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", false).is_err());
    assert!(parse_response(b"garbage\r\n\r\n", false).is_err());
    assert!(parse_response(b"HTTP/1.1 099 No\r\n\r\n", false).is_err());
}

#[test]
fn broken_chunks_are_refused() {
    for text in [
        "x\r\n",
        "\r\n",
        "1\nab",
        "1\r\nabc\r\n",
        "ffffffffffffffffff\r\n",
        "1 \r\na\r\n",
        "-1\r\n",
        "1;a\x01\r\na\r\n",
        "0\r\nA: b\nC: d\r\n\r\n",
    ] {
        let mut reader = BodyReader::new(Framing::Chunked);
        assert!(reader.take(&mut text.as_bytes().to_vec()).is_err(), "{text:?}");
    }
}

#[test]
fn names_and_dates_on_the_wire() {
    let mut head = crate::message::ResponseHead { status: 200, fields: Default::default() };
    for name in ["abc-DEF", "X_Auth", "sec-websocket-key", "etag"] {
        head.fields.push(crate::message::Name::Ref(name), "v");
    }
    let mut out = Vec::new();
    write_response(&head, ResponseFraming { length: Some(0), chunked: false, connection: None }, None, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\nAbc-Def: v\r\nX_auth: v\r\nSec-WebSocket-Key: v\r\nEtag: v\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(&http_date(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(&http_date(1_709_210_096), b"Thu, 29 Feb 2024 12:34:56 GMT");
    assert_eq!(&http_date(1_767_225_599), b"Wed, 31 Dec 2025 23:59:59 GMT");
}

/// Body, trailer section, and what follows.
type Unframed = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Unframes `wire` in pieces cut at `cuts`.
fn unframe(framing: Framing, wire: &[u8], cuts: &[usize]) -> Result<Unframed, Malformed> {
    let mut reader = BodyReader::new(framing);
    let (mut body, mut rest, mut start) = (Vec::new(), Vec::new(), 0);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
    ends.push(wire.len());
    ends.sort_unstable();
    for end in ends {
        let mut piece = wire[start..end].to_vec();
        let taken = reader.take(&mut piece)?;
        body.extend_from_slice(&piece[..taken.data]);
        rest.extend_from_slice(&wire[start + taken.used..end]);
        start = end;
    }
    Ok((body, reader.trailer().to_vec(), rest))
}

proptest! {
    #[test]
    fn framed_bodies_come_back_whatever_the_cuts(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        trailer in any::<bool>(),
    ) {
        let mut wire = Vec::new();
        for piece in &pieces {
            let mut number = [0; 18];
            wire.extend_from_slice(BodyWriter::Chunked.prefix(piece.len(), &mut number));
            wire.extend_from_slice(piece);
            wire.extend_from_slice(BodyWriter::Chunked.suffix(piece.len(), false));
        }
        wire.extend_from_slice(if trailer { b"0\r\nX-Sum: 1\r\n\r\n" } else { b"0\r\n\r\n" });
        wire.extend_from_slice(b"GET /next");
        let (body, trailers, rest) = unframe(Framing::Chunked, &wire, &cuts).unwrap();
        prop_assert_eq!(body, pieces.concat());
        prop_assert_eq!(trailers.as_slice(), if trailer { &b"X-Sum: 1\r\n"[..] } else { b"" });
        prop_assert_eq!(rest.as_slice(), b"GET /next");
        let fields = parse_trailers(&trailers).unwrap();
        prop_assert_eq!(fields.get("x-sum").is_some(), trailer);
    }

    #[test]
    fn any_chunked_input_reads_the_same_however_it_is_cut(wire in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'3'), Just(b';'), any::<u8>()], 0..200), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        prop_assert_eq!(unframe(Framing::Chunked, &wire, &[]), unframe(Framing::Chunked, &wire, &cuts));
    }

    #[test]
    fn heads_are_refused_or_read_but_never_panic(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_request(&input, LIMIT);
        let _ = parse_response(&input, false);
    }

    #[test]
    fn a_head_needs_all_of_its_bytes(value in "[ -~]{0,60}", cut in 1usize..200) {
        let text = format!("GET /a?b HTTP/1.1\r\nHost: h\r\nX-Value: {value}\r\nContent-Length: 7\r\n\r\n");
        let whole = request(&text).unwrap().unwrap();
        prop_assert_eq!(whole.length, text.len());
        prop_assert_eq!(whole.framing, Framing::Length(7));
        if cut < text.len() {
            prop_assert!(request(&text[..cut]).unwrap().is_none());
        }
    }
}
