//! Services of services on a running proxy.

use crate::support::*;
use baton_routing::config::{
    Failover, FailoverErrors, HighestRandomWeight, LoadBalancer, Service, Weighted, WeightedService,
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
