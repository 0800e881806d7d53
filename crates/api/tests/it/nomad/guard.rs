//! Who may ask, and what.

use std::net::SocketAddr;

use axum::http::{Method, StatusCode};
use baton_api::guard::{Access, Secret};
use baton_store::MemoryStore;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{World, service};

fn job() -> String {
    json!({ "Job": service("web", 1, "serve") }).to_string()
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused() {
    let world = World::new().await;
    for host in ["evil.example.org", "evil.example.org:4646", "127.0.0.1.evil.org"] {
        let reply = world.send(Method::GET, "/v1/jobs", &[("host", host)], String::new()).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{host}");
    }
    for host in ["localhost:4646", "127.0.0.1", "edge.example.org:4646"] {
        let reply = world.send(Method::GET, "/v1/jobs", &[("host", host)], String::new()).await;
        assert_eq!(reply.status, StatusCode::OK, "{host}");
    }
    assert_eq!(status_line(world.address, "GET /v1/jobs HTTP/1.1\r\n\r\n").await, 400);
    let two = "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nHost: evil.org\r\n\r\n";
    assert_eq!(status_line(world.address, two).await, 400);
    let differing = "GET http://localhost/v1/jobs HTTP/1.1\r\nHost: evil.org\r\n\r\n";
    assert_eq!(status_line(world.address, differing).await, 400);
    world.close().await;
}

#[tokio::test]
async fn a_web_page_cannot_write_nor_read_what_is_secret() {
    let world = World::new().await;
    for headers in [
        [("origin", "http://evil.example.org"), ("content-type", "text/plain")],
        [("origin", "null"), ("content-type", "application/x-www-form-urlencoded")],
        [("sec-fetch-site", "cross-site"), ("", "")],
        [("referer", "http://evil.example.org/page"), ("", "")],
    ] {
        let reply = world.send(Method::POST, "/v1/jobs", &headers, job()).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{headers:?}");
        let reply = world.send(Method::GET, "/v1/job/web", &headers, String::new()).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert!(world.server.state().job("web").is_none());
    let curl = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(world.send(Method::POST, "/v1/jobs", &curl, job()).await.status, StatusCode::OK);
    world.close().await;
}

#[tokio::test]
async fn writes_and_secrets_need_the_token() {
    let secret = Secret::new("11111111-2222-3333-4444-555555555555");
    let world = World::with(Box::new(MemoryStore::new()), Access::Token(secret)).await;
    for (method, path) in [
        (Method::PUT, "/v1/jobs"),
        (Method::POST, "/v1/job/web/plan"),
        (Method::DELETE, "/v1/job/web"),
        (Method::GET, "/v1/job/web"),
        (Method::GET, "/v1/event/stream"),
        (Method::GET, "/v1/operator/snapshot"),
        (Method::GET, "/v1/client/fs/logs/x"),
        (Method::PUT, "/v1/baton/node/register"),
    ] {
        for headers in [[("x-nomad-token", "")], [("x-nomad-token", "guess")], [("authorization", "Bearer guess")]] {
            let reply = world.send(method.clone(), path, &headers, job()).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{method} {path} {headers:?}");
        }
    }
    assert!(world.server.state().job("web").is_none());
    for path in ["/v1/jobs", "/v1/nodes", "/v1/status/leader", "/v1/metrics", "/v1/agent/health"] {
        assert_eq!(world.send(Method::GET, path, &[], String::new()).await.status, StatusCode::OK, "{path}");
    }
    let token = "11111111-2222-3333-4444-555555555555";
    let bearer = format!("Bearer {token}");
    for headers in [[("x-nomad-token", token)], [("x-consul-token", token)], [("authorization", bearer.as_str())]] {
        let reply = world.send(Method::PUT, "/v1/jobs", &headers, job()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    }
    world.close().await;
}

#[tokio::test]
async fn bodies_and_headers_have_limits() {
    let world = World::new().await;
    let big = "x".repeat(9 << 20);
    let reply = world.send(Method::PUT, "/v1/jobs", &[], big).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let announced = "PUT /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(status_line(world.address, announced).await, 413);
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let request = format!("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_eq!(status_line(world.address, &request).await, 431);
    assert_eq!(world.send(Method::GET, "/v1/jobs", &[], String::new()).await.status, StatusCode::OK);
    world.close().await;
}

/// The status of the answer to raw bytes.
async fn status_line(address: SocketAddr, request: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}
