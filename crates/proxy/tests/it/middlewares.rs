//! Middlewares on a running proxy, on both paths.

use crate::support::*;
use baton_routing::config::{
    self, Headers, IpAllowList, IpStrategy, Middleware, RedirectRegex, RedirectScheme, Retry, StripPrefix,
};

fn with(generic: bool, backend: &Backend, names: &[&str], kinds: Vec<(&str, Middleware)>) -> World {
    World::on(generic, |config| {
        service(config, "app", &[backend.url()]);
        for (name, kind) in kinds {
            middleware(config, name, kind);
        }
        route(config, "app", "app", names);
        entry_point(config).forwarded_headers.insecure = true;
    })
}

fn both(check: impl Fn(bool)) {
    check(false);
    check(true);
}

fn named(pairs: &[(&str, &str)]) -> config::Named<String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn headers_are_edited_both_ways() {
    both(|generic| {
        let backend = Backend::script(|_, stream| reply(stream, "200 OK", &["SERVER: origin", "X-Old: 1"], b""));
        let headers = Headers {
            custom_request_headers: named(&[("X-Added", "a"), ("X-Gone", ""), ("host", "inner.test")]),
            custom_response_headers: named(&[("server", ""), ("X-Old", "2")]),
            frame_deny: true,
            content_type_nosniff: true,
            sts_seconds: 60,
            ..Headers::default()
        };
        let world = with(generic, &backend, &["h"], vec![("h", Middleware::Headers(Box::new(headers)))]);
        let answer = world.get("app.test", "/", "x-gone: 1\r\nOrigin: x\r\n");
        let request = backend.last();
        assert_eq!(request.field("Host"), Some("inner.test"));
        assert_eq!(request.field("X-Forwarded-Host"), Some("app.test"));
        assert_eq!(request.field("X-Added"), Some("a"));
        assert_eq!(request.field("X-Gone"), None);
        assert_eq!(answer.field("Server"), None);
        assert_eq!(answer.field("X-Old"), Some("2"));
        assert_eq!(answer.field("X-Frame-Options"), Some("DENY"));
        assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(answer.field("Strict-Transport-Security"), None, "clear text");
    });
}

#[test]
fn a_preflight_is_answered_here() {
    both(|generic| {
        let backend = Backend::named("app");
        let headers = Headers {
            access_control_allow_methods: vec!["GET".into(), "PUT".into()],
            access_control_allow_origin_list: vec!["https://a.test".into()],
            access_control_max_age: 100,
            add_vary_header: true,
            ..Headers::default()
        };
        let world = with(generic, &backend, &["h"], vec![("h", Middleware::Headers(Box::new(headers)))]);
        let answer = world
            .client()
            .send("OPTIONS / HTTP/1.1\r\nHost: app.test\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n")
            .response();
        assert_eq!(answer.line(), "HTTP/1.1 200 OK");
        assert_eq!(answer.field("Access-Control-Allow-Methods"), Some("GET,PUT"));
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("https://a.test"));
        assert!(answer.body.is_empty());
        assert_eq!(backend.count(), 0);
        let answer = world.get("app.test", "/", "Origin: https://a.test\r\n");
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("https://a.test"));
        assert_eq!(answer.field("Vary"), Some("Origin"));
        assert_eq!(world.get("app.test", "/", "Origin: https://b.test\r\n").field("Access-Control-Allow-Origin"), None);
    });
}

#[test]
fn sources_outside_the_list_are_refused() {
    both(|generic| {
        let backend = Backend::named("app");
        let list = |range: &str, depth| {
            Middleware::IpAllowList(IpAllowList {
                source_range: vec![range.into()],
                ip_strategy: (depth > 0).then(|| IpStrategy { depth, ..IpStrategy::default() }),
                ..IpAllowList::default()
            })
        };
        let world = with(generic, &backend, &["near"], vec![("near", list("127.0.0.1/32", 0))]);
        assert_eq!(world.get("app.test", "/", "X-Forwarded-For: 9.9.9.9\r\n").body, b"app");
        let world = with(generic, &backend, &["far"], vec![("far", list("10.0.0.0/8", 0))]);
        let answer = world.get("app.test", "/", "X-Forwarded-For: 10.1.1.1\r\n");
        assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 403 Forbidden", &b"Forbidden"[..]));
        let world = with(generic, &backend, &["deep"], vec![("deep", list("10.0.0.0/8", 2))]);
        assert_eq!(world.get("app.test", "/", "X-Forwarded-For: 10.1.1.1, 9.9.9.9\r\n").body, b"app");
        assert_eq!(world.get("app.test", "/", "X-Forwarded-For: 9.9.9.9\r\n").line(), "HTTP/1.1 403 Forbidden");
    });
}

