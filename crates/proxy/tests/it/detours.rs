//! Middlewares that ask another server: `errors` and `forwardAuth`.

use crate::support::*;
use baton_routing::config::{Errors, ForwardAuth, Middleware};

#[test]
fn error_pages_come_from_another_service() {
    let backend = Backend::script(|request, stream| {
        let status = if request.line().contains("boom") { "503 Service Unavailable" } else { "404 Not Found" };
        reply(stream, status, &["X-Own: 1"], b"own")
    });
    let pages = Backend::script(|request, stream| reply(stream, "200 OK", &["X-Err: 1"], request.line().as_bytes()));
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        service(config, "dead", &[format!("http://{dead}")]);
        service(config, "pages", &[pages.url()]);
        let errors = Errors {
            status: vec!["500-599".into()],
            status_rewrites: [("502".to_owned(), 500)].into_iter().collect(),
            service: "pages".into(),
            query: "/page?s={status}&o={originalStatus}&u={url}".into(),
            ..Errors::default()
        };
        middleware(config, "errors", Middleware::Errors(errors));
        route(config, "app", "app", &["errors"]);
        route(config, "dead", "dead", &["errors"]);
    });
    let answer = world
        .client()
        .send("POST /boom?z=1 HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab")
        .response();
    assert_eq!(answer.line(), "HTTP/1.1 503 Service Unavailable");
    assert_eq!((answer.field("X-Err"), answer.field("X-Own")), (Some("1"), None));
    let text = "GET /page?s=503&o=503&u=http%3A%2F%2Fapp.test%2Fboom%3Fz%3D1 HTTP/1.1";
    assert_eq!(String::from_utf8_lossy(&answer.body), text);
    assert_eq!(pages.last().field("Host"), Some("app.test"));
    assert_eq!(world.get("app.test", "/", "").body, b"own");
    let answer = world.get("dead.test", "/", "");
    assert_eq!(answer.line(), "HTTP/1.1 500 Internal Server Error");
    assert!(answer.body.starts_with(b"GET /page?s=500&o=502&"));
}

fn guarded(backend: &Backend, auth: ForwardAuth) -> World {
    World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "auth", Middleware::ForwardAuth(Box::new(auth)));
        route(config, "app", "app", &["auth"]);
    })
}

fn guard() -> Backend {
    Backend::script(|request, stream| match request.field("Authorization") {
        Some("good") => reply(stream, "200 OK", &["X-Auth-User: bob", "Set-Cookie: sid=1", "Set-Cookie: b=2"], b""),
        Some("away") => reply(stream, "302 Found", &["Location: /login"], b""),
        _ => reply(stream, "401 Unauthorized", &["X-Deny: yes"], b"no"),
    })
}

#[test]
fn another_server_decides() {
    let guard = guard();
    let backend = Backend::script(|request, stream| {
        reply(stream, "200 OK", &["Set-Cookie: sid=own", "Set-Cookie: mine=1"], &request.body)
    });
    let world = guarded(
        &backend,
        ForwardAuth {
            address: format!("{}/auth", guard.url()),
            auth_response_headers: vec!["X-Auth-User".into()],
            add_auth_cookies_to_response: vec!["sid".into()],
            ..ForwardAuth::default()
        },
    );
    let answer = world.get("app.test", "/x?y=1", "X-Forwarded-Uri: /evil\r\n");
    assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 401 Unauthorized", &b"no"[..]));
    assert_eq!(answer.field("X-Deny"), Some("yes"));
    let question = guard.last();
    assert_eq!(question.line(), "GET /auth HTTP/1.1");
    assert_eq!(question.field("X-Forwarded-Method"), Some("GET"));
    assert_eq!(question.field("X-Forwarded-Uri"), Some("/x?y=1"));
    assert_eq!(question.field("X-Forwarded-Host"), Some("app.test"));
    assert_eq!(question.field("X-Forwarded-For"), Some("127.0.0.1"));
    assert_eq!(
        world.get("app.test", "/", "Authorization: away\r\n").field("Location"),
        Some(&*format!("{}/login", guard.url()))
    );
    assert_eq!(backend.count(), 0);
    let answer = world
        .client()
        .send("POST / HTTP/1.1\r\nHost: app.test\r\nAuthorization: good\r\nX-Auth-User: evil\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        .response();
    assert_eq!(answer.body, b"abc");
    assert_eq!(answer.head.matches("Set-Cookie: ").count(), 2);
    assert!(answer.head.contains("Set-Cookie: sid=1\r\n") && answer.head.contains("Set-Cookie: mine=1\r\n"));
    let request = backend.last();
    assert_eq!(request.head.matches("X-Auth-User").count(), 1);
    assert_eq!(request.field("X-Auth-User"), Some("bob"));
    assert!(guard.last().body.is_empty());
}

#[test]
fn without_a_verdict_nobody_passes() {
    let backend = Backend::named("app");
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = guarded(&backend, ForwardAuth { address: format!("http://{dead}"), ..ForwardAuth::default() });
    let answer = world.get("app.test", "/", "");
    assert_eq!((answer.line(), answer.body.len()), ("HTTP/1.1 500 Internal Server Error", 0));
    assert_eq!(backend.count(), 0);
}

#[test]
fn the_body_is_shown_to_the_guard_when_asked_for() {
    let (guard, backend) = (guard(), Backend::named("app"));
    let world = guarded(
        &backend,
        ForwardAuth { address: guard.url(), forward_body: true, max_body_size: Some(4), ..ForwardAuth::default() },
    );
    let post = |body: &str| {
        let length = body.len();
        world
            .client()
            .send(format!(
                "POST / HTTP/1.1\r\nHost: app.test\r\nAuthorization: good\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ))
            .response()
    };
    assert_eq!(post("abcd").body, b"app");
    assert_eq!((guard.last().body, backend.last().body), (b"abcd".to_vec(), b"abcd".to_vec()));
    assert_eq!(post("abcde").line(), "HTTP/1.1 413 Payload Too Large");
    assert_eq!((guard.count(), backend.count()), (0, 0));
}
