//! `compress` on a running proxy.

use crate::support::*;
use baton_routing::config::{Compress, Middleware};
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::channel;

fn world(backend: &Backend) -> World {
    World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "compress", Middleware::Compress(Compress::default()));
        route(config, "app", "app", &["compress"]);
    })
}

fn gunzipped(coded: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(coded).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn large_answers_are_coded_for_those_who_take_it() {
    let backend = Backend::script(|request, stream| {
        let size: usize = request.line().split(' ').nth(1).unwrap()[1..].parse().unwrap();
        reply(stream, "200 OK", &["ETag: \"v1\"", "Content-Type: text/plain"], &vec![b'a'; size])
    });
    let world = world(&backend);
    let answer = world.get("app.test", "/5000", "Accept-Encoding: gzip, deflate, br, zstd\r\n");
    assert_eq!(answer.field("Content-Encoding"), Some("gzip"));
    assert_eq!(answer.field("Vary"), Some("Accept-Encoding"));
    assert_eq!(answer.field("Etag"), Some("W/\"v1\""));
    assert_eq!(answer.field("Content-Length"), None);
    assert_eq!(gunzipped(&answer.body), vec![b'a'; 5000]);
    for (accept, coding) in [("br", "br"), ("gzip;q=0.1, zstd", "zstd")] {
        let answer = world.get("app.test", "/5000", &format!("Accept-Encoding: {accept}\r\n"));
        assert_eq!(answer.field("Content-Encoding"), Some(coding));
        assert!(answer.body.len() < 500);
    }
    let answer = world.get("app.test", "/5000", "");
    assert_eq!((answer.field("Content-Encoding"), answer.field("Etag")), (None, Some("\"v1\"")));
    assert_eq!((answer.field("Vary"), answer.body.len()), (Some("Accept-Encoding"), 5000));
    let answer = world.get("app.test", "/1023", "Accept-Encoding: gzip\r\n");
    assert_eq!((answer.field("Content-Encoding"), answer.field("Vary"), answer.body.len()), (None, None, 1023));
    let head = world.client().send("HEAD /1 HTTP/1.1\r\nHost: app.test\r\nAccept-Encoding: gzip\r\n\r\n").head();
    assert!(!head.contains("Content-Encoding"), "{head}");
}

#[test]
fn a_pausing_sender_is_heard_at_once() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let backend = Backend::script(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").unwrap();
        wait.lock().unwrap().recv().unwrap();
        stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").is_ok()
    });
    let world = world(&backend);
    let mut client = world.client();
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n");
    assert!(client.head().contains("\r\nContent-Encoding: gzip\r\n"));
    // Coded data is here before the sender goes on: that it is readable, the unit tests say.
    let mut chunked = client.exactly(1);
    go.send(()).unwrap();
    chunked.extend(client.rest());
    let mut body = Vec::new();
    let mut rest = &chunked[..];
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    assert_eq!(gunzipped(&body), b"firstsecond");
}
