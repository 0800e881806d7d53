//! Swapping configurations under load, and entry points that come and go.

use crate::support::*;
use baton_routing::config::EntryPoint;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn no_request_fails_while_configurations_are_swapped() {
    let backend = Backend::named("app");
    let mut world = simple(false, &backend);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let address = world.address("web");
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, done) = (stop.clone(), done.clone());
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").response();
                    assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 200 OK", &b"app"[..]));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..30 {
        let before = done.load(Ordering::Relaxed);
        let url = backend.url();
        world.apply(|config| {
            let name = format!("extra-{round}");
            service(config, &name, &[url]);
            route(config, &name, &name, &[]);
        });
        assert_eq!(world.get(&format!("extra-{round}.test"), "/", "").body, b"app");
        while done.load(Ordering::Relaxed) < before + 8 {
            std::thread::yield_now();
        }
    }
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    // The service that did not change kept its server, and with it the pooled connections.
    assert!(
        backend.connections.load(Ordering::SeqCst) < 4 * 3 + 30 * 2,
        "{}",
        backend.connections.load(Ordering::SeqCst)
    );
}

#[test]
fn a_request_outlives_its_router() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let backend = Backend::script(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").unwrap();
        gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        stream.write_all(b"def").is_ok()
    });
    let mut world = simple(false, &backend);
    let mut client = world.client();
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").head();
    assert_eq!(client.exactly(3), b"abc");
    world.apply(|config| config.http.routers.clear());
    go.send(()).unwrap();
    assert_eq!(client.exactly(3), b"def");
    // The same connection sees the new routes.
    assert_eq!(client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").response().line(), "HTTP/1.1 404 Not Found");
}

#[test]
fn entry_points_appear_and_disappear() {
    let backend = Backend::named("app");
    let mut world = simple(false, &backend);
    world.apply(|config| {
        config
            .entry_points
            .insert("extra".into(), EntryPoint { address: "127.0.0.1:0".into(), ..EntryPoint::default() });
        config.http.routers["app@file"].entry_points.push("extra".into());
    });
    let extra = world.address("extra");
    let answer =
        Client::connect(extra).send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").response();
    assert_eq!(answer.body, b"app");
    world.apply(|config| {
        config.entry_points.shift_remove("extra");
        config.http.routers["app@file"].entry_points.pop();
    });
    // The worker closes its socket in its own time.
    let refused = std::iter::repeat_with(|| TcpStream::connect(extra)).take(10_000).any(|attempt| attempt.is_err());
    assert!(refused, "the socket of a removed entry point still listens");
    assert_eq!(world.get("app.test", "/", "").body, b"app");
}

#[test]
fn an_address_in_use_changes_nothing_and_is_named() {
    let backend = Backend::named("app");
    let world = simple(false, &backend);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let mut config = world.config.clone();
    config.entry_points.insert("taken".into(), EntryPoint { address: address.clone(), ..EntryPoint::default() });
    config.http.routers.clear();
    let table = Arc::new(baton_routing::table::compile(&config, &baton_routing::table::Implemented::ALL));
    let error = world.engine.apply(table).unwrap_err().to_string();
    assert!(
        error.contains("entry point taken") && error.contains(&address) && error.contains("another program"),
        "{error}"
    );
    assert_eq!(world.get("app.test", "/", "").body, b"app");
}

#[test]
fn health_and_turn_survive_a_reload() {
    let (first, second) = (Backend::named("b1"), Backend::named("b2"));
    let mut world = World::new(|config| {
        service(config, "app", &[first.url(), second.url()]);
        route(config, "app", "app", &[]);
    });
    world.engine.set_health("app@file", &first.url(), false);
    let third = Backend::named("b3");
    let urls = [first.url(), second.url(), third.url()];
    world.apply(|config| service(config, "app", &urls));
    let answers: Vec<_> = (0..6).map(|_| String::from_utf8(world.get("app.test", "/", "").body).unwrap()).collect();
    assert!(!answers.contains(&"b1".to_owned()) && answers.contains(&"b3".to_owned()), "{answers:?}");
}
