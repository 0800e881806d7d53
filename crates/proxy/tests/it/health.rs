//! Health of servers: found by probes, and by what requests came to.

use crate::support::*;
use crate::tls::{certificate, secure};
use baton_proxy::health::Probes;
use baton_routing::config::{
    self, Config, Failover, HealthCheck, LoadBalancer, PassiveHealthCheck, Server, ServersTransport, Service, Timespan,
};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// Quick enough for tests.
fn check(path: &str) -> HealthCheck {
    HealthCheck { path: path.into(), interval: Timespan::from_millis(20), ..HealthCheck::default() }
}

fn checked(config: &mut Config, name: &str, urls: &[String], check: HealthCheck) {
    service(config, name, urls);
    balancer(config, name).health_check = Some(check);
    route(config, name, name, &[]);
}

fn balancer<'a>(config: &'a mut Config, name: &str) -> &'a mut LoadBalancer {
    match config.http.services.get_mut(&format!("{name}@file")) {
        Some(Service::LoadBalancer(balancer)) => balancer,
        _ => panic!("no balancer {name}"),
    }
}

/// Probes of a world, on a runtime of their own.
struct Watched {
    world: World,
    probes: Probes,
    runtime: Runtime,
}

impl Watched {
    fn new(edit: impl FnOnce(&mut Config)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut watched = Self { world: World::new(edit), probes: Probes::default(), runtime };
        watched.follow();
        watched
    }

    fn follow(&mut self) {
        let _runtime = self.runtime.enter();
        self.probes.follow(&self.world.engine);
    }

    fn apply(&mut self, edit: impl FnOnce(&mut Config)) {
        self.world.apply(edit);
        self.follow();
    }

    fn is_up(&self, url: &str) -> bool {
        self.world.engine.snapshot().servers().find(|server| *server.url == *url).unwrap().is_healthy()
    }

    fn becomes(&self, url: &str, up: bool) {
        until(if up { "up" } else { "down" }, || self.is_up(url) == up);
    }
}

/// A server whose `/health` can be broken.
fn ailing(name: &'static str) -> (Backend, Arc<AtomicBool>) {
    let ill = Arc::new(AtomicBool::new(false));
    let told = ill.clone();
    let backend = Backend::script(move |request, stream| {
        let failing = request.line().contains("/health") && told.load(SeqCst);
        reply(stream, if failing { "503 Service Unavailable" } else { "200 OK" }, &[], name.as_bytes())
    });
    (backend, ill)
}

#[test]
fn a_failing_server_leaves_and_returns() {
    let (one, one_ill) = ailing("one");
    let (two, two_ill) = ailing("two");
    let watched = Watched::new(|config| checked(config, "app", &[one.url(), two.url()], check("/health?deep=1")));
    let ask = || watched.world.get("app.test", "/", "");
    until("both answer", || [ask(), ask()].map(|answer| answer.body) != [b"one".to_vec(), b"one".to_vec()]);
    one_ill.store(true, SeqCst);
    watched.becomes(&one.url(), false);
    assert!((0..6).all(|_| ask().body == b"two"));
    two_ill.store(true, SeqCst);
    watched.becomes(&two.url(), false);
    assert_eq!(ask().line(), "HTTP/1.1 503 Service Unavailable");
    one_ill.store(false, SeqCst);
    watched.becomes(&one.url(), true);
    assert_eq!(ask().body, b"one");
    let requests = one.requests.lock().unwrap();
    let probe = requests.iter().find(|request| request.line().contains("/health")).unwrap();
    assert_eq!(probe.line(), "GET /health?deep=1 HTTP/1.1");
    assert!(probe.head.contains(&format!("Host: {}\r\n", one.address)), "{}", probe.head);
}

#[test]
fn an_open_connection_is_not_touched_when_its_server_goes() {
    let (one, ill) = ailing("one");
    let watched = Watched::new(|config| checked(config, "app", &[one.url()], check("/health")));
    let mut client = watched.world.client();
    let request = "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n";
    assert_eq!(client.send(request).response().body, b"one");
    ill.store(true, SeqCst);
    watched.becomes(&one.url(), false);
    assert_eq!(client.send(request).response().line(), "HTTP/1.1 503 Service Unavailable");
    ill.store(false, SeqCst);
    watched.becomes(&one.url(), true);
    assert_eq!(client.send(request).response().body, b"one");
}

