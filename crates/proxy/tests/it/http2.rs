//! HTTP/2 on both sides: over TLS, with prior knowledge, toward servers.

use crate::support::*;
use crate::tls::{secure, trusting};
use baton_routing::config::Service;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(PATIENCE, work).await.expect("nothing here takes this long") })
}

async fn plain(address: SocketAddr) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a request with `body` and reads the answer: head, body, trailers.
async fn ask(
    sender: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: &[u8],
) -> (Response<()>, Vec<u8>, Option<http::HeaderMap>) {
    let mut sender = sender.clone().ready().await.unwrap();
    let (response, mut stream) = sender.send_request(request, body.is_empty()).unwrap();
    if !body.is_empty() {
        stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
    }
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.unwrap();
    (Response::from_parts(head, ()), bytes, trailers)
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

#[test]
fn prior_knowledge_is_understood_on_a_plain_entry_point() {
    let backend = Backend::script(|request, stream| {
        reply(stream, "200 OK", &["Connection: x", "X-A: 1"], request.line().as_bytes())
    });
    let world = simple(false, &backend);
    run(async {
        let mut sender = plain(world.address("web")).await;
        let request = Request::get("http://app.test/x/../y?q=1")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(())
            .unwrap();
        let (head, body, _) = ask(&mut sender, request, b"").await;
        assert_eq!((head.status().as_u16(), &body[..]), (200, &b"GET /y?q=1 HTTP/1.1"[..]));
        assert_eq!(head.headers()["x-a"], "1");
        assert!(head.headers().contains_key("date") && !head.headers().contains_key("connection"));
        let request = backend.last();
        assert_eq!((request.field("Host"), request.field("Cookie")), (Some("app.test"), Some("a=1; b=2")));
        assert_eq!(request.field("X-Forwarded-For"), Some("127.0.0.1"));
        let (head, body, _) = ask(&mut sender, get("http://other.test/"), b"").await;
        assert_eq!((head.status().as_u16(), &body[..]), (404, &b"404 page not found\n"[..]));
    });
}

#[test]
fn alpn_chooses_http2_and_bodies_pass() {
    let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], &request.body));
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("app.test", "")]);
    });
    run(async {
        let tcp = TcpStream::connect(world.address("websecure")).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting(&["h2", "http/1.1"], None)));
        let stream = connector.connect("app.test".try_into().unwrap(), tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let body = vec![7; 200_000];
        let request = Request::post("https://app.test/").body(()).unwrap();
        let (head, echoed, _) = ask(&mut sender, request, &body).await;
        assert_eq!(head.status().as_u16(), 200);
        assert!(echoed == body);
        assert_eq!(backend.last().field("X-Forwarded-Proto"), Some("https"));
    });
}

#[test]
fn many_streams_share_a_connection() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    run(async {
        let sender = plain(world.address("web")).await;
        let streams: Vec<_> = (0..100)
            .map(|index| {
                let mut sender = sender.clone();
                tokio::spawn(async move { ask(&mut sender, get(&format!("http://app.test/{index}")), b"").await.1 })
            })
            .collect();
        for stream in streams {
            assert_eq!(stream.await.unwrap(), b"app");
        }
        assert_eq!(world.engine.traffic().open, 1);
    });
}

/// An HTTP/2 server that echoes bodies and ends with a gRPC trailer.
fn grpc() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(tcp).await.unwrap();
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        tokio::spawn(async move {
                            let te = request.headers().get("te").cloned();
                            let mut body = request.into_body();
                            let response = Response::builder()
                                .header("content-type", "application/grpc")
                                .header("x-te", te.unwrap_or(http::HeaderValue::from_static("none")));
                            let mut stream = respond.send_response(response.body(()).unwrap(), false).unwrap();
                            while let Some(Ok(data)) = body.data().await {
                                body.flow_control().release_capacity(data.len()).unwrap();
                                stream.send_data(data, false).unwrap();
                            }
                            let mut trailers = http::HeaderMap::new();
                            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                            stream.send_trailers(trailers).unwrap();
                        });
                    }
                });
            }
        });
    });
    address
}

