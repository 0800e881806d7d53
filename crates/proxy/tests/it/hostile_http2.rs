//! HTTP/2 clients that mean harm: frames by hand where a library would not send them.

use crate::support::*;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection of raw frames.
struct Raw(TcpStream);

/// A frame as it came.
#[derive(Debug)]
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Raw {
    fn connect(world: &World) -> Self {
        let stream = TcpStream::connect(world.address("web")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut raw = Self(stream);
        raw.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        raw.send(SETTINGS, 0, 0, b"");
        raw
    }

    fn try_send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame)
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_send(kind, flags, stream, payload).unwrap();
    }

    /// The next frame; `None` at the end.
    fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        if let Err(error) = self.0.read_exact(&mut head) {
            assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "nothing comes");
            return None;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], stream, payload })
    }

    /// How a stream or the connection ends: the status, or what kind of frame ended it.
    fn outcome(&mut self, stream: u32) -> Outcome {
        loop {
            match self.frame() {
                Some(Frame { kind: HEADERS, stream: of, payload, .. }) if of == stream => {
                    return Outcome::Status(status(&payload));
                }
                Some(Frame { kind: RST_STREAM, stream: of, .. }) if of == stream => return Outcome::Reset,
                Some(Frame { kind: GOAWAY, payload, .. }) if payload[4..8] != [0; 4] => return Outcome::Gone,
                Some(_) => {}
                None => return Outcome::Gone,
            }
        }
    }
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Outcome {
    Status(u16),
    Reset,
    Gone,
}

/// The status at the start of a header block, where it stands in the static table (RFC 7541 appendix A).
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8a, ..] => 206,
        [0x8b, ..] => 304,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        // A literal: some other status, none that says yes.
        _ => 999,
    }
}

/// A header block of literals without indexing.
fn block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    let text = |text: &[u8], block: &mut Vec<u8>| {
        match text.len() {
            short @ 0..=126 => block.push(short as u8),
            long => {
                block.push(127);
                let mut rest = long - 127;
                while rest >= 128 {
                    block.push((rest % 128) as u8 | 0x80);
                    rest /= 128;
                }
                block.push(rest as u8);
            }
        }
        block.extend_from_slice(text);
    };
    for (name, value) in fields {
        block.push(0);
        text(name.as_bytes(), &mut block);
        text(value, &mut block);
    }
    block
}

const GET: [(&str, &[u8]); 4] =
    [(":method", b"GET"), (":scheme", b"http"), (":path", b"/"), (":authority", b"app.test")];

/// GET with some pseudo fields replaced (or left out) and further fields.
fn request<'a>(replace: &[(&'a str, Option<&'a [u8]>)], more: &[(&'a str, &'a [u8])]) -> Vec<u8> {
    let mut fields: Vec<(&str, &[u8])> = GET.to_vec();
    for (name, value) in replace {
        match value {
            Some(value) => fields.iter_mut().filter(|(known, _)| known == name).for_each(|(_, old)| *old = value),
            None => fields.retain(|(known, _)| known != name),
        }
    }
    fields.extend_from_slice(more);
    block(&fields)
}

