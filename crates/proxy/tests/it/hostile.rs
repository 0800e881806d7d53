//! Clients and servers that mean harm, on HTTP/1.1: what one of them sends never becomes a message of somebody else,
//! and none of them holds anything for ever.

use crate::support::*;
use baton_routing::config::{Cookie, Headers, Middleware, ReplacePath, ReplacePathRegex, Service, Sticky, StripPrefix};
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A proxy with the route `app` to `backend` and short limits.
fn impatient(generic: bool, backend: &Backend) -> World {
    World::on(generic, |config| {
        service(config, "app", &[backend.url()]);
        route(config, "app", "app", &[]);
        let timeouts = &mut entry_point(config).transport.responding_timeouts;
        timeouts.read_timeout = Duration::from_millis(300).into();
        timeouts.write_timeout = Duration::from_millis(300).into();
    })
}

/// A server that writes `answer` to the first request of a connection, then reads until the proxy closes.
fn raw(answer: impl Into<Vec<u8>>) -> Backend {
    let answer = answer.into();
    Backend::script(move |_, stream| {
        // The proxy may give up in the middle.
        let _ = stream.write_all(&answer);
        let mut rest = [0; 4096];
        while stream.read(&mut rest).is_ok_and(|bytes| bytes > 0) {}
        false
    })
}

fn status(answer: &Received) -> u16 {
    answer.line().split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_request_whose_body_was_sent_is_not_sent_again_in_part() {
    for generic in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (head_came, wait_for_head) = channel::<()>();
        let server = std::thread::spawn(move || {
            let (mut first, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(first.try_clone().unwrap());
            receive(&mut reader).unwrap();
            reply(&mut first, "200 OK", &[], b"one");
            // The second request: its head, its body, and then nothing is answered.
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                std::io::BufRead::read_line(&mut reader, &mut head).unwrap();
            }
            head_came.send(()).unwrap();
            reader.read_exact(&mut [0; 5]).unwrap();
            drop((reader, first));
            listener.set_nonblocking(true).unwrap();
            let mut later = Vec::new();
            for _ in 0..20 {
                if let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                    let mut piece = [0; 1024];
                    later.push(stream.read(&mut piece).map_or(Vec::new(), |bytes| piece[..bytes].to_vec()));
                    reply(&mut stream, "200 OK", &[], b"two");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            later
        });
        let world = World::on(generic, |config| {
            service(config, "app", &[format!("http://{address}")]);
            route(config, "app", "app", &[]);
        });
        let mut client = world.client();
        assert_eq!(client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").response().body, b"one");
        client.send("PUT / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\n");
        wait_for_head.recv_timeout(PATIENCE).unwrap();
        client.send("abcde");
        assert_eq!(status(&client.response()), 502, "generic: {generic}");
        let later = server.join().unwrap();
        assert!(later.is_empty(), "sent to a fresh connection: {later:?}");
    }
}

#[test]
fn no_upgrade_to_http2_passes() {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let world = simple(generic, &backend);
        for upgrade in ["h2c", "H2C", "websocket, h2c", "h2", "h2c/1"] {
            let fields =
                format!("Upgrade: {upgrade}\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n");
            let mut client = world.client();
            client.send(format!("GET / HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n"));
            assert_eq!(client.response().body, b"app");
            let request = backend.last();
            assert_eq!((request.field("Upgrade"), request.field("Connection")), (None, None), "{upgrade}");
            assert_eq!(request.field("Http2-Settings"), None);
        }
    }
}

#[test]
fn a_body_that_never_comes_is_not_waited_for_for_ever() {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let world = impatient(generic, &backend);
        for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            let mut client = world.client();
            client.send(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n\r\n"));
            let answer = client.rest();
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
            let mut client = world.client();
            client.send(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n\r\n1"));
            let answer = client.rest();
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
        }
        assert_eq!(backend.count(), 0);
    }
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    for generic in [false, true] {
        let backend = Backend::script(|_, stream| {
            let piece = vec![b'x'; 1 << 16];
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 30);
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(&piece).is_ok() {}
            false
        });
        let world = impatient(generic, &backend);
        let mut client = world.client();
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        client.head();
        baton_gone(&world, 0);
    }
}

