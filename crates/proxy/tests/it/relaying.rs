//! What a request becomes on its way to a server, and a response on its way back; each on both paths.

use crate::support::*;
use baton_routing::config::Service;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

fn both(check: impl Fn(bool)) {
    check(false);
    check(true);
}

#[test]
fn a_request_arrives_with_the_fields_of_its_client() {
    both(|generic| {
        let backend = Backend::named("app");
        let world = simple(generic, &backend);
        let answer = world.get(
            "APP.test:8080",
            "/a/../b?x=1;y=2",
            "X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_Proto: evil\r\nX-Real-Ip: 6.6.6.6\r\nConnection: X-Gone, X-Forwarded-Host\r\nX-Gone: 1\r\n\
             abc-DEF: v\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nX-Multi: 1\r\nX-Multi: 2\r\n",
        );
        assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", answer.head);
        assert!(answer.field("Date").is_some());
        let request = backend.last();
        assert_eq!(request.line(), "GET /b?x=1&y=2 HTTP/1.1");
        assert_eq!(request.field("Host"), Some("APP.test:8080"));
        assert_eq!(request.field("X-Forwarded-For"), Some("127.0.0.1"));
        assert_eq!(request.field("X-Forwarded-Proto"), Some("http"));
        assert_eq!(request.field("X-Forwarded-Host"), Some("APP.test:8080"));
        assert_eq!(request.field("X-Forwarded-Port"), Some("8080"));
        assert_eq!(request.field("X-Real-Ip"), Some("127.0.0.1"));
        assert!(request.field("X-Forwarded-Server").is_some());
        assert_eq!(request.field("Abc-Def"), Some("v"));
        assert_eq!(request.field("Te"), Some("trailers"));
        assert_eq!(request.head.matches("X-Multi: ").count(), 2);
        for gone in ["X-Gone", "Keep-Alive", "Proxy-Connection", "Connection", "evil", "6.6.6.6", "User-Agent"] {
            assert!(!request.head.contains(gone), "{gone} in {}", request.head);
        }
    });
}

#[test]
fn a_trusted_proxy_in_front_is_believed() {
    both(|generic| {
        let backend = Backend::named("app");
        let world = World::on(generic, |config| {
            service(config, "app", &[backend.url()]);
            route(config, "app", "app", &[]);
            entry_point(config).forwarded_headers.trusted_ips = vec!["127.0.0.0/8".into()];
        });
        world.get(
            "app.test",
            "/",
            "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\n",
        );
        let request = backend.last();
        assert_eq!(request.field("X-Forwarded-For"), Some("9.9.9.9, 8.8.8.8, 127.0.0.1"));
        assert_eq!(request.field("X-Forwarded-Proto"), Some("https"));
        assert_eq!(request.field("X-Forwarded-Port"), Some("443"));
    });
}

#[test]
fn what_no_route_takes_is_404() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let answer = world.get("other.test", "/", "");
    assert!(answer.head.starts_with("HTTP/1.1 404 Not Found\r\n"));
    assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.body, b"404 page not found\n");
    // HTTP/1.0 needs no Host, so it has no route.
    let mut old = world.client();
    assert!(old.send("GET / HTTP/1.0\r\n\r\n").head().starts_with("HTTP/1.1 404 "));
    old.rest();
    // The authority of an absolute target counts, not Host.
    let answer = world
        .client()
        .send("GET http://app.test/abs HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n")
        .response();
    assert_eq!(answer.body, b"app");
    let request = backend.last();
    assert_eq!((request.line(), request.field("Host")), ("GET /abs HTTP/1.1", Some("app.test")));
}

#[test]
fn connections_are_kept_on_both_sides() {
    both(|generic| {
        let backend = Backend::named("app");
        let world = simple(generic, &backend);
        let mut client = world.client();
        for _ in 0..51 {
            client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
            let answer = client.response();
            assert_eq!(answer.body, b"app");
            assert_eq!(answer.field("Connection"), None);
        }
        assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
        // A request is counted when its response is out, before the next one is read.
        assert!(world.engine.traffic().entry_points[0].1.total() >= 50);
    });
}