#[test]
fn the_fallback_answers_while_the_main_service_is_down() {
    let ((main, ill), fallback) = (ailing("main"), Backend::named("fallback"));
    let watched = Watched::new(|config| {
        checked(config, "main", &[main.url()], check("/health"));
        service(config, "fallback", &[fallback.url()]);
        let failover = Failover { service: "main".into(), fallback: "fallback".into(), ..Failover::default() };
        config.http.services.insert("both@file".into(), Service::Failover(failover));
        route(config, "both", "both", &[]);
    });
    let ask = || watched.world.get("both.test", "/", "").body;
    assert_eq!(ask(), b"main");
    ill.store(true, SeqCst);
    until("the fallback answers", || ask() == b"fallback");
    ill.store(false, SeqCst);
    until("the main service answers", || ask() == b"main");
}

#[test]
fn a_reload_keeps_what_was_found_and_asks_again_at_once() {
    let (one, ill) = ailing("one");
    let slow = HealthCheck { interval: Timespan::from_secs(3600), ..check("/health") };
    let mut watched = Watched::new(|config| checked(config, "app", &[one.url()], slow.clone()));
    until("asked", || one.count() == 1);
    // Nothing of this service changes: no new probe for an hour.
    watched.apply(|config| service(config, "other", &[]));
    assert_eq!(watched.world.get("app.test", "/", "").body, b"one");
    assert_eq!(one.count(), 2);
    ill.store(true, SeqCst);
    watched.apply(|config| balancer(config, "app").health_check = Some(HealthCheck { method: "HEAD".into(), ..slow }));
    watched.becomes(&one.url(), false);
    assert_eq!(one.last().line(), "HEAD /health HTTP/1.1");
    watched.apply(|config| service(config, "other", &[]));
    assert!(!watched.is_up(&one.url()));
    ill.store(false, SeqCst);
    watched.apply(|config| balancer(config, "app").health_check = Some(check("/health")));
    watched.becomes(&one.url(), true);
    // A service that is not probed any more is up.
    ill.store(true, SeqCst);
    watched.becomes(&one.url(), false);
    watched.apply(|config| balancer(config, "app").health_check = None);
    assert!(watched.is_up(&one.url()));
    assert_eq!(watched.world.get("app.test", "/", "").body, b"one");
}

#[test]
fn a_server_that_starts_late_is_asked_again_soon() {
    let (one, ill) = ailing("one");
    ill.store(true, SeqCst);
    let slow = HealthCheck { interval: Timespan::from_secs(3600), ..check("/health") };
    let watched = Watched::new(|config| checked(config, "app", &[one.url()], slow));
    watched.becomes(&one.url(), false);
    ill.store(false, SeqCst);
    watched.becomes(&one.url(), true);
}

#[test]
fn the_options_shape_the_probe() {
    let (server, probed) =
        (Backend::named("server"), Backend::script(|_, stream| reply(stream, "418 Teapot", &[], b"")));
    let options = HealthCheck {
        port: probed.address.port(),
        hostname: "health.test".into(),
        headers: [("X-Probe".to_owned(), "1".to_owned()), ("Host".to_owned(), "ignored".to_owned())].into(),
        method: "POST".into(),
        status: 418,
        ..check("ready")
    };
    let wrong = HealthCheck { status: 204, ..options.clone() };
    let watched = Watched::new(|config| {
        checked(config, "right", &[format!("{}/base/", server.url())], options);
        checked(config, "wrong", &[format!("{}/", server.url())], wrong);
    });
    watched.becomes(&format!("{}/", server.url()), false);
    let right = || probed.requests.lock().unwrap().iter().filter(|request| request.line().contains("base")).count();
    until("asked twice", || right() > 1);
    assert!(watched.is_up(&format!("{}/base/", server.url())));
    let requests = probed.requests.lock().unwrap();
    let probe = requests.iter().find(|request| request.line().contains("base")).unwrap();
    assert_eq!(probe.line(), "POST /base/ready HTTP/1.1");
    assert_eq!((probe.field("X-Probe"), probe.field("Host")), (Some("1"), Some("health.test")));
    assert_eq!(server.count(), 0);
}

