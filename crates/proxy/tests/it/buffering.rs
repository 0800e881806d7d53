//! `buffering` on a running proxy.

use crate::support::*;
use baton_routing::config::{Buffering, Middleware};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

fn world(backend: &Backend, options: Buffering) -> World {
    World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "buffer", Middleware::Buffering(options));
        route(config, "app", "app", &["buffer"]);
    })
}

#[test]
fn bodies_have_limits_and_arrive_whole() {
    let backend = Backend::script(|request, stream| {
        let answer = [&request.body[..], b"-ok"].concat();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{:x}\r\n", answer.len()).as_bytes()).unwrap();
        stream.write_all(&[&answer[..], b"\r\n0\r\n\r\n"].concat()).is_ok()
    });
    let options = Buffering { max_request_body_bytes: 10, max_response_body_bytes: 12, ..Buffering::default() };
    let world = world(&backend, options);
    let post = |framing: &str, body: &str| {
        world
            .client()
            .send(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{framing}\r\nConnection: close\r\n\r\n{body}"))
            .response()
    };
    let answer = post("Transfer-Encoding: chunked", "4\r\nabcd\r\n5\r\nefghi\r\n0\r\n\r\n");
    assert_eq!((answer.field("Content-Length"), &answer.body[..]), (Some("12"), &b"abcdefghi-ok"[..]));
    assert_eq!(backend.last().field("Content-Length"), Some("9"));
    assert_eq!(post("Content-Length: 10", "abcdefghij").line(), "HTTP/1.1 500 Internal Server Error");
    assert_eq!(backend.last().body, b"abcdefghij");
    assert_eq!(post("Content-Length: 11", "abcdefghijk").line(), "HTTP/1.1 413 Payload Too Large");
    let chunked = post("Transfer-Encoding: chunked", "6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n");
    assert_eq!(chunked.line(), "HTTP/1.1 413 Payload Too Large");
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_request_is_sent_again_while_the_expression_holds() {
    let turn = AtomicUsize::new(0);
    let backend = Backend::script(move |request, stream| match turn.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => reply(stream, "503 Service Unavailable", &[], b"no"),
        _ => reply(stream, "200 OK", &[], &request.body),
    });
    let retry_expression = "ResponseCode() == 503 && Attempts() < 3".to_owned();
    let world = world(&backend, Buffering { retry_expression, ..Buffering::default() });
    let answer = world
        .client()
        .send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        .response();
    assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 200 OK", &b"abc"[..]));
    assert_eq!(backend.count(), 3);
}
