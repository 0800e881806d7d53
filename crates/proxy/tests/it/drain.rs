//! Pausing, handing sockets over, and the three beats of the way down.

use crate::support::*;
use baton_net::activation::Inherited;
use baton_proxy::{DrainPlan, Engine, EngineConfig};
use baton_routing::Rule;
use baton_routing::config::{Internal, Router, Service};
use baton_routing::table::{Implemented, compile};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

fn with_ping(backend: &Backend) -> World {
    World::new(|config| {
        service(config, "app", &[backend.url()]);
        route(config, "app", "app", &[]);
        config.http.services.insert(Internal::Ping.name().into(), Service::Internal(Internal::Ping));
        let router = Router {
            entry_points: vec!["web".into()],
            rule: "Path(`/ping`)".into(),
            service: Internal::Ping.name().into(),
            matcher: Some(Rule::Path("/ping".into())),
            ..Router::default()
        };
        config.http.routers.insert("ping@file".into(), router);
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn the_way_down_tells_drains_and_ends() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let backend = Backend::script(move |request, stream| {
        if request.line().contains("/slow") {
            gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        reply(stream, "200 OK", &[], b"done")
    });
    let world = with_ping(&backend);
    let address = world.address("web");
    assert_eq!(world.get("x", "/ping", "").body, b"OK");
    let mut idle = world.client();
    idle.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").response();
    let mut slow = world.client();
    slow.send("GET /slow HTTP/1.1\r\nHost: app.test\r\n\r\n");
    let plan = DrainPlan {
        accept_grace: Duration::from_millis(400),
        idle_grace: Duration::from_millis(300),
        grace: Duration::from_secs(8),
    };
    let engine = world.engine;
    let ended = std::thread::spawn(move || runtime().block_on(engine.shutdown(plan)).unwrap());
    // First beat: new connections are served, and ping says why they should look elsewhere.
    let ping = std::iter::repeat_with(|| {
        Client::connect(address).send("GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").response()
    })
    .find(|answer| answer.line() != "HTTP/1.1 200 OK")
    .unwrap();
    assert_eq!(ping.line(), "HTTP/1.1 503 Service Unavailable");
    let answer =
        Client::connect(address).send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").response();
    assert_eq!(answer.body, b"done");
    // Second beat: the idle connection ends without a word, the request in flight with its whole answer.
    assert!(idle.rest().is_empty());
    go.send(()).unwrap();
    let answer = slow.response();
    assert_eq!((&answer.body[..], answer.field("Connection")), (&b"done"[..], Some("close")));
    assert_eq!(ended.join().unwrap().cut, 0);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn what_outlasts_the_grace_is_cut_tunnels_included() {
    let backend = Backend::script(|_, stream| {
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n").unwrap();
        let _ = stream.read(&mut [0; 16]);
        false
    });
    let world = simple(false, &backend);
    let mut tunnel = world.client();
    tunnel.send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n").head();
    let plan =
        DrainPlan { accept_grace: Duration::ZERO, idle_grace: Duration::ZERO, grace: Duration::from_millis(200) };
    assert_eq!(runtime().block_on(world.engine.shutdown(plan)).unwrap().cut, 1);
    assert!(tunnel.rest().is_empty());
}

#[test]
fn a_successor_takes_the_sockets_over_without_a_refused_connection() {
    let backend = Backend::named("app");
    let old = simple(false, &backend);
    let address = old.address("web");
    let mut kept = old.client();
    kept.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").response();
    let mut inherited = Inherited::default();
    for (name, socket) in old.engine.sockets().unwrap() {
        assert!(name.starts_with("web."), "{name}");
        inherited.add(&name, socket);
    }
    let table = Arc::new(compile(&old.config, &Implemented::ALL));
    // Fewer workers than sockets: one serves several.
    let options = EngineConfig { workers: 1, inherited, ..EngineConfig::new(table) };
    let (new, _) = Engine::start(options).unwrap();
    assert_eq!(new.bound(), old.engine.bound());
    old.engine.pause().unwrap();
    let get = || {
        Client::connect(address).send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").response().body
    };
    for _ in 0..50 {
        assert_eq!(get(), b"app");
    }
    // Paused, not gone: its connections go on, and it can take the sockets back.
    assert_eq!(kept.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").response().body, b"app");
    new.pause().unwrap();
    old.engine.resume().unwrap();
    for _ in 0..50 {
        assert_eq!(get(), b"app");
    }
    new.resume().unwrap();
    drop(old);
    for _ in 0..50 {
        assert_eq!(get(), b"app");
    }
}

#[test]
fn a_successor_is_reached_alone_before_it_accepts() {
    let (backend, other) = (Backend::named("old"), Backend::named("new"));
    let old = simple(false, &backend);
    let mut inherited = Inherited::default();
    for (name, socket) in old.engine.sockets().unwrap() {
        inherited.add(&name, socket);
    }
    let mut config = old.config.clone();
    service(&mut config, "app", &[other.url()]);
    let table = Arc::new(compile(&config, &Implemented::ALL));
    let options = EngineConfig { workers: 2, paused: true, inherited, ..EngineConfig::new(table) };
    let (new, _) = Engine::start(options).unwrap();
    let alone = new.listen_alone().unwrap();
    let shared = old.address("web");
    let [(port, private)] = alone[..] else { panic!("{alone:?}") };
    assert_eq!((port, private.ip()), (shared.port(), shared.ip()));
    let get = |address| {
        Client::connect(address).send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").response().body
    };
    for _ in 0..20 {
        assert_eq!((get(private), get(shared)), (b"new".to_vec(), b"old".to_vec()));
    }
    new.resume().unwrap();
    old.engine.pause().unwrap();
    for _ in 0..20 {
        assert_eq!(get(shared), b"new");
    }
    let started = std::time::Instant::now();
    while std::net::TcpStream::connect(private).is_ok() {
        assert!(started.elapsed() < Duration::from_secs(5), "its own address is closed once it accepts");
    }
}

#[test]
fn a_silent_client_is_let_go() {
    let backend = Backend::named("app");
    let world = World::new(|config| {
        service(config, "app", &[backend.url()]);
        route(config, "app", "app", &[]);
        entry_point(config).transport.responding_timeouts.read_timeout = Duration::from_millis(300).into();
        entry_point(config).transport.responding_timeouts.idle_timeout = Duration::from_millis(300).into();
    });
    let mut silent = world.client();
    let mut slow = world.client();
    slow.send("GET / HTTP/1.1\r\nHost: ap");
    let mut idle = world.client();
    idle.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").response();
    for client in [&mut silent, &mut slow, &mut idle] {
        assert!(client.rest().is_empty());
    }
}