/// Waits until so many client connections are open.
fn baton_gone(world: &World, open: usize) {
    let since = std::time::Instant::now();
    while world.engine.traffic().open != open {
        assert!(since.elapsed() < PATIENCE, "{} connections are open", world.engine.traffic().open);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_client_that_leaves_frees_the_server_even_if_it_says_nothing() {
    for generic in [false, true] {
        let (closed, is_closed) = channel::<()>();
        let closed = std::sync::Mutex::new(closed);
        let backend = Backend::script(move |_, stream| {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let end = stream.read(&mut [0; 16]);
            closed.lock().unwrap().send(()).unwrap();
            assert!(!matches!(end, Ok(1..)));
            false
        });
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").head();
        assert_eq!(client.exactly(8), b"3\r\none\r\n");
        drop(client);
        is_closed.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the server is still held (generic: {generic})"));
    }
}

#[test]
fn floods_of_interim_answers_end_in_an_error() {
    for generic in [false, true] {
        for line in ["100 Continue", "102 Processing", "103 Early Hints"] {
            let backend = raw(format!("HTTP/1.1 {line}\r\n\r\n").repeat(100_000));
            let world = simple(generic, &backend);
            let mut client = world.client();
            client.send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n");
            let answer = String::from_utf8(client.rest()).unwrap();
            assert!(answer.contains("HTTP/1.1 500 ") || answer.contains("HTTP/1.1 502 "), "{line}, generic: {generic}");
            assert!(answer.len() < 64 * 1024);
        }
    }
}

#[test]
fn answers_with_two_readings_are_not_passed_on() {
    let head_without_end = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(2 << 20)).into_bytes();
    let many_fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(5000)).into_bytes();
    let answers: [&[u8]; 14] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nanything",
        b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        &head_without_end,
        &many_fields,
    ];
    for generic in [false, true] {
        for answer in answers {
            let backend = raw(answer);
            let world = simple(generic, &backend);
            let got = world.get("app.test", "/", "");
            let shown = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
            assert!(matches!(status(&got), 500 | 502), "{shown:?}, generic: {generic}: {}", got.head);
            assert!(!got.head.contains("Set-Cookie"), "{shown:?}");
        }
    }
}

#[test]
fn what_follows_an_answer_never_answers_another_request() {
    let planted = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted";
    for generic in [false, true] {
        for (method, head) in [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\nabc"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc"),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
            ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        ] {
            let first = format!("{head}{planted}");
            let backend = Backend::script(move |request, stream| {
                if request.line().contains("/first") {
                    stream.write_all(first.as_bytes()).is_ok()
                } else {
                    reply(stream, "200 OK", &[], b"own")
                }
            });
            let world = simple(generic, &backend);
            let mut client = world.client();
            client.send(format!("{method} /first HTTP/1.1\r\nHost: app.test\r\n\r\n"));
            let answer = client.head();
            if method == "GET" && answer.starts_with("HTTP/1.1 200") {
                let size = if answer.contains("chunked") { b"3\r\nabc\r\n0\r\n\r\n".len() } else { 3 };
                client.exactly(size);
            }
            for _ in 0..3 {
                let answer = client.send("GET /second HTTP/1.1\r\nHost: app.test\r\n\r\n").response();
                assert_eq!(answer.body, b"own", "{method} {head:?}, generic: {generic}");
            }
        }
    }
}

#[test]
fn an_early_answer_ends_both_connections() {
    for generic in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ended, has_ended) = channel::<Vec<u8>>();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                reply(&mut stream, "413 Content Too Large", &[], b"no");
                let mut rest = Vec::new();
                // The proxy may reset instead of closing.
                let _ = stream.read_to_end(&mut rest);
                ended.send(rest).unwrap();
            }
        });
        let world = World::on(generic, |config| {
            service(config, "app", &[format!("http://{address}")]);
            route(config, "app", "app", &[]);
        });
        let mut client = world.client();
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000000\r\n\r\nabc");
        let answer = client.response();
        assert_eq!((status(&answer), answer.field("Connection")), (413, Some("close")));
        client.send("GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n");
        assert!(client.rest().is_empty());
        let rest = has_ended.recv_timeout(PATIENCE).unwrap();
        assert!(!rest.starts_with(b"GET"), "{}", String::from_utf8_lossy(&rest));
    }
}