#[test]
fn h2c_servers_get_streams_and_their_trailers_pass() {
    let address = grpc();
    let world = World::new(|config| {
        service(config, "app", &[format!("h2c://{address}")]);
        route(config, "app", "app", &[]);
    });
    run(async {
        let mut sender = plain(world.address("web")).await;
        for _ in 0..3 {
            let request = Request::post("http://app.test/pkg.Service/Call").header("te", "trailers").body(()).unwrap();
            let (head, body, trailers) = ask(&mut sender, request, b"message").await;
            assert_eq!((head.status().as_u16(), &body[..]), (200, &b"message"[..]));
            assert_eq!(head.headers()["x-te"], "trailers");
            assert_eq!(trailers.unwrap()["grpc-status"], "0");
        }
    });
    // An HTTP/1 client reaches it too, and gets the trailers in chunked coding.
    let mut client = world.client();
    client.send("POST /x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nabc");
    let answer = client.response();
    assert_eq!((&answer.body[..], &answer.trailers[..]), (&b"abc"[..], "Grpc-Status: 0\r\n\r\n"));
}

#[test]
fn draining_sends_goaway_and_finishes_streams() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let (arrived, arrival) = std::sync::mpsc::channel::<()>();
    let arrived = std::sync::Mutex::new(arrived);
    let backend = Backend::script(move |_, stream| {
        arrived.lock().unwrap().send(()).unwrap();
        gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        reply(stream, "200 OK", &[], b"late")
    });
    let world = simple(false, &backend);
    let address = world.address("web");
    run(async {
        let tcp = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(tcp).await.unwrap();
        let connection = tokio::spawn(connection);
        let (response, _) = sender.send_request(get("http://app.test/"), true).unwrap();
        tokio::task::spawn_blocking(move || arrival.recv_timeout(PATIENCE).unwrap()).await.unwrap();
        let plan = baton_proxy::DrainPlan {
            accept_grace: Duration::ZERO,
            idle_grace: Duration::from_millis(100),
            grace: Duration::from_secs(8),
        };
        let engine = world.engine;
        let ended = std::thread::spawn(move || run(engine.shutdown(plan)).unwrap());
        go.send(()).unwrap();
        let mut body = response.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), &b"late"[..]);
        connection.await.unwrap().unwrap();
        assert_eq!(ended.join().unwrap().cut, 0);
    });
}

#[test]
fn a_truncated_answer_resets_the_stream() {
    let backend = Backend::script(|_, stream| {
        use std::io::Write;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").unwrap();
        false
    });
    let world = World::on(false, |config| {
        service(config, "app", &[backend.url()]);
        if let Some(Service::LoadBalancer(balancer)) = config.http.services.get_mut("app@file") {
            balancer.pass_host_header = false;
        }
        route(config, "app", "app", &[]);
    });
    run(async {
        let mut sender = plain(world.address("web")).await.ready().await.unwrap();
        let (response, _) = sender.send_request(get("http://app.test/"), true).unwrap();
        // The reset may overtake the head.
        let end = match response.await {
            Err(error) => Some(Err(error)),
            Ok(response) => {
                let mut body = response.into_body();
                loop {
                    match body.data().await {
                        Some(Ok(_)) => {}
                        end => break end,
                    }
                }
            }
        };
        assert!(matches!(end, Some(Err(_))), "the end of the body was made up");
        assert_eq!(backend.last().field("Host"), Some(backend.address.to_string().as_str()));
    });
}

#[test]
fn streams_one_after_another_share_a_connection_to_the_server() {
    let backend = Backend::script(|request, stream| {
        if request.line().contains("/apart") {
            // The body comes on its own.
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").unwrap();
            std::thread::sleep(Duration::from_millis(50));
            return stream.write_all(b"body").is_ok();
        }
        if request.line().contains("/chunked") {
            return stream
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
                .is_ok();
        }
        reply(stream, "200 OK", &[], b"body")
    });
    let world = simple(false, &backend);
    run(async {
        let mut sender = plain(world.address("web")).await;
        for path in ["/", "/apart", "/chunked", "/", "/chunked", "/apart"] {
            let (head, body, _) = ask(&mut sender, get(&format!("http://app.test{path}")), b"").await;
            assert_eq!((head.status().as_u16(), &body[..]), (200, &b"body"[..]));
        }
        let (head, _, _) = ask(&mut sender, Request::post("http://app.test/").body(()).unwrap(), b"sent").await;
        assert_eq!(head.status(), 200);
    });
    assert_eq!(backend.connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}
