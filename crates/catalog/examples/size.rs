//! How the catalog behaves with many services on one node: `cargo run -p baton-catalog --example size -- 10000`.
//!
//! Prints times and, where `/proc` is there, the memory of each service with its check. Judges nothing.

use std::time::{Duration, Instant};

use baton_catalog::{Command, State};
use baton_consul::wire::{
    Aggregate, CatalogDeregistration, CheckRegistration, Node, ServiceRegistration, Status, Text,
};
use baton_model::Nanos;

/// What one node has when nobody says.
const SERVICES: usize = 10_000;
/// How often a question is asked.
const QUESTIONS: usize = 100;

fn main() {
    let services = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(SERVICES);
    measure("each service has its own name", services, |number| format!("service-{number}"));
    measure("all are instances of one service", services, |_| "service".to_owned());
}

fn measure(title: &str, services: usize, name: impl Fn(usize) -> String) {
    println!("{title}");
    let before = resident();
    let mut state = State::new("dc1");
    let node = Node { node: "n1".into(), address: "127.0.0.1".into(), ..Node::default() };
    run(&mut state, Command::NodeUp(node));
    timed("registered", services, |number| {
        let check = CheckRegistration { ttl: Text(Nanos::secs(30)), ..CheckRegistration::default() };
        let registration = ServiceRegistration {
            id: id(number),
            name: name(number),
            tags: vec!["traefik.enable=true".into(), format!("traefik.http.routers.r{number}.rule=Host(`h{number}`)")],
            port: 20_000,
            checks: vec![check],
            ..ServiceRegistration::default()
        };
        let command =
            Command::RegisterService { node: "n1".into(), registration: Box::new(registration), replace_checks: true };
        run(&mut state, command);
    });
    if let (Some(before), Some(after)) = (before, resident()) {
        println!("  {:>9} bytes for each service", after.saturating_sub(before) / services.max(1));
    }
    let asked = QUESTIONS.min(services);
    timed("health of one service asked", asked, |number| {
        assert!(!state.health_service(&name(number)).is_empty());
    });
    timed("checks of one service asked", asked, |number| {
        assert!(state.service_checks(&name(number)).next().is_some());
    });
    timed("status of one instance asked", asked, |number| {
        assert_eq!(state.service_status("n1", &id(number)), Aggregate::Critical);
    });
    timed("heartbeat with a change, and the next deadline", asked, |number| {
        let command = Command::HeartbeatCheck {
            node: "n1".into(),
            check_id: format!("service:{}", id(number)),
            status: Status::Passing,
            output: String::new(),
        };
        run(&mut state, command);
        assert!(state.next_deadline().is_some());
    });
    timed("deregistered", asked, |number| {
        let target =
            CatalogDeregistration { node: "n1".into(), service_id: id(number), ..CatalogDeregistration::default() };
        run(&mut state, Command::Deregister(target));
    });
}

fn id(number: usize) -> String {
    format!("id-{number}")
}

fn run(state: &mut State, command: Command) {
    let index = state.index() + 1;
    state.apply(command, Duration::ZERO, index).expect("the command is valid");
}

fn timed(what: &str, times: usize, mut act: impl FnMut(usize)) {
    let start = Instant::now();
    for number in 0..times {
        act(number);
    }
    let each = start.elapsed().as_secs_f64() * 1e6 / times.max(1) as f64;
    println!("  {each:>9.1} µs each: {what} ({times} times)");
}

/// Bytes of memory in use.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<usize>().ok()? * 1024)
}
