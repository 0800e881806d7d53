//! `circuitBreaker` on a running proxy.

use crate::support::*;
use baton_routing::config::{CircuitBreaker, Middleware, Timespan};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

fn breaker(expression: &str, times: u64) -> Middleware {
    Middleware::CircuitBreaker(CircuitBreaker {
        expression: expression.into(),
        check_period: Timespan::from_millis(1),
        fallback_duration: Timespan::from_millis(times),
        recovery_duration: Timespan::from_millis(times),
        response_code: 504,
    })
}

#[test]
fn a_failing_service_is_spared_and_others_are_not() {
    let good = Backend::named("good");
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::new(|config| {
        service(config, "bad", &[format!("http://{dead}")]);
        service(config, "good", &[good.url()]);
        middleware(config, "breaker", breaker("NetworkErrorRatio() > 0.30", 3_600_000));
        route(config, "bad", "bad", &["breaker"]);
        route(config, "good", "good", &["breaker"]);
    });
    assert_eq!(world.get("bad.test", "/", "").line(), "HTTP/1.1 502 Bad Gateway");
    // Every worker knows at once.
    for _ in 0..6 {
        let answer = world.get("bad.test", "/", "");
        assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 504 Gateway Timeout", &b"Gateway Timeout"[..]));
    }
    assert_eq!(world.get("good.test", "/", "").body, b"good", "a route of its own, a breaker of its own");
    world.apply(|config| service(config, "other", &[]));
    assert_eq!(world.get("bad.test", "/", "").line(), "HTTP/1.1 504 Gateway Timeout", "a reload changes nothing");
    world.apply(|config| middleware(config, "breaker", breaker("NetworkErrorRatio() > 0.50", 3_600_000)));
    assert_eq!(world.get("bad.test", "/", "").line(), "HTTP/1.1 502 Bad Gateway", "another breaker");
}

#[test]
fn a_service_that_recovers_is_used_again() {
    let ill = Arc::new(AtomicBool::new(true));
    let told = ill.clone();
    let backend = Backend::script(move |_, stream| {
        let status = if told.load(SeqCst) { "500 Internal Server Error" } else { "200 OK" };
        reply(stream, status, &[], b"")
    });
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "breaker", breaker("ResponseCodeRatio(500, 600, 0, 600) > 0.25", 50));
        route(config, "app", "app", &["breaker"]);
    });
    let ask = || world.get("app.test", "/", "").line().to_owned();
    assert_eq!([ask(), ask()], ["HTTP/1.1 500 Internal Server Error", "HTTP/1.1 504 Gateway Timeout"]);
    ill.store(false, SeqCst);
    until("it is tried", || ask() == "HTTP/1.1 200 OK");
    until("it is used", || (0..5).all(|_| ask() == "HTTP/1.1 200 OK"));
}

#[test]
fn a_slow_service_is_spared() {
    let backend = Backend::script(|_, stream| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        reply(stream, "200 OK", &[], b"slow")
    });
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "breaker", breaker("LatencyAtQuantileMS(50.0) >= 15", 3_600_000));
        route(config, "app", "app", &["breaker"]);
    });
    assert_eq!(world.get("app.test", "/", "").body, b"slow");
    until("it opened", || world.get("app.test", "/", "").line() == "HTTP/1.1 504 Gateway Timeout");
}

#[test]
fn an_expression_that_says_nothing_closes_the_route() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "breaker", breaker("Errors() > 1", 50));
        route(config, "app", "app", &["breaker"]);
    });
    assert_eq!(world.get("app.test", "/", "").line(), "HTTP/1.1 503 Service Unavailable");
    let told = &world.problems[0];
    assert_eq!(told.object.name, "breaker@file");
    assert!(told.message.starts_with("expression: \"Errors() > 1\" is none of"), "{}", told.message);
}