#[test]
fn redirects_keep_methods() {
    both(|generic| {
        let backend = Backend::named("app");
        let scheme = |port: &str, permanent| {
            Middleware::RedirectScheme(RedirectScheme {
                scheme: "https".into(),
                port: port.into(),
                permanent,
                ..RedirectScheme::default()
            })
        };
        let world = with(generic, &backend, &["s"], vec![("s", scheme("8443", true))]);
        let answer = world.get("app.test:81", "/x?y=1", "");
        assert_eq!(
            (answer.line(), answer.field("Location")),
            ("HTTP/1.1 301 Moved Permanently", Some("https://app.test:8443/x?y=1"))
        );
        let answer = world.client().send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\n\r\nab").response();
        assert_eq!(answer.line(), "HTTP/1.1 308 Permanent Redirect");
        let world = with(generic, &backend, &["s"], vec![("s", scheme("", false))]);
        assert_eq!(world.get("app.test", "/", "").field("Location"), Some("https://app.test/"));
        assert_eq!(
            world.client().send("HEAD / HTTP/1.1\r\nHost: app.test\r\n\r\n").head().lines().next(),
            Some("HTTP/1.1 307 Temporary Redirect")
        );
        // A trusted proxy in front did TLS already.
        assert_eq!(world.get("app.test", "/", "X-Forwarded-Proto: https\r\n").body, b"app");
        let regex = RedirectRegex {
            regex: "^https?://app.test/(.*)".into(),
            replacement: "https://t.test/${1}".into(),
            permanent: true,
        };
        let world = with(generic, &backend, &["r"], vec![("r", Middleware::RedirectRegex(regex))]);
        assert_eq!(world.get("app.test", "/x?y=1", "").field("Location"), Some("https://t.test/x?y=1"));
        assert_eq!(backend.count(), 1);
    });
}

#[test]
fn prefixes_are_stripped_and_outer_filters_see_inner_answers() {
    both(|generic| {
        let backend = Backend::named("app");
        let strip = StripPrefix { prefixes: vec!["/api/v1".into(), "/api".into()], ..StripPrefix::default() };
        let headers = Headers { custom_response_headers: named(&[("X-Outer", "1")]), ..Headers::default() };
        let closed = IpAllowList { source_range: vec!["10.0.0.0/8".into()], ..IpAllowList::default() };
        let world = with(generic, &backend, &["strip"], vec![("strip", Middleware::StripPrefix(strip))]);
        world.get("app.test", "/api/v1/x?q", "");
        let request = backend.last();
        assert_eq!((request.line(), request.field("X-Forwarded-Prefix")), ("GET /x?q HTTP/1.1", Some("/api/v1")));
        world.get("app.test", "/api", "");
        assert_eq!(backend.last().line(), "GET / HTTP/1.1");
        let kinds = vec![("h", Middleware::Headers(Box::new(headers))), ("list", Middleware::IpAllowList(closed))];
        let world = with(generic, &backend, &["h", "list"], kinds);
        let answer = world.get("app.test", "/", "");
        assert_eq!((answer.line(), answer.field("X-Outer")), ("HTTP/1.1 403 Forbidden", Some("1")));
    });
}

#[test]
fn retry_hides_a_dead_server_and_repeats_by_status() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let live = Backend::script(|request, stream| reply(stream, "200 OK", &[], &request.body));
    let failing = Backend::script(|_, stream| reply(stream, "503 Service Unavailable", &[], b"no"));
    let world = World::new(|config| {
        service(config, "app", &[format!("http://{dead}"), live.url()]);
        service(config, "sad", &[failing.url()]);
        middleware(config, "retry", Middleware::Retry(Retry { attempts: 3, ..Retry::default() }));
        middleware(
            config,
            "status",
            Middleware::Retry(Retry { attempts: 3, status: vec!["500-599".into()], ..Retry::default() }),
        );
        route(config, "app", "app", &["retry"]);
        route(config, "sad", "sad", &["status"]);
    });
    for _ in 0..6 {
        let answer = world
            .client()
            .send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
            .response();
        assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 200 OK", &b"abc"[..]));
    }
    assert_eq!(world.get("sad.test", "/", "").line(), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(failing.count(), 3);
    world
        .client()
        .send("POST / HTTP/1.1\r\nHost: sad.test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        .response();
    assert_eq!(failing.count(), 4);
}

#[test]
fn a_kind_that_is_not_implemented_closes_its_routes() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "plugin", Middleware::Plugin(config::Named::new()));
        route(config, "app", "app", &["plugin"]);
        route(config, "open", "app", &[]);
    });
    assert_eq!(world.get("app.test", "/", "").line(), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(world.get("open.test", "/", "").body, b"app");
    assert_eq!(backend.count(), 1);
}
