//! Registration, health, maintenance, the clocks of checks, and what wakes whom.

use baton_catalog::{CatalogError, Command, Scope};
use baton_consul::wire::{Aggregate, CatalogDeregistration, CheckRegistration, ServiceRegistration, Status, Text};
use baton_model::Nanos;

use crate::support::{World, http_check, service, ttl_check};

fn status_of(world: &World, id: &str) -> Aggregate {
    world.state.service_status("n1", id)
}

fn heartbeat(id: &str, status: Status) -> Command {
    Command::HeartbeatCheck { node: "n1".into(), check_id: id.into(), status, output: "out".into() }
}

#[test]
fn a_service_and_its_checks_appear_at_once_and_critical() {
    let mut world = World::new();
    world.register(service("web", vec![http_check(), ttl_check(10)]));
    let entries = world.state.health_service("web");
    let ids: Vec<&str> = entries[0].checks.iter().map(|check| check.check_id.as_str()).collect();
    assert_eq!(ids, ["serfHealth", "service:web:1", "service:web:2"]);
    assert_eq!(entries[0].checks[1].name, "Service 'web' check");
    assert_eq!(entries[0].checks[1].r#type, "http");
    assert_eq!(entries[0].status(), Aggregate::Critical);
    assert_eq!(world.state.runnable_checks("n1").len(), 1, "heartbeats are not run");

    world.register(service("single", vec![http_check()]));
    assert!(world.state.checks_on("n1").any(|check| check.check_id == "service:single"));
}

#[test]
fn registering_again_keeps_what_checks_said() {
    let mut world = World::new();
    world.register(service("web", vec![ttl_check(10)]));
    world.run(heartbeat("service:web", Status::Passing));
    let index = world.state.index();
    world.register(service("web", vec![ttl_check(10)]));
    assert_eq!(status_of(&world, "web"), Aggregate::Passing);
    assert_eq!(world.state.index(), index, "nothing changed, nobody is woken");
}

#[test]
fn replaced_checks_go_others_stay() {
    let mut world = World::new();
    world.register(service("web", vec![ttl_check(10), http_check()]));
    world.run(Command::ServiceMaintenance {
        node: "n1".into(),
        service_id: "web".into(),
        enable: true,
        reason: String::new(),
    });
    let named = CheckRegistration { check_id: "only".into(), ..ttl_check(10) };
    world.register(service("web", vec![named.clone()]));
    assert_eq!(world.state.service_checks("web").count(), 4);
    world.run(Command::RegisterService {
        node: "n1".into(),
        registration: Box::new(service("web", vec![named])),
        replace_checks: true,
    });
    let left: Vec<&str> = world.state.service_checks("web").map(|check| check.check_id.as_str()).collect();
    assert_eq!(left, ["_service_maintenance:web", "only"]);
}

#[test]
fn a_refused_registration_leaves_nothing_behind() {
    let mut world = World::new();
    let index = world.state.index();
    let bad = ttl_check(-1);
    let command = Command::RegisterService {
        node: "n1".into(),
        registration: Box::new(service("web", vec![ttl_check(10), bad])),
        replace_checks: false,
    };
    let error = world.apply(command).unwrap_err();
    assert_eq!(error, CatalogError::Invalid("Invalid check: TTL must be > 0 for TTL checks".into()));
    assert!(world.state.service_names().is_empty());
    assert_eq!(world.state.checks().count(), 1);
    assert_eq!(world.state.index(), index);
}

#[test]
fn a_missed_heartbeat_is_critical() {
    let mut world = World::new();
    world.register(service("web", vec![ttl_check(10)]));
    world.run(heartbeat("service:web", Status::Passing));
    world.wait(9);
    assert_eq!(status_of(&world, "web"), Aggregate::Passing);
    world.run(heartbeat("service:web", Status::Passing));
    world.wait(9);
    assert_eq!(status_of(&world, "web"), Aggregate::Passing);
    world.wait(1);
    assert_eq!(status_of(&world, "web"), Aggregate::Critical);
    assert_eq!(world.state.service_checks("web").next().unwrap().output, "TTL expired");
    assert_eq!(world.state.next_deadline(), None);
}

#[test]
fn heartbeats_are_for_ttl_checks() {
    let mut world = World::new();
    world.register(service("web", vec![http_check()]));
    let error = world.apply(heartbeat("service:web", Status::Passing)).unwrap_err();
    assert_eq!(error.to_string(), "CheckID \"service:web\" does not have associated TTL");
    assert!(world.apply(heartbeat("nope", Status::Passing)).is_err());
}

#[test]
fn a_service_long_critical_is_removed_but_not_before_a_minute() {
    let mut world = World::new();
    let check = CheckRegistration { deregister_critical_service_after: Text(Nanos::secs(5)), ..http_check() };
    world.register(service("web", vec![check]));
    world.wait(59);
    assert!(world.state.service_on("n1", "web").is_some());
    world.wait(1);
    assert!(world.state.service_on("n1", "web").is_none());
    assert_eq!(world.state.checks().count(), 1, "its checks went with it");
}

#[test]
fn maintenance_outranks_health() {
    let mut world = World::new();
    world.register(service("web", vec![]));
    assert_eq!(status_of(&world, "web"), Aggregate::Passing);
    let maintain = |enable| Command::NodeMaintenance { node: "n1".into(), enable, reason: "disk".into() };
    world.run(maintain(true));
    assert_eq!(status_of(&world, "web"), Aggregate::Maintenance);
    world.run(maintain(false));
    assert_eq!(status_of(&world, "web"), Aggregate::Passing);
}

#[test]
fn wakes_are_per_service() {
    let mut world = World::new();
    world.register(service("web", vec![ttl_check(10)]));
    world.register(service("db", vec![ttl_check(10)]));
    let web = Scope::Service("web".into());
    let indexes = |world: &World| {
        (world.state.index_of(&web), world.state.index_of(&Scope::Services), world.state.index_of(&Scope::Checks))
    };
    let before = indexes(&world);
    world.run(heartbeat("service:db", Status::Passing));
    let other = indexes(&world);
    assert_eq!((before.0, before.1), (other.0, other.1), "another service's health wakes neither web nor the list");
    assert!(other.2 > before.2);
    world.run(heartbeat("service:web", Status::Passing));
    assert!(indexes(&world).0 > other.0);
    let own = indexes(&world);
    world.run(Command::NodeDown { node: "n1".into() });
    assert!(indexes(&world).0 > own.0, "the node's health counts for its services");
}

#[test]
fn the_output_alone_wakes_nobody() {
    let mut world = World::new();
    world.register(service("web", vec![ttl_check(10)]));
    let index = world.state.index();
    let applied = world.apply(heartbeat("service:web", Status::Critical)).unwrap();
    assert!(!applied.changed && applied.rows.is_empty());
    assert_eq!(world.state.index(), index);
    assert_eq!(world.state.service_checks("web").next().unwrap().output, "out");
}

#[test]
fn an_unknown_service_wakes_on_any_change_of_the_catalog() {
    let mut world = World::new();
    let scope = Scope::Service("later".into());
    let before = world.state.index_of(&scope);
    world.register(service("other", vec![]));
    let other = world.state.index_of(&scope);
    assert!(other > before);
    world.register(service("later", vec![]));
    let known = world.state.index_of(&scope);
    assert!(known > other);
    world.run(Command::Deregister(CatalogDeregistration {
        node: "n1".into(),
        service_id: "later".into(),
        ..CatalogDeregistration::default()
    }));
    assert!(world.state.index_of(&scope) > known);
}

#[test]
fn tags_are_united_and_renames_follow() {
    let mut world = World::new();
    let tagged = |id: &str, name: &str, tags: &[&str]| ServiceRegistration {
        id: id.into(),
        tags: tags.iter().map(ToString::to_string).collect(),
        ..service(name, vec![ttl_check(10)])
    };
    world.register(tagged("a", "web", &["x", "y"]));
    world.register(tagged("b", "web", &["y", "z"]));
    assert_eq!(world.state.service_names()["web"], ["x", "y", "z"]);
    let scope = Scope::Service("web".into());
    let before = world.state.index_of(&scope);
    world.register(tagged("a", "api", &["q"]));
    assert!(world.state.index_of(&scope) > before, "an instance left");
    assert_eq!(world.state.service_names()["web"], ["y", "z"]);
    let check = world.state.service_checks("api").next().unwrap();
    assert_eq!((check.service_id.as_str(), check.service_tags.as_slice()), ("a", ["q".to_owned()].as_slice()));
}

#[test]
fn names_that_would_break_row_keys_are_refused() {
    let mut world = World::new();
    let command = |name: String| Command::RegisterService {
        node: "n1".into(),
        registration: Box::new(service(&name, vec![])),
        replace_checks: false,
    };
    assert!(world.apply(command("a\0b".into())).is_err());
    assert!(world.apply(command("x".repeat(5000))).is_err());
}
