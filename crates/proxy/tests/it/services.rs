//! Services of services on a running proxy.

use crate::support::*;
use baton_routing::config::{
    Cookie, Failover, FailoverErrors, HighestRandomWeight, LoadBalancer, Mirror, Mirroring, Service, Sticky, Weighted,
    WeightedService,
};

fn member(name: &str) -> WeightedService {
    WeightedService { name: name.into(), ..WeightedService::default() }
}

#[test]
fn the_fallback_answers_for_what_failed() {
    let main = Backend::script(|request, stream| {
        let status = if request.body == b"bad" { "500 Internal Server Error" } else { "200 OK" };
        reply(stream, status, &[], b"main")
    });
    let fallback = Backend::script(|request, stream| reply(stream, "200 OK", &[], &request.body));
    let world = World::new(|config| {
        service(config, "main", &[main.url()]);
        service(config, "fallback", &[fallback.url()]);
        config.http.services.insert("none@file".into(), Service::LoadBalancer(LoadBalancer::default()));
        let errors = FailoverErrors { status: vec!["500-599".into()], max_request_body_bytes: Some(3) };
        let failover = |service: &str, errors| {
            Service::Failover(Failover {
                service: service.into(),
                fallback: "fallback".into(),
                errors,
                health_check: None,
            })
        };
        config.http.services.insert("errors@file".into(), failover("main", Some(errors)));
        config.http.services.insert("down@file".into(), failover("none", None));
        let turns = Weighted { services: vec![member("errors"), member("down")], ..Weighted::default() };
        config.http.services.insert("turns@file".into(), Service::Weighted(turns));
        route(config, "errors", "errors", &[]);
        route(config, "down", "down", &[]);
        route(config, "turns", "turns", &[]);
    });
    let post = |host: &str, body: &str| {
        let length = body.len();
        world
            .client()
            .send(format!(
                "POST / HTTP/1.1\r\nHost: {host}.test\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ))
            .response()
    };
    assert_eq!(post("errors", "fine").body, b"main");
    assert_eq!((main.last().body, fallback.count()), (b"fine".to_vec(), 0));
    let answer = post("errors", "bad");
    assert_eq!((answer.line(), &answer.body[..]), ("HTTP/1.1 200 OK", &b"bad"[..]));
    assert_eq!((main.count(), fallback.count()), (1, 1));
    assert_eq!(post("down", "abc").body, b"abc");
    // In turn with another service, each in its own way.
    let answers = [post("turns", "xyz").body, post("turns", "xyz").body];
    assert_eq!(answers, [b"main".to_vec(), b"xyz".to_vec()]);
}

#[test]
fn a_client_stays_with_its_service() {
    let backends = [Backend::named("a"), Backend::named("b"), Backend::named("c")];
    let world = World::new(|config| {
        for (name, backend) in ["a", "b", "c"].iter().zip(&backends) {
            service(config, name, &[backend.url()]);
        }
        let services = vec![member("a"), member("b"), member("c")];
        let hrw = HighestRandomWeight { services, ..HighestRandomWeight::default() };
        config.http.services.insert("hrw@file".into(), Service::HighestRandomWeight(hrw));
        route(config, "hrw", "hrw", &[]);
    });
    let first = world.get("hrw.test", "/", "").body;
    for _ in 0..6 {
        assert_eq!(world.get("hrw.test", "/", "").body, first);
    }
}

#[test]
fn mirrors_get_copies_that_clients_do_not_feel() {
    let main = Backend::named("main");
    let mirror = Backend::script(|_, stream| reply(stream, "500 Internal Server Error", &[], b"mirror"));
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(|config| {
        service(config, "main", &[main.url()]);
        service(config, "mirror", &[mirror.url()]);
        service(config, "dead", &[format!("http://{dead}")]);
        let mirrors = [("dead", 100), ("mirror", 50)];
        let mirrors = mirrors.map(|(name, percent)| Mirror { name: name.into(), percent }).to_vec();
        let mirroring = |mirror_body, max_body_size| {
            let (service, mirrors) = ("main".into(), mirrors.clone());
            Service::Mirroring(Mirroring { service, mirrors, mirror_body, max_body_size, health_check: None })
        };
        config.http.services.insert("copies@file".into(), mirroring(true, 4));
        config.http.services.insert("heads@file".into(), mirroring(false, -1));
        route(config, "copies", "copies", &[]);
        route(config, "heads", "heads", &[]);
    });
    let post = |host: &str, body: &str| {
        let length = body.len();
        let answer = world
            .client()
            .send(format!(
                "POST /p?q HTTP/1.1\r\nHost: {host}\r\nX-Mark: 1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ))
            .response();
        assert_eq!(answer.body, b"main");
        assert_eq!(main.last().body, body.as_bytes());
    };
    for _ in 0..4 {
        post("copies.test", "abcd");
    }
    until("half were copied", || mirror.count() == 2);
    let copy = mirror.last();
    assert_eq!((copy.line(), copy.field("X-Mark"), &copy.body[..]), ("POST /p?q HTTP/1.1", Some("1"), &b"abcd"[..]));
    assert_eq!(copy.field("X-Forwarded-For"), Some("127.0.0.1"));
    mirror.last();
    // Too large to be copied, the first of which would have been due; then one without its body.
    post("copies.test", "abcde");
    post("heads.test", "abcde");
    until("a head was copied", || mirror.count() == 1);
    assert_eq!(mirror.last().body, b"");
}

#[test]
fn a_client_is_bound_to_a_service() {
    let backends = [Backend::named("a"), Backend::named("b")];
    let world = World::new(|config| {
        for (name, backend) in ["a", "b"].iter().zip(&backends) {
            service(config, name, &[backend.url()]);
        }
        let cookie = Cookie { name: "to".into(), http_only: true, ..Cookie::default() };
        let weighted = Weighted {
            services: vec![member("a"), member("b")],
            sticky: Some(Sticky { cookie: Some(cookie) }),
            health_check: None,
        };
        config.http.services.insert("both@file".into(), Service::Weighted(weighted));
        route(config, "both", "both", &[]);
    });
    let first = world.get("both.test", "/", "");
    // The beginning of SHA-256 of the name.
    let hash = if first.body == b"a" { "ca978112ca1bbdca" } else { "3e23e8160039594a" };
    assert_eq!(first.field("Set-Cookie"), Some(&*format!("to={hash}; Path=/; HttpOnly")));
    for _ in 0..4 {
        let next = world.get("both.test", "/", &format!("Cookie: to={hash}\r\n"));
        assert_eq!((&next.body, next.field("Set-Cookie")), (&first.body, None));
    }
    let others: Vec<_> = (0..2).map(|_| world.get("both.test", "/", "").body).collect();
    assert_ne!(others[0], others[1]);
}
