//! Requests with two readings, on a raw socket: refused, and nothing of them reaches a server.

use crate::support::*;

fn refused(request: &[u8], status: &str) {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send(request);
        let answer = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{:?}: {answer}", String::from_utf8_lossy(request));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer, then the end: {answer}");
        assert_eq!(backend.count(), 0, "{:?}", String::from_utf8_lossy(request));
    }
}

#[test]
fn ambiguous_requests_never_reach_a_server() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Host: other.test\r\n",
        "X-Folded: a\r\n b\r\n",
    ] {
        refused(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n").as_bytes(), "400");
    }
}

#[test]
fn malformed_requests_get_one_answer() {
    refused(b"GET / HTTP/1.1\r\n\r\n", "400");
    refused(b"GET /#x HTTP/1.1\r\nHost: app.test\r\n\r\n", "400");
    refused(b"GET /%zz HTTP/1.1\r\nHost: app.test\r\n\r\n", "400");
    refused(b"GARBAGE\r\n\r\n", "400");
    refused(b"GET / HTTP/3.0\r\nHost: app.test\r\n\r\n", "505");
    refused(b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test\r\n\r\n", "501");
    refused(b"GET ftp://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n", "400");
}

#[test]
fn too_large_a_head_is_431() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        route(config, "app", "app", &[]);
        entry_point(config).http.max_header_bytes = 2048;
    });
    let request = format!("GET / HTTP/1.1\r\nHost: app.test\r\nX: {}\r\n\r\n", "y".repeat(4000));
    assert!(world.client().send(request).head().starts_with("HTTP/1.1 431 "));
    let many: String = (0..300).map(|index| format!("X-{index}: y\r\n")).collect();
    assert!(
        world
            .client()
            .send(format!("GET / HTTP/1.1\r\nHost: app.test\r\n{many}\r\n"))
            .head()
            .starts_with("HTTP/1.1 431 ")
    );
}

#[test]
fn a_bad_chunk_ends_the_connection_without_a_second_request() {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n");
        let answer = client.rest();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(backend.count(), 0);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    for generic in [false, true] {
        let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], request.line().as_bytes()));
        let world = simple(generic, &backend);
        let mut client = world.client();
        client.send(
            "GET /1 HTTP/1.1\r\nHost: app.test\r\n\r\nPOST /2 HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nabc\
             POST /3 HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: app.test\r\n\r\n",
        );
        for expected in ["GET /1 HTTP/1.1", "POST /2 HTTP/1.1", "POST /3 HTTP/1.1", "GET /4 HTTP/1.1"] {
            assert_eq!(String::from_utf8(client.response().body).unwrap(), expected);
        }
        let requests = backend.requests.lock().unwrap();
        assert_eq!((&requests[1].body[..], &requests[2].body[..]), (&b"abc"[..], &b"de"[..]));
    }
}

#[test]
fn input_cut_anywhere_reads_the_same() {
    let backend = Backend::script(|request, stream| reply(stream, "200 OK", &[], &request.body));
    let world = simple(false, &backend);
    let request = b"POST /x HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3;x=y\r\nefg\r\n0\r\nX-T: 1\r\n\r\n";
    for cut in (1..request.len()).step_by(3) {
        let mut client = world.client();
        client.send(&request[..cut]);
        // A round trip on another connection lets the first piece arrive by itself.
        world.get("none.test", "/", "");
        client.send(&request[cut..]);
        assert_eq!(client.response().body, b"abcdefg", "cut at {cut}");
    }
}
