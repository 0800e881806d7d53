//! `rateLimit` and `inFlightReq` on a running proxy, whose workers share the books.

use crate::support::*;
use baton_routing::config::{InFlightReq, Middleware, RateLimit, SourceCriterion, Timespan};
use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::channel;

#[test]
fn requests_beyond_the_rate_are_told_when_to_come_back() {
    for generic in [false, true] {
        let backend = Backend::named("app");
        let limit = |criterion| {
            Middleware::RateLimit(RateLimit {
                average: 1,
                period: Timespan::from_secs(600),
                burst: 2,
                source_criterion: criterion,
                ..RateLimit::default()
            })
        };
        let mut world = World::on(generic, |config| {
            service(config, "app", &[backend.url()]);
            let by_user = SourceCriterion { request_header_name: "X-User".into(), ..SourceCriterion::default() };
            middleware(config, "address", limit(None));
            middleware(config, "user", limit(Some(by_user)));
            route(config, "app", "app", &["address"]);
            route(config, "user", "app", &["user"]);
        });
        let lines: Vec<_> = (0..8).map(|_| world.get("app.test", "/", "").line().to_owned()).collect();
        assert_eq!(lines[..2], ["HTTP/1.1 200 OK"; 2]);
        assert_eq!(lines[2..], ["HTTP/1.1 429 Too Many Requests"; 6]);
        let answer = world.get("app.test", "/", "");
        assert_eq!(&answer.body[..], b"Too Many Requests");
        let wait: u32 = answer.field("Retry-After").unwrap().parse().unwrap();
        assert!((500..=600).contains(&wait), "{wait}");
        assert!(answer.field("X-Retry-In").unwrap().starts_with('9'), "{:?}", answer.field("X-Retry-In"));
        assert_eq!(backend.count(), 2);
        for _ in 0..2 {
            assert_eq!(world.get("user.test", "/", "X-User: a\r\n").body, b"app");
            assert_eq!(world.get("user.test", "/", "X-User: b\r\n").body, b"app");
        }
        assert_eq!(world.get("user.test", "/", "X-User: a\r\n").line(), "HTTP/1.1 429 Too Many Requests");
        // An unrelated change of the configuration gives nobody a new burst.
        world.apply(|config| route(config, "other", "app", &[]));
        assert_eq!(world.get("app.test", "/", "").line(), "HTTP/1.1 429 Too Many Requests");
    }
}

#[test]
fn a_second_request_at_the_same_time_is_refused() {
    let (started, has_started) = channel::<()>();
    let (go, wait) = channel::<()>();
    let (started, wait) = (Mutex::new(started), Mutex::new(wait));
    let backend = Backend::script(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab").unwrap();
        started.lock().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        stream.write_all(b"cd").is_ok()
    });
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "one", Middleware::InFlightReq(InFlightReq { amount: 1, ..InFlightReq::default() }));
        route(config, "app", "app", &["one"]);
    });
    let mut first = world.client();
    first.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    first.head();
    has_started.recv().unwrap();
    for _ in 0..4 {
        assert_eq!(world.get("app.test", "/", "").line(), "HTTP/1.1 429 Too Many Requests");
    }
    go.send(()).unwrap();
    assert_eq!(first.exactly(4), b"abcd");
    // The answer is out, so the place is free once its last byte was counted: the next request on the same
    // connection comes after that.
    go.send(()).unwrap();
    assert_eq!(first.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").response().body, b"abcd");
}