#[test]
fn heads_with_two_readings_never_reach_a_server() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let no_authority = [(":authority", None)];
    let heads = [
        ("user information", request(&[(":authority", Some(b"evil@app.test"))], &[])),
        ("host with a space", request(&no_authority, &[("host", b"app.test x")])),
        ("host with a slash", request(&no_authority, &[("host", b"app.test/x")])),
        ("no host at all", request(&no_authority, &[])),
        ("two hosts", request(&[], &[("host", b"other.test")])),
        ("two host fields", request(&no_authority, &[("host", b"app.test"), ("host", b"other.test")])),
        ("path without slash", request(&[(":path", Some(b"x"))], &[])),
        ("absolute path", request(&[(":path", Some(b"http://other.test/"))], &[])),
        ("empty path", request(&[(":path", Some(b""))], &[])),
        ("path with a space", request(&[(":path", Some(b"/ HTTP/1.1"))], &[])),
        ("path with a line end", request(&[(":path", Some(b"/\r\nX: y"))], &[])),
        ("method with a space", request(&[(":method", Some(b"GET / HTTP/1.1\r\n"))], &[])),
        ("connect", request(&[(":method", Some(b"CONNECT")), (":path", None), (":scheme", None)], &[])),
        ("asterisk", request(&[(":path", Some(b"*"))], &[])),
        ("value with a line end", request(&[], &[("x", b"a\r\nTransfer-Encoding: chunked")])),
        ("value with NUL", request(&[], &[("x", b"a\0b")])),
        ("name in upper case", request(&[], &[("X", b"y")])),
        ("name with a colon", request(&[], &[("x:y", b"z")])),
        ("name with a line end", request(&[], &[("x\r\ny", b"z")])),
        ("coding", request(&[], &[("transfer-encoding", b"chunked")])),
        ("connection", request(&[], &[("connection", b"keep-alive")])),
        ("upgrade", request(&[], &[("upgrade", b"websocket")])),
        ("te", request(&[], &[("te", b"gzip")])),
        ("late pseudo field", request(&[], &[("x", b"y"), (":path", b"/z")])),
        ("unknown pseudo field", request(&[], &[(":other", b"y")])),
        ("pseudo field of an answer", request(&[], &[(":status", b"200")])),
        ("two lengths", request(&[], &[("content-length", b"3"), ("content-length", b"4")])),
        ("a length that is none", request(&[], &[("content-length", b"x")])),
        ("a length without a body", request(&[], &[("content-length", b"3")])),
        ("thousands of fields", request(&[], &vec![("x", &b"y"[..]); 3000])),
    ];
    for (what, head) in heads {
        let mut raw = Raw::connect(&world);
        let (first, rest) = head.split_at(head.len().min(16_000));
        raw.send(HEADERS, END_STREAM | if rest.is_empty() { END_HEADERS } else { 0 }, 1, first);
        if !rest.is_empty() {
            raw.send(CONTINUATION, END_HEADERS, 1, rest);
        }
        let outcome = raw.outcome(1);
        assert!(!matches!(outcome, Outcome::Status(200..=399)), "{what}: {outcome:?}");
        assert_eq!(backend.count(), 0, "{what}");
    }
    let mut raw = Raw::connect(&world);
    raw.send(HEADERS, END_STREAM | END_HEADERS, 1, &request(&[], &[("te", b"trailers"), ("host", b"app.test")]));
    assert_eq!(raw.outcome(1), Outcome::Status(200));
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_is_no_request() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let smuggled = b"abcGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
    for (length, body) in [(&b"3"[..], &smuggled[..]), (b"5", b"abc"), (b"100", smuggled)] {
        let mut raw = Raw::connect(&world);
        raw.send(HEADERS, END_HEADERS, 1, &request(&[(":method", Some(b"POST"))], &[("content-length", length)]));
        raw.send(DATA, END_STREAM, 1, body);
        let outcome = raw.outcome(1);
        assert!(!matches!(outcome, Outcome::Status(200..=399)), "{outcome:?}");
    }
    assert!(!backend.requests.lock().unwrap().iter().any(|request| request.line().contains("smuggled")));
}

#[test]
fn trailers_carry_no_framing() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let mut raw = Raw::connect(&world);
    raw.send(HEADERS, END_HEADERS, 1, &request(&[(":method", Some(b"POST"))], &[]));
    raw.send(DATA, 0, 1, b"abc");
    let trailers: [(&str, &[u8]); 4] =
        [("x-sum", b"1"), ("content-length", b"9"), ("host", b"other.test"), ("x-forwarded-for", b"10.0.0.1")];
    raw.send(HEADERS, END_STREAM | END_HEADERS, 1, &block(&trailers));
    assert_eq!(raw.outcome(1), Outcome::Status(200));
    let request = backend.last();
    assert_eq!((&request.body[..], &request.trailers[..]), (&b"abc"[..], "X-Sum: 1\r\n\r\n"));
}

#[test]
fn a_body_that_never_comes_is_given_up() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        route(config, "app", "app", &[]);
        entry_point(config).transport.responding_timeouts.read_timeout = Duration::from_millis(300).into();
    });
    let mut raw = Raw::connect(&world);
    raw.send(HEADERS, END_HEADERS, 1, &request(&[(":method", Some(b"POST"))], &[]));
    raw.send(DATA, 0, 1, b"abc");
    assert!(!matches!(raw.outcome(1), Outcome::Status(200..=399)));
    assert_eq!(backend.count(), 0);
}