#[test]
fn redirects_are_followed_unless_told_otherwise() {
    let elsewhere = Backend::script(|request, stream| {
        let status = if request.field("X-Secret").is_some() { "400 Bad Request" } else { "200 OK" };
        reply(stream, status, &[], b"")
    });
    let to = format!("Location: {}/there", elsewhere.url());
    let loops = Backend::script(move |request, stream| match request.line() {
        line if line.contains("/loop") => reply(stream, "302 Found", &["Location: /loop"], b""),
        line if line.contains("/away") => reply(stream, "307 Temporary Redirect", &[&to], b""),
        _ => reply(stream, "302 Found", &["Location: away"], b""),
    });
    let stay = HealthCheck { follow_redirects: false, status: 302, ..check("/loop") };
    let away = HealthCheck { headers: [("X-Secret".to_owned(), "1".to_owned())].into(), ..check("/start") };
    let at = |path: &str| format!("{}/{path}", loops.url());
    let watched = Watched::new(|config| {
        checked(config, "away", &[at("a")], away);
        checked(config, "stay", &[at("b")], stay);
        checked(config, "loop", &[at("c")], check("/loop"));
    });
    watched.becomes(&at("c"), false);
    until("asked elsewhere", || elsewhere.count() > 1);
    assert!(watched.is_up(&at("a")) && watched.is_up(&at("b")));
    assert_eq!(elsewhere.last().line(), "GET /there HTTP/1.1");
}

#[test]
fn silence_and_refusal_are_failures() {
    let silent = Backend::script(|_, _| {
        std::thread::park();
        false
    });
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{gone}");
    let quick = HealthCheck { timeout: Timespan::from_millis(50), ..check("/") };
    let watched = Watched::new(|config| {
        checked(config, "silent", &[silent.url()], quick.clone());
        checked(config, "gone", std::slice::from_ref(&gone), quick);
    });
    watched.becomes(&silent.url(), false);
    watched.becomes(&gone, false);
}

#[test]
fn probes_use_the_services_transport() {
    let backend = Backend::named("app");
    let identity = certificate(&["inner.test"]);
    let inner = World::new(|config| {
        service(config, "app", &[backend.url()]);
        secure(config, &[("inner.test", "")]);
        config.tls.certificates = vec![identity.clone()];
    });
    let url = format!("https://{}", inner.address("websecure"));
    let check = HealthCheck { hostname: "inner.test".into(), ..check("/") };
    let watched = Watched::new(|config| {
        checked(config, "strict", &[format!("{url}/strict")], check.clone());
        checked(config, "known", &[format!("{url}/known")], check);
        let transport = ServersTransport {
            root_cas: vec![identity.cert_file.clone()],
            server_name: "inner.test".into(),
            ..ServersTransport::default()
        };
        config.http.servers_transports.insert("inner@file".into(), transport);
        balancer(config, "known").servers_transport = "inner".into();
    });
    watched.becomes(&format!("{url}/strict"), false);
    until("asked", || backend.count() > 1);
    assert!(watched.is_up(&format!("{url}/known")));
}

/// A gRPC server that says whether it is serving, and sees one call after the other.
fn grpc_server(runtime: &Runtime, serving: Arc<AtomicBool>) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/grpc.health.v1.Health/Check"));
                let status = if serving.load(SeqCst) { 1 } else { 2 };
                let mut body = respond.send_response(http::Response::new(()), false).unwrap();
                body.send_data(vec![0, 0, 0, 0, 2, 8, status].into(), false).unwrap();
                body.send_trailers(
                    [(http::HeaderName::from_static("grpc-status"), "0".parse().unwrap())].into_iter().collect(),
                )
                .unwrap();
            }
        }
    });
    format!("http://{address}")
}

