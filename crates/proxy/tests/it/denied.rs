//! Servers that are the agent itself: refused however they are spelled, and told.

use crate::support::*;
use baton_proxy::health::Probes;
use baton_proxy::upstream::Denied;
use baton_proxy::{Engine, EngineConfig};
use baton_routing::config::{Config, HealthCheck, Service};
use baton_routing::table::{Implemented, compile};
use std::sync::Arc;

#[test]
fn no_spelling_of_an_address_leads_to_the_agent() {
    let (agent, app) = (Backend::named("agent"), Backend::named("app"));
    let port = agent.address.port();
    let spelled = |host: &str| format!("http://{host}:{port}");
    let hosts = ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001"];
    for generic in [false, true] {
        let mut config = Config::default();
        config.entry_points.insert(
            "web".into(),
            baton_routing::config::EntryPoint { address: "127.0.0.1:0".into(), ..Default::default() },
        );
        for (index, host) in hosts.iter().enumerate() {
            service(&mut config, &format!("s{index}"), &[spelled(host)]);
            route(&mut config, &format!("s{index}"), &format!("s{index}"), &[]);
        }
        service(&mut config, "app", &[app.url()]);
        route(&mut config, "app", "app", &[]);
        let table = Arc::new(compile(&config, &Implemented::ALL));
        let denied = Denied::new([agent.address]);
        let options = EngineConfig { workers: 1, force_generic: generic, denied, ..EngineConfig::new(table) };
        let (engine, problems) = Engine::start(options).unwrap();
        let told = |index: usize| problems.iter().any(|problem| *problem.object.name == *format!("s{index}@file"));
        // What is an address by its looks is told at once, the rest when it is dialled.
        assert_eq!([0, 1, 2, 3].map(told), [true, false, true, true], "{problems:?}");
        assert!(problems[0].message.contains("BATON_AGENT_BACKENDS=allow"), "{problems:?}");
        let world = World { engine, config, problems };
        for (index, host) in hosts.iter().enumerate() {
            let answer = world.get(&format!("s{index}.test"), "/v1/jobs", "");
            assert_eq!(answer.line(), "HTTP/1.1 502 Bad Gateway", "{host}");
        }
        assert_eq!(world.get("app.test", "/", "").body, b"app");
    }
    assert_eq!(agent.count(), 0);
}

#[test]
fn probes_do_not_reach_the_agent_either() {
    let (agent, app) = (Backend::named("agent"), Backend::named("app"));
    let mut config = Config::default();
    service(&mut config, "app", &[app.url()]);
    let Some(Service::LoadBalancer(balancer)) = config.http.services.get_mut("app@file") else { panic!("no balancer") };
    balancer.health_check = Some(HealthCheck {
        port: agent.address.port(),
        method: "PUT".into(),
        path: "/v1/jobs".into(),
        ..HealthCheck::default()
    });
    let table = Arc::new(compile(&config, &Implemented::ALL));
    let denied = Denied::new([agent.address]);
    let (engine, _) = Engine::start(EngineConfig { workers: 1, denied, ..EngineConfig::new(table) }).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut probes = Probes::default();
    {
        let _runtime = runtime.enter();
        probes.follow(&engine);
    }
    until("down", || !engine.snapshot().servers().all(|server| server.is_healthy()));
    assert_eq!(agent.count(), 0);
}