/// Sends until the proxy closes or takes no more; others are served meanwhile.
fn flood(world: &World, mut send: impl FnMut(&mut Raw, u32) -> std::io::Result<()>) {
    let mut raw = Raw::connect(world);
    raw.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let since = Instant::now();
    for turn in 0..50_000 {
        if send(&mut raw, turn).is_err() || since.elapsed() > Duration::from_secs(1) {
            break;
        }
        if turn % 10_000 == 5_000 {
            assert_eq!(world.get("app.test", "/", "").body, b"app");
        }
    }
    assert_eq!(world.get("app.test", "/", "").body, b"app");
}

#[test]
fn floods_do_not_stop_others() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let get = request(&[], &[]);
    flood(&world, |raw, turn| {
        raw.try_send(HEADERS, END_STREAM | END_HEADERS, 2 * turn + 1, &get)?;
        raw.try_send(RST_STREAM, 0, 2 * turn + 1, &8u32.to_be_bytes())
    });
    flood(&world, |raw, _| raw.try_send(PING, 0, 0, b"12345678"));
    flood(&world, |raw, _| raw.try_send(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]));
    flood(&world, |raw, turn| {
        raw.try_send(if turn == 0 { HEADERS } else { CONTINUATION }, 0, 1, &block(&[("x", b"y")]))
    });
    flood(&world, |raw, turn| {
        if turn == 0 {
            raw.try_send(HEADERS, END_HEADERS, 1, &request(&[(":method", Some(b"POST"))], &[]))
        } else {
            raw.try_send(DATA, 0, 1, b"")
        }
    });
    flood(&world, |raw, _| raw.try_send(8, 0, 0, &1u32.to_be_bytes()));
}

#[test]
fn a_header_table_is_no_bomb() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let mut raw = Raw::connect(&world);
    // One large field is put into the table, then named again and again: each mention is one byte.
    let mut head = request(&[], &[]);
    head.extend([0x40, 1, b'x', 0x7f, 0x80 | 0x01, 0x1e]);
    head.extend(vec![b'y'; 127 + 1 + 30 * 128]);
    head.extend(vec![0x80 | 62; 12_000]);
    raw.send(HEADERS, END_STREAM | END_HEADERS, 1, &head);
    let outcome = raw.outcome(1);
    assert!(!matches!(outcome, Outcome::Status(200..=399)), "{outcome:?}");
    assert_eq!(backend.count(), 0);
    assert_eq!(world.get("app.test", "/", "").body, b"app");
}

#[test]
fn a_client_that_opens_no_window_is_let_go_and_one_that_waits_is_not() {
    const LIMIT: Duration = Duration::from_millis(300);
    let backend = Backend::script(|request, stream| {
        if request.line().contains("/late") {
            std::thread::sleep(3 * LIMIT);
        }
        reply(stream, "200 OK", &[], &vec![b'x'; if request.line().contains("/large") { 1 << 20 } else { 1 }])
    });
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        route(config, "app", "app", &[]);
        entry_point(config).transport.responding_timeouts.write_timeout = LIMIT.into();
    });
    let mut patient = Raw::connect(&world);
    let head = request(&[(":path", Some(b"/late"))], &[]);
    patient.send(HEADERS, END_STREAM | END_HEADERS, 1, &head);
    assert_eq!(patient.outcome(1), Outcome::Status(200));

    // A window of nothing, from the start: even one byte waits.
    let mut closed = Raw::connect(&world);
    closed.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    closed.send(HEADERS, END_STREAM | END_HEADERS, 1, &request(&[], &[]));
    while let Some(frame) = closed.frame() {
        assert_ne!(frame.kind, DATA);
    }

    let mut greedy = Raw::connect(&world);
    greedy.send(HEADERS, END_STREAM | END_HEADERS, 1, &request(&[(":path", Some(b"/large"))], &[]));
    let began = Instant::now();
    let mut bytes = 0;
    while let Some(frame) = greedy.frame() {
        if frame.kind == DATA {
            bytes += frame.payload.len();
        }
    }
    assert_eq!(bytes, 65_535, "the window that a connection begins with");
    assert!(began.elapsed() >= LIMIT);
}