#[test]
fn an_http10_client_gets_what_it_understands() {
    both(|generic| {
        let backend = Backend::script(|_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").is_ok()
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        let head = client.send("GET / HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n").head();
        assert!(head.contains("Connection: close\r\n") && !head.contains("chunked"), "{head}");
        assert_eq!(client.rest(), b"abc");
    });
}

#[test]
fn chunked_bodies_and_trailers_go_both_ways() {
    both(|generic| {
        let backend = Backend::script(|_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n").is_ok()
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Req: t\r\nHost: evil\r\n\r\n");
        let answer = client.response();
        assert_eq!(answer.body, b"hello world");
        assert_eq!(answer.trailers, "X-Sum: 42\r\n\r\n");
        let request = backend.last();
        assert_eq!(request.body, b"abc");
        assert_eq!(request.trailers, "X-Req: t\r\n\r\n");
    });
}

#[test]
fn large_bodies_arrive_whole_both_ways() {
    both(|generic| {
        let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], &request.body));
        let world = simple(generic, &backend);
        let body: Vec<u8> = (0..3_000_000u32).map(|index| (index % 251) as u8).collect();
        let mut client = world.client();
        let mut writer = client.reader.get_ref().try_clone().unwrap();
        let sent = body.clone();
        let sender = std::thread::spawn(move || {
            writer
                .write_all(
                    format!("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\r\n", sent.len()).as_bytes(),
                )
                .unwrap();
            writer.write_all(&sent).unwrap();
        });
        assert!(client.response().body == body);
        sender.join().unwrap();
    });
}

#[test]
fn a_client_that_waits_for_100_gets_it() {
    both(|generic| {
        let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], &request.body));
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("abc");
        assert_eq!(client.response().body, b"abc");
    });
}

#[test]
fn early_hints_are_relayed() {
    let backend = Backend::script(|_, stream| {
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").unwrap();
        reply(stream, "200 OK", &[], b"x")
    });
    let world = simple(false, &backend);
    let mut client = world.client();
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    assert_eq!(client.response().body, b"x");
}

