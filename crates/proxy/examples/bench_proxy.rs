//! The engine by itself, for comparisons with other proxies: a list of hosts, one server.
//!
//! `bench_proxy --http 127.0.0.1:8080 --backend 127.0.0.1:9000 --routes FILE [--https ADDR --cert FILE --key FILE]
//! [--workers N]`, where each line of FILE begins with a host.

use baton_proxy::{DrainPlan, Engine, EngineConfig};
use baton_routing::Rule;
use baton_routing::config::{
    Certificate, Config, EntryPoint, LoadBalancer, Router, RouterTls, Server, ServersTransport, Service,
};
use baton_routing::table::{Implemented, compile};
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> =
        arguments.chunks_exact(2).map(|pair| (pair[0].trim_start_matches('-'), pair[1].as_str())).collect();
    let option = |name: &str| options.get(name).copied().ok_or_else(|| format!("--{name} is missing"));

    let mut config = Config::default();
    let mut listen = |name: &str, address: &str| {
        config.entry_points.insert(name.into(), EntryPoint { address: address.into(), ..EntryPoint::default() });
    };
    listen("web", option("http")?);
    if let Ok(address) = option("https") {
        listen("websecure", address);
        config.tls.certificates.push(Certificate {
            cert_file: option("cert")?.into(),
            key_file: option("key")?.into(),
            stores: Vec::new(),
        });
    }
    let server = Server { url: format!("http://{}", option("backend")?), ..Server::default() };
    let balancer =
        LoadBalancer { servers: vec![server], servers_transport: "pool@file".into(), ..LoadBalancer::default() };
    config.http.services.insert("pool@file".into(), Service::LoadBalancer(balancer));
    let transport = ServersTransport { max_idle_conns_per_host: 512, ..ServersTransport::default() };
    config.http.servers_transports.insert("pool@file".into(), transport);
    for (index, line) in std::fs::read_to_string(option("routes")?)?.lines().enumerate() {
        let Some(host) = line.split_whitespace().next() else { continue };
        let router = |entry_point: &str, tls| Router {
            entry_points: vec![entry_point.into()],
            rule: format!("Host(`{host}`)"),
            service: "pool@file".into(),
            tls,
            matcher: Some(Rule::Host(host.to_ascii_lowercase())),
            ..Router::default()
        };
        config.http.routers.insert(format!("plain-{index}@file"), router("web", None));
        if options.contains_key("https") {
            let secure = router("websecure", Some(RouterTls::default()));
            config.http.routers.insert(format!("secure-{index}@file"), secure);
        }
    }
    let table = Arc::new(compile(&config, &Implemented::ALL));
    let workers = options.get("workers").map_or(Ok(0), |count| count.parse())?;
    let (engine, problems) = Engine::start(EngineConfig { workers, ..EngineConfig::new(table.clone()) })?;
    for problem in problems {
        eprintln!("{}: {}", problem.object.name, problem.message);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        terminate.recv().await;
        engine.shutdown(DrainPlan::of(&table)).await?;
        Ok(())
    })
}