#[test]
fn a_client_that_leaves_in_its_body_spoils_no_connection() {
    for generic in [false, true] {
        let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], request.line().as_bytes()));
        let world = simple(generic, &backend);
        assert_eq!(world.get("app.test", "/warm", "").line(), "HTTP/1.1 200 OK");
        let mut client = world.client();
        client.send("POST /cut HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000\r\n\r\nabc");
        drop(client);
        baton_gone(&world, 0);
        for _ in 0..5 {
            assert_eq!(world.get("app.test", "/next", "").body, b"GET /next HTTP/1.1");
        }
        assert!(!backend.requests.lock().unwrap().iter().any(|request| request.line().contains("/cut")));
    }
}

#[test]
fn a_head_in_small_pieces_costs_what_it_holds() {
    // A million bytes in a hundred thousand pieces: seconds if each piece is only looked at, hours if each one has the
    // whole head parsed again.
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let mut client = world.client();
    client.reader.get_mut().set_nodelay(true).unwrap();
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n");
    let line = format!("X: {}\r\n", "y".repeat(5000));
    for _ in 0..150 {
        for piece in line.as_bytes().chunks(50) {
            client.send(piece);
        }
    }
    client.send("\r\n");
    assert_eq!(client.response().body, b"app");
}

#[test]
fn blank_lines_before_a_request_take_no_room() {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("\r\n\r\nGET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        assert_eq!(client.response().body, b"app");
        // More than a head may have, and yet no head.
        client.send("\r\n".repeat(1 << 20)).send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        assert_eq!(client.response().body, b"app");
    }
}

#[test]
fn framing_is_the_proxys_own_whatever_middlewares_say() {
    let headers = || {
        let named = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let framing =
            [("Transfer-Encoding", "chunked"), ("Content-Length", "1"), ("Connection", "X-Kept"), ("X-Kept", "yes")];
        Middleware::Headers(Box::new(Headers {
            custom_request_headers: named(&framing),
            custom_response_headers: named(&framing),
            ..Headers::default()
        }))
    };
    for generic in [false, true] {
        let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], &request.body));
        let world = World::on(generic, |config| {
            service(config, "app", &[backend.url()]);
            middleware(config, "framing", headers());
            route(config, "app", "app", &["framing"]);
        });
        let mut client = world.client();
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nabc");
        let answer = client.response();
        assert_eq!((&answer.body[..], answer.field("X-Kept")), (&b"abc"[..], Some("yes")));
        assert_eq!(answer.head.matches("Content-Length").count(), 1, "{}", answer.head);
        assert!(!answer.head.contains("Transfer-Encoding") && !answer.head.contains("Connection"), "{}", answer.head);
        let request = backend.last();
        assert_eq!((request.field("Content-Length"), request.field("X-Kept")), (Some("3"), Some("yes")));
        assert!(
            !request.head.contains("Transfer-Encoding") && !request.head.contains("Connection"),
            "{}",
            request.head
        );
    }
}

#[test]
fn a_stripped_prefix_leads_nowhere_else() {
    for generic in [false, true] {
        let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], request.line().as_bytes()));
        let world = World::on(generic, |config| {
            service(config, "app", &[backend.url()]);
            let strip = StripPrefix { prefixes: vec!["/public".into()], ..StripPrefix::default() };
            middleware(config, "strip", Middleware::StripPrefix(strip));
            route(config, "app", "app", &["strip"]);
        });
        for (target, seen) in [
            ("/public/x", "/x"),
            ("/public", "/"),
            ("/public../secret", "/secret"),
            ("/public./secret", "/secret"),
            ("/public%2e%2e/secret", "/secret"),
            ("/public..", "/"),
            ("/public...", "/..."),
            ("/public..x/y", "/..x/y"),
        ] {
            let line = String::from_utf8(world.get("app.test", target, "").body).unwrap();
            assert_eq!(line, format!("GET {seen} HTTP/1.1"), "{target}");
        }
    }
}

#[test]
fn an_asterisk_is_for_options_only() {
    for generic in [false, true] {
        let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], request.line().as_bytes()));
        let world = simple(generic, &backend);
        let ask = |method: &str| {
            let mut client = world.client();
            client.send(format!("{method} * HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n"));
            client.response()
        };
        assert_eq!(ask("OPTIONS").body, b"OPTIONS * HTTP/1.1");
        assert_eq!(status(&ask("GET")), 400);
    }
}

