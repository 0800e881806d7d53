//! `basicAuth` on a running proxy.

use crate::support::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use baton_routing::config::{BasicAuth, Middleware};

fn login(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn world(backend: &Backend, auth: BasicAuth) -> World {
    World::new(|config| {
        service(config, "app", &[backend.url()]);
        middleware(config, "auth", Middleware::BasicAuth(auth));
        route(config, "app", "app", &["auth"]);
        route(config, "open", "app", &[]);
    })
}

#[test]
fn only_users_with_their_password_pass() {
    let backend = Backend::named("app");
    let users = vec![
        "bob:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/".to_owned(),
        "sha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=".to_owned(),
        format!("ann:{}", bcrypt::hash("secret", 4).unwrap()),
    ];
    let world = world(&backend, BasicAuth { users, ..BasicAuth::default() });
    for fields in [String::new(), login("bob", "no"), login("nobody", "test"), login("ann", ""), login("", "test")] {
        let answer = world.get("app.test", "/", &fields);
        assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 401 Unauthorized", &b"401 Unauthorized\n"[..]));
        assert_eq!(answer.field("Www-Authenticate"), Some("Basic realm=\"traefik\""));
    }
    assert_eq!(backend.count(), 0);
    for (user, password) in [("bob", "test"), ("sha", "password"), ("ann", "secret"), ("ann", "secret")] {
        assert_eq!(world.get("app.test", "/", &login(user, password)).body, b"app", "{user}");
        assert!(backend.last().field("Authorization").is_some());
    }
}

#[test]
fn the_backend_learns_the_name_only() {
    let backend = Backend::named("app");
    let world = world(
        &backend,
        BasicAuth {
            users: vec!["bob:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/".into()],
            realm: "r2".into(),
            remove_header: true,
            header_field: "X-User".into(),
            ..BasicAuth::default()
        },
    );
    assert_eq!(world.get("app.test", "/", "").field("Www-Authenticate"), Some("Basic realm=\"r2\""));
    world.get("app.test", "/", &format!("X-User: root\r\n{}", login("bob", "test")));
    let request = backend.last();
    assert_eq!((request.field("X-User"), request.field("Authorization")), (Some("bob"), None));
}

#[test]
fn a_reload_reads_the_users_file_again() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n").unwrap();
    let backend = Backend::named("app");
    let users_file = file.path().to_str().unwrap().to_owned();
    let mut world = world(&backend, BasicAuth { users_file, ..BasicAuth::default() });
    assert_eq!(world.get("app.test", "/", &login("bob", "password")).body, b"app");
    std::fs::write(file.path(), "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n").unwrap();
    world.apply(|_| {});
    assert_eq!(world.get("app.test", "/", &login("bob", "password")).line(), "HTTP/1.1 401 Unauthorized");
    assert_eq!(world.get("app.test", "/", &login("ann", "password")).body, b"app");
}

#[test]
fn slow_hashes_hold_up_nobody_else() {
    let backend = Backend::named("app");
    let hash = bcrypt::hash("secret", 9).unwrap();
    let world = world(&backend, BasicAuth { users: vec![format!("ann:{hash}")], ..BasicAuth::default() });
    // Wrong passwords keep every checking thread busy while others are served by the same cores.
    let mut guesses: Vec<_> = (0..12).map(|_| world.client()).collect();
    for guess in &mut guesses {
        guess.send(format!("GET / HTTP/1.1\r\nHost: app.test\r\n{}\r\n", login("ann", "guess")));
    }
    let mut others = 0;
    let refused = std::thread::spawn(move || {
        guesses.iter_mut().all(|guess| guess.response().line() == "HTTP/1.1 401 Unauthorized")
    });
    while !refused.is_finished() {
        assert_eq!(world.get("open.test", "/", "").body, b"app");
        others += 1;
    }
    assert!(refused.join().unwrap());
    assert!(others > 3, "{others} served meanwhile");
}
