//! Middlewares that look at what bodies hold: `contentType` and `grpcWeb`.

use crate::support::*;
use baton_routing::config::{ContentType, GrpcWeb, Middleware};

#[test]
fn answers_without_a_type_get_one() {
    let backend = Backend::script(|request, stream| match request.line() {
        line if line.contains("/typed") => reply(stream, "200 OK", &["Content-Type: x/y"], b"<html>"),
        line if line.contains("/coded") => reply(stream, "200 OK", &["Content-Encoding: gzip"], b"<html>"),
        line if line.contains("/none") => reply(stream, "204 No Content", &[], b""),
        _ => reply(stream, "200 OK", &[], b"  <html> and more"),
    });
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "on", Middleware::ContentType(ContentType::default()));
        middleware(config, "off", Middleware::ContentType(ContentType { auto_detect: Some(false) }));
        route(config, "on", "app", &["on"]);
        route(config, "off", "app", &["off"]);
        route(config, "bare", "app", &[]);
    });
    let answer = world.get("on.test", "/", "");
    assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.body, b"  <html> and more");
    assert_eq!(world.get("on.test", "/typed", "").field("Content-Type"), Some("x/y"));
    for (host, path) in [("on.test", "/coded"), ("on.test", "/none"), ("off.test", "/"), ("bare.test", "/")] {
        let answer = world.get(host, path, "");
        assert!(!answer.head.to_lowercase().contains("content-type"), "{host}{path}: {}", answer.head);
    }
}

/// A gRPC call's answer: one message, trailers.
fn grpc() -> Backend {
    Backend::script(|request, stream| {
        use std::io::Write;
        let kind = request.field("Content-Type").unwrap_or("none").to_owned();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}+proto\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\nGrpc-Status: 0\r\n\r\n",
            body.len()
        )
        .is_ok()
    })
}

#[test]
fn calls_of_browsers_reach_grpc_servers() {
    let backend = grpc();
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "web", Middleware::GrpcWeb(GrpcWeb { allow_origins: vec!["https://a.test".into()] }));
        route(config, "app", "app", &["web"]);
    });
    let call = |kind: &str, origin: &str, body: &str| {
        let length = body.len();
        world
            .client()
            .send(format!(
                "POST /s/M HTTP/1.1\r\nHost: app.test\r\nContent-Type: {kind}\r\nOrigin: {origin}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ))
            .response()
    };
    let trailers = b"\x80\x00\x00\x00\x10grpc-status: 0\r\n";
    let answer = call("application/grpc-web+proto", "https://a.test", "hello");
    assert_eq!(answer.field("Content-Type"), Some("application/grpc-web+proto+proto"));
    assert_eq!(answer.body, [&b"hello"[..], trailers].concat());
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("https://a.test"));
    let exposed = answer.field("Access-Control-Expose-Headers").unwrap();
    assert!(exposed.ends_with("grpc-status, grpc-message"), "{exposed}");
    let request = backend.last();
    assert_eq!(
        (request.field("Content-Type"), request.field("Te")),
        (Some("application/grpc+proto"), Some("trailers"))
    );
    // Text goes and comes in base64, each piece for itself.
    let answer = call("application/grpc-web-text", "https://b.test", "aGU=bGxv");
    assert_eq!(answer.body, b"aGVsbG8=gAAAABBncnBjLXN0YXR1czogMA0K");
    assert_eq!(answer.field("Access-Control-Allow-Origin"), None);
    assert_eq!(backend.last().body, b"hello");
    // What is no such call passes as it is.
    assert_eq!(call("text/plain", "https://a.test", "x").field("Content-Type"), Some("text/plain+proto"));
    let preflight = |origin: &str| {
        world
            .client()
            .send(format!(
                "OPTIONS /s/M HTTP/1.1\r\nHost: app.test\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-grpc-web, content-type\r\nConnection: close\r\n\r\n"
            ))
            .response()
    };
    let allowed = preflight("https://a.test");
    assert_eq!(allowed.line(), "HTTP/1.1 204 No Content");
    assert_eq!(allowed.field("Access-Control-Allow-Headers"), Some("x-grpc-web, content-type"));
    assert_eq!(preflight("https://b.test").field("Access-Control-Allow-Headers"), None);
}