#[test]
fn a_broken_chunk_is_a_bad_request() {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let world = simple(generic, &backend);
        for body in ["zz\r\n", "3\r\nabcd\r\n", "fffffffffffffffff\r\n", "1\n", &format!("1;{}", "x".repeat(1000))] {
            let mut client = world.client();
            client.send(format!("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
            let answer = client.rest();
            assert!(
                answer.starts_with(b"HTTP/1.1 400 "),
                "{body:?}, generic: {generic}: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        assert_eq!(backend.count(), 0);
    }
}

#[test]
fn a_half_open_dial_to_nowhere_does_not_stop_the_rest() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        service(config, "dead", &["http://127.0.0.1:1".to_owned()]);
        route(config, "app", "app", &[]);
        route(config, "dead", "dead", &[]);
    });
    let waiting: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(world.address("web")).unwrap()).collect();
    for mut stream in &waiting {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: dead.test\r\n\r\nGET / HTTP/1.1\r\nHost: dead").unwrap();
    }
    assert_eq!(world.get("app.test", "/", "").body, b"app");
    assert_eq!(status(&world.get("dead.test", "/", "")), 502);
}

#[test]
fn escapes_in_a_path_make_no_field() {
    for generic in [false, true] {
        let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], request.line().as_bytes()));
        let world = World::on(generic, |config| {
            service(config, "app", &[backend.url()]);
            let replace = ReplacePath { path: "/new path\r\nX: y".into() };
            middleware(config, "replace", Middleware::ReplacePath(replace));
            let regex = ReplacePathRegex { regex: "^/api(.*)".into(), replacement: "/$1 x".into() };
            middleware(config, "regex", Middleware::ReplacePathRegex(regex));
            route(config, "replace", "app", &["replace"]);
            route(config, "regex", "app", &["regex"]);
        });
        let evil = "/a%0d%0aX-Evil:%20y%0d%0a%0d%0aGET%20/smuggled%20HTTP/1.1%0d%0aHost:%20app.test%0d%0a%0d%0a";
        let answer = world.get("replace.test", evil, "");
        assert_eq!(String::from_utf8(answer.body).unwrap(), "GET /new%20path%0D%0AX:%20y HTTP/1.1");
        let request = backend.last();
        assert!(request.field("X-Evil").is_none(), "{}", request.head);
        assert!(request.field("X-Replaced-Path").unwrap().starts_with("/a%0D%0AX-Evil"), "{}", request.head);
        assert_eq!(backend.count(), 0, "a second request was made of the first");
        let answer = world.get("regex.test", "/api../x", "");
        assert_eq!(String::from_utf8(answer.body).unwrap(), "GET /x%20x HTTP/1.1");
        assert_eq!(world.get("replace.test", "/sp%20ace", "").line(), "HTTP/1.1 200 OK");
        assert_eq!(backend.last().field("X-Replaced-Path"), Some("/sp ace"));
    }
}

#[test]
fn configured_text_stays_one_field() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        if let Some(Service::LoadBalancer(balancer)) = config.http.services.get_mut("app@file") {
            let cookie = Cookie { name: "c".into(), path: Some("/\r\nX-Evil: y".into()), ..Cookie::default() };
            balancer.sticky = Some(Sticky { cookie: Some(cookie) });
        }
        service(config, "odd", &["http://a b\r\nX: y/".to_owned()]);
        let cors = Headers { access_control_allow_methods: vec!["GET\r\nX-Evil: y".into()], ..Headers::default() };
        middleware(config, "cors", Middleware::Headers(Box::new(cors)));
        route(config, "app", "app", &["cors"]);
        route(config, "odd", "odd", &[]);
    });
    let answer = world.get("app.test", "/", "");
    assert!(answer.field("X-Evil").is_none() && answer.head.contains("Set-Cookie: c="), "{}", answer.head);
    let mut client = world.client();
    client.send("OPTIONS / HTTP/1.1\r\nHost: app.test\r\nOrigin: a\r\nAccess-Control-Request-Method: GET\r\n\r\n");
    assert!(client.response().field("X-Evil").is_none());
    assert!(matches!(status(&world.get("odd.test", "/", "")), 404 | 503));
}