#[test]
fn grpc_servers_are_asked_in_their_own_way() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let serving = Arc::new(AtomicBool::new(false));
    let url = grpc_server(&runtime, serving.clone());
    let plain = Backend::named("no gRPC");
    let grpc = HealthCheck { mode: "grpc".into(), timeout: Timespan::from_millis(500), ..check("") };
    let watched = Watched::new(|config| {
        checked(config, "app", std::slice::from_ref(&url), grpc.clone());
        checked(config, "plain", &[plain.url()], grpc);
    });
    watched.becomes(&url, false);
    serving.store(true, SeqCst);
    watched.becomes(&url, true);
    watched.becomes(&plain.url(), false);
}

#[test]
fn a_server_that_fails_requests_is_left_alone_for_a_while() {
    let broken = Arc::new(Mutex::new("500 Internal Server Error"));
    let told = broken.clone();
    let bad = Backend::script(move |_, stream| reply(stream, *told.lock().unwrap(), &[], b"bad"));
    let good = Backend::named("good");
    let window = Timespan::from_secs(1);
    let world = World::new(|config| {
        service(config, "app", &[bad.url(), good.url()]);
        balancer(config, "app").passive_health_check =
            Some(PassiveHealthCheck { failure_window: window, max_failed_attempts: 2 });
        route(config, "app", "app", &[]);
    });
    let ask = || world.get("app.test", "/", "").body;
    // Each second request goes to the bad one, until it failed twice.
    let answers: Vec<_> = (0..8).map(|_| ask()).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == b"bad").count(), 2, "{answers:?}");
    *broken.lock().unwrap() = "200 OK";
    until("another chance", || ask() == b"bad");
    let answers: Vec<_> = (0..8).map(|_| ask()).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == b"bad").count(), 4);
}

#[test]
fn where_there_are_probes_they_bring_a_server_back() {
    let bad = Backend::script(|request, stream| {
        let status = if request.line().contains("/health") { "200 OK" } else { "502 Bad Gateway" };
        reply(stream, status, &[], b"bad")
    });
    let mut watched = Watched::new(|config| {
        service(config, "app", &[bad.url()]);
        balancer(config, "app").passive_health_check =
            Some(PassiveHealthCheck { failure_window: Timespan::from_secs(3600), max_failed_attempts: 1 });
        balancer(config, "app").health_check =
            Some(HealthCheck { interval: Timespan::from_secs(3600), ..check("/health") });
        route(config, "app", "app", &[]);
    });
    until("probed", || bad.count() > 0);
    until("the request failed", || watched.world.get("app.test", "/", "").body == b"bad");
    assert_eq!(watched.world.get("app.test", "/", "").line(), "HTTP/1.1 503 Service Unavailable");
    watched.apply(|config| balancer(config, "app").pass_host_header = false);
    watched.becomes(&bad.url(), true);
}

#[test]
fn strategies_choose_their_way() {
    let slow = Backend::script(|_, stream| {
        std::thread::sleep(std::time::Duration::from_millis(30));
        reply(stream, "200 OK", &[], b"slow")
    });
    let quick = Backend::named("quick");
    let world = World::new(|config| {
        for (name, strategy) in
            [("time", config::Strategy::LeastTime), ("own", config::Strategy::Hrw), ("two", config::Strategy::P2c)]
        {
            service(config, name, &[slow.url(), quick.url()]);
            balancer(config, name).strategy = strategy;
            balancer(config, name).servers.push(Server { url: quick.url(), weight: Some(0), ..Server::default() });
            route(config, name, name, &[]);
        }
    });
    let ask = |host: &str| world.get(host, "/", "").body;
    // Each is tried once, then the quick one only.
    let answers: Vec<_> = (0..8).map(|_| ask("time.test")).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == b"slow").count(), 1, "{answers:?}");
    let own = ask("own.test");
    assert!((0..5).all(|_| ask("own.test") == own));
    // A request in flight makes a server the worse choice.
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = world.client();
        client.send("POST / HTTP/1.1\r\nHost: two.test\r\nContent-Length: 1\r\n\r\n");
        busy.push(client);
    }
    let in_flight = || world.engine.snapshot().servers().map(|server| server.in_flight()).sum::<i64>();
    until("two requests run", || in_flight() == 2);
    let busiest = world.engine.snapshot().servers().map(|server| server.in_flight()).max();
    assert_eq!(busiest, Some(1), "one each");
}
