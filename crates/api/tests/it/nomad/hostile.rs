//! Requests that nobody with good intentions sends: each is refused or answered, and the next one is served.

use std::net::SocketAddr;

use axum::http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{World, service};

/// Deep enough to end any recursion that has no limit.
const DEEP: usize = 20_000;

async fn still_there(world: &World) {
    assert_eq!(world.get("/v1/status/leader").await.as_str().map(str::is_empty), Some(false));
}

#[tokio::test]
async fn what_is_nested_without_end_is_refused() {
    let world = World::new().await;
    let open = |with: &str| with.repeat(DEEP);
    for (path, body) in [
        ("/v1/jobs", format!("{{\"Job\":{}", open("["))),
        ("/v1/jobs", format!("{{\"Job\":{}", open("{\"a\":"))),
        ("/v1/jobs/parse", json!({ "JobHCL": format!("job \"x\" {{ a = {} }}", open("[")) }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": format!("job \"x\" {{ a = {} }}", open("(")) }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": format!("job \"x\" {{ a = {}1 }}", open("!")) }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": format!("job \"x\" {{ a = {}1 }}", open("-")) }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": format!("job \"x\" {{ a = \"{}", open("${\"")) }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": open("a {\n") }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": format!("job \"x\" {{ a = 1 {} }}", open("? 1 : 1 ")) }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": format!("job \"x\" {{ a = b{} }}", open(".c")) }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": format!("job \"x\" {{ a = 1{} }}", open("+1")) }).to_string()),
        ("/v1/jobs/parse", json!({ "JobHCL": open("[") , "Variables": open("[") }).to_string()),
        ("/v1/search", open("[")),
    ] {
        let reply = world.send(Method::POST, path, &[], body.clone()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path} {}…: {}", &body[..60], &reply.body);
        assert!(reply.body.len() < 64 << 10, "{path} {}…: the refusal has {} bytes", &body[..60], reply.body.len());
    }
    // A request line holds no more than this.
    let filter = "(".repeat(20_000);
    let reply = world.send(Method::GET, &format!("/v1/jobs?filter={filter}"), &[], String::new()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let filter = "not%20".repeat(8_000);
    let reply = world.send(Method::GET, &format!("/v1/jobs?filter={filter}"), &[], String::new()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    still_there(&world).await;
    world.close().await;
}

#[tokio::test]
async fn parameters_beyond_all_measure_are_bounded_or_refused() {
    let world = World::new().await;
    world.run(service("web", 0, "serve")).await;
    for query in [
        "wait=1000000h",
        "wait=-5s",
        "wait=0",
        "per_page=0",
        "per_page=18446744073709551615",
        "next_token=%00%ff",
        "reverse=true&next_token=zzz",
        "prefix=%f0%28%8c%28",
        "index=0",
    ] {
        let reply = world.send(Method::GET, &format!("/v1/jobs?{query}"), &[], String::new()).await;
        assert_eq!(reply.status, StatusCode::OK, "{query}: {}", reply.body);
    }
    for query in [
        "index=99999999999999999999",
        "index=-1",
        "wait=99999999999999999999999h",
        "wait=5",
        "wait=x",
        "per_page=-1",
        "filter=ID+%3D%3D",
        "reverse=maybe",
    ] {
        let reply = world.send(Method::GET, &format!("/v1/jobs?{query}"), &[], String::new()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}: {}", reply.body);
    }
    let past = world.send(Method::GET, "/v1/jobs?index=18446744073709551615&wait=1ms", &[], String::new()).await;
    assert_eq!(past.status, StatusCode::OK);
    for path in [
        "/v1/client/fs/cat/..%2f..%2fetc?path=passwd",
        "/v1/client/fs/cat/x?path=..%2f..%2f..%2fetc%2fpasswd",
        "/v1/allocation/..%2f..%2f",
        "/v1/job/%00",
        "/v1/job/..",
        "/v1/node/%F0%28",
    ] {
        let reply = world.send(Method::GET, path, &[], String::new()).await;
        assert!(reply.status.is_client_error(), "{path}: {} {}", reply.status, reply.body);
    }
    world.close().await;
}

#[tokio::test]
async fn a_group_cannot_ask_for_more_than_the_limit() {
    let world = World::new().await;
    let reply = world
        .send(Method::PUT, "/v1/jobs", &[], json!({ "Job": service("web", 1_000_000_000_000, "serve") }).to_string())
        .await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.body);
    assert!(reply.body.contains("the limit is"), "{}", reply.body);
    world.run(service("web", 0, "serve")).await;
    let body = json!({ "Count": i64::MAX, "Target": { "Group": "web" } }).to_string();
    let reply = world.send(Method::PUT, "/v1/job/web/scale", &[], body).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.body);
    still_there(&world).await;
    world.close().await;
}

async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may hang up before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_that_mean_two_things_are_refused() {
    let world = World::new().await;
    let status = |answer: &str| answer.split(' ').nth(1).unwrap_or("none").to_owned();
    for (request, wanted) in [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["400", "505", "none"][..]),
        ("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", &["400"]),
        (
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &["400"],
        ),
        ("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", &["400"]),
        ("GET /v1/jobs HTTP/1.1\r\nHost: [::1].evil.org\r\nConnection: close\r\n\r\n", &["403"]),
        ("GET /v1/jobs HTTP/1.1\r\nHost: LOCALHOST.:80\r\nConnection: close\r\n\r\n", &["200"]),
        // No other protocol is spoken, whoever asks for it.
        (
            "GET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            &["200"],
        ),
        ("TRACE /v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", &["405"]),
        ("CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\nConnection: close\r\n\r\n", &["400", "404", "405"]),
    ] {
        let answer = talk(world.address, request.as_bytes()).await;
        assert!(wanted.contains(&status(&answer).as_str()), "{request:?} → {answer:?}");
    }
    still_there(&world).await;
    world.close().await;
}

#[tokio::test]
async fn a_body_in_pieces_has_the_same_limit() {
    let world = World::new().await;
    let mut request = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let piece = [b"100000\r\n".to_vec(), vec![b'x'; 0x10_0000], b"\r\n".to_vec()].concat();
    for _ in 0..9 {
        request.extend_from_slice(&piece);
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = talk(world.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer:?}");
    still_there(&world).await;
    world.close().await;
}