#[test]
fn responses_without_a_body_have_none() {
    both(|generic| {
        let backend = Backend::script(|request, stream| match request.line() {
            "HEAD /h HTTP/1.1" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").is_ok(),
            "GET /204 HTTP/1.1" => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_ok(),
            _ => stream.write_all(b"HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n").is_ok(),
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        let head = client.send("HEAD /h HTTP/1.1\r\nHost: app.test\r\n\r\n").head();
        assert!(head.contains("Content-Length: 9\r\n"), "{head}");
        let head = client.send("GET /204 HTTP/1.1\r\nHost: app.test\r\n\r\n").head();
        assert!(head.starts_with("HTTP/1.1 204 No Content\r\n") && !head.contains("Content-Length"), "{head}");
        let head = client.send("GET /304 HTTP/1.1\r\nHost: app.test\r\n\r\n").head();
        assert!(head.starts_with("HTTP/1.1 304 ") && head.contains("Etag: \"a\""), "{head}");
        // The connection is still in step.
        assert!(client.send("GET /304 HTTP/1.1\r\nHost: app.test\r\n\r\n").head().starts_with("HTTP/1.1 304 "));
    });
}

#[test]
fn hop_by_hop_fields_of_a_response_stay_behind() {
    both(|generic| {
        let backend = Backend::script(|_, stream| {
            reply(
                stream,
                "200 OK",
                &[
                    "Connection: X-Hop",
                    "X-Hop: 1",
                    "Keep-Alive: timeout=5",
                    "Server: origin",
                    "x-KEPT: 1",
                    "Date: Thu, 01 Jan 2026 00:00:00 GMT",
                ],
                b"",
            )
        });
        let world = simple(generic, &backend);
        let answer = world.get("app.test", "/", "");
        assert!(!answer.head.contains("X-Hop") && !answer.head.contains("Keep-Alive"), "{}", answer.head);
        assert_eq!(answer.field("Server"), Some("origin"));
        assert_eq!(answer.field("X-Kept"), Some("1"));
        assert_eq!(answer.field("Date"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
        assert_eq!(answer.head.matches("Date: ").count(), 1);
    });
}

#[test]
fn websockets_become_tunnels() {
    both(|generic| {
        let backend = Backend::script(|_, stream| {
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: k\r\n\r\nhi").unwrap();
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
            false
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nsec-websocket-key: k\r\n\r\n");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert!(
            head.contains("Upgrade: websocket\r\n")
                && head.contains("Connection: Upgrade\r\n")
                && head.contains("Sec-WebSocket-Accept: k\r\n"),
            "{head}"
        );
        assert_eq!(client.exactly(2), b"hi");
        assert_eq!(world.engine.traffic().tunnels, 1);
        client.send("ping");
        assert_eq!(client.exactly(4), b"ping");
        assert!(client.rest().is_empty());
        let request = backend.last();
        assert_eq!(request.field("X-Forwarded-Proto"), Some("ws"));
        assert_eq!(request.field("Sec-WebSocket-Key"), Some("k"));
        assert_eq!(request.field("Upgrade"), Some("websocket"));
    });
}

#[test]
fn failures_of_a_server_have_traefiks_codes() {
    both(|generic| {
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let closes = Backend::script(|_, _| false);
        let garbage = Backend::script(|_, stream| stream.write_all(b"what is this\r\n\r\n").is_err());
        let silent = Backend::script(|_, stream| {
            let _ = stream.read(&mut [0]);
            false
        });
        let world = World::on(generic, |config| {
            for (name, url) in [
                ("refused", format!("http://{dead}")),
                ("closes", closes.url()),
                ("garbage", garbage.url()),
                ("silent", silent.url()),
            ] {
                service(config, name, &[url]);
                route(config, name, name, &[]);
            }
            service(config, "nobody", &[]);
            route(config, "nobody", "nobody", &[]);
            let mut transport = baton_routing::config::ServersTransport::default();
            transport.forwarding_timeouts.response_header_timeout = std::time::Duration::from_millis(200).into();
            config.http.servers_transports.insert("quick@file".into(), transport);
            if let Some(Service::LoadBalancer(balancer)) = config.http.services.get_mut("silent@file") {
                balancer.servers_transport = "quick@file".into();
            }
        });
        for (host, status, body) in [
            ("refused.test", "502 Bad Gateway", "Bad Gateway"),
            ("closes.test", "502 Bad Gateway", "Bad Gateway"),
            ("garbage.test", "500 Internal Server Error", "Internal Server Error"),
            ("silent.test", "504 Gateway Timeout", "Gateway Timeout"),
            ("nobody.test", "503 Service Unavailable", "no available server\n"),
        ] {
            let answer = world.get(host, "/", "");
            assert_eq!(answer.line(), format!("HTTP/1.1 {status}"), "{host}");
            assert_eq!(String::from_utf8_lossy(&answer.body), body);
        }
    });
}

#[test]
fn a_truncated_body_aborts_the_client() {
    both(|generic| {
        for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
            let backend = Backend::script(move |_, stream| {
                let body = if head.starts_with('C') { "abc" } else { "3\r\nabc\r\n" };
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").as_bytes()).unwrap();
                false
            });
            let world = simple(generic, &backend);
            let mut client = world.client();
            client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
            client.head();
            let rest = client.rest();
            assert!(rest.starts_with(b"abc") || rest.starts_with(b"3\r\nabc"), "{rest:?}");
            assert!(!rest.ends_with(b"0\r\n\r\n"), "the end of the body was made up");
        }
    });
}

#[test]
fn a_stale_connection_is_replaced_once() {
    both(|generic| {
        // Answers one request per connection, says that it stays open, and closes.
        let backend = Backend::script(|_, stream| {
            reply(stream, "200 OK", &[], b"x");
            false
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        for _ in 0..20 {
            client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
            assert_eq!(client.response().body, b"x");
        }
    });
}

#[test]
fn a_post_is_not_sent_twice() {
    both(|generic| {
        let seen = std::sync::Arc::new(AtomicUsize::new(0));
        let count = seen.clone();
        let backend = Backend::script(move |request, stream| {
            if request.line().starts_with("GET") {
                return reply(stream, "200 OK", &[], b"x");
            }
            count.fetch_add(1, Ordering::SeqCst);
            false
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        client.response();
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.response().line(), "HTTP/1.1 502 Bad Gateway");
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_stream_is_flushed_piece_by_piece() {
    both(|generic| {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let backend = Backend::script(move |_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\none\n\n\r\n").unwrap();
            gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            stream.write_all(b"5\r\ntwo\n\n\r\n0\r\n\r\n").is_ok()
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        client.head();
        assert_eq!(client.exactly(10), b"5\r\none\n\n\r\n");
        go.send(()).unwrap();
        assert_eq!(client.exactly(15), b"5\r\ntwo\n\n\r\n0\r\n\r\n");
    });
}

#[test]
fn servers_take_turns_by_weight_over_all_workers() {
    both(|generic| {
        let (first, second) = (Backend::named("b1"), Backend::named("b2"));
        let world = World::on(generic, |config| {
            service(config, "app", &[first.url(), second.url()]);
            if let Some(Service::LoadBalancer(balancer)) = config.http.services.get_mut("app@file") {
                balancer.servers[0].weight = Some(3);
            }
            route(config, "app", "app", &[]);
        });
        let order: Vec<_> = (0..8).map(|_| String::from_utf8(world.get("app.test", "/", "").body).unwrap()).collect();
        assert_eq!(order, ["b1", "b1", "b2", "b1", "b1", "b1", "b1", "b2"]);
        assert!(world.engine.set_health("app@file", &first.url(), false));
        assert_eq!(world.get("app.test", "/", "").body, b"b2");
        world.engine.set_health("app@file", &second.url(), false);
        assert_eq!(world.get("app.test", "/", "").body, b"no available server\n");
    });
}

#[test]
fn a_cookie_binds_a_client_to_a_server() {
    both(|generic| {
        let (first, second) = (Backend::named("b1"), Backend::named("b2"));
        let world = World::on(generic, |config| {
            service(config, "app", &[first.url(), second.url()]);
            if let Some(Service::LoadBalancer(balancer)) = config.http.services.get_mut("app@file") {
                balancer.sticky = Some(baton_routing::config::Sticky {
                    cookie: Some(baton_routing::config::Cookie { http_only: true, ..Default::default() }),
                });
            }
            route(config, "app", "app", &[]);
        });
        let answer = world.get("app.test", "/", "");
        let cookie = answer.field("Set-Cookie").unwrap().to_owned();
        assert!(cookie.starts_with('_') && cookie.ends_with("; Path=/; HttpOnly"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        for _ in 0..4 {
            let again = world.get("app.test", "/", &format!("Cookie: a=b; {pair}\r\n"));
            assert_eq!(again.body, answer.body);
            assert_eq!(again.field("Set-Cookie"), None);
        }
    });
}

struct Lines(std::sync::Mutex<std::sync::mpsc::Sender<String>>);

impl baton_proxy::access::AccessLog for Lines {
    fn record(&self, entry: &baton_proxy::access::AccessEntry<'_>) {
        let line = format!(
            "{} {} {}{} {} {} {} {:?} {:?}",
            entry.entry_point,
            entry.method,
            entry.host,
            entry.target,
            entry.protocol,
            entry.status,
            entry.bytes_out,
            entry.router,
            entry.server,
        );
        self.0.lock().unwrap().send(line).unwrap();
    }
}

#[test]
fn every_request_reaches_the_access_log() {
    both(|generic| {
        let backend = Backend::named("app");
        let (lines, read) = std::sync::mpsc::channel();
        let world = World::logged(generic, std::sync::Arc::new(Lines(std::sync::Mutex::new(lines))), |config| {
            service(config, "app", &[backend.url()]);
            route(config, "app", "app", &[]);
        });
        let next = || read.recv_timeout(PATIENCE).unwrap();
        world.get("app.test", "/x?y", "");
        let url = backend.url();
        assert_eq!(next(), format!("web GET app.test/x?y HTTP/1.1 200 3 Some(\"app@file\") Some({url:?})"));
        world.get("none.test", "/", "");
        assert_eq!(next(), "web GET none.test/ HTTP/1.1 404 19 None None");
    });
}

#[test]
fn a_client_that_leaves_is_noticed_and_its_server_released() {
    both(|generic| {
        let (left, gone) = std::sync::mpsc::channel::<()>();
        let left = std::sync::Mutex::new(left);
        let (arrived, arrival) = std::sync::mpsc::channel::<()>();
        let arrived = std::sync::Mutex::new(arrived);
        let backend = Backend::script(move |_, stream| {
            arrived.lock().unwrap().send(()).unwrap();
            // Ends when the proxy closes its side.
            assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
            left.lock().unwrap().send(()).unwrap();
            false
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        // One that leaves sooner is not worth a request to the server.
        arrival.recv_timeout(PATIENCE).unwrap();
        drop(client);
        gone.recv_timeout(PATIENCE).expect("the server was kept waiting for a client that left");
    });
}
