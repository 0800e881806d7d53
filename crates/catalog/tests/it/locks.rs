//! Sessions and the locks they hold.

use baton_catalog::{CatalogError, Command, KvVerb, Scope};
use baton_consul::wire::{CatalogDeregistration, SessionRequest, Status, Text};
use baton_model::Nanos;

use crate::support::{World, service, ttl_check};

fn request(ttl: &str, lock_delay: i64, behavior: &str) -> SessionRequest {
    SessionRequest {
        ttl: ttl.into(),
        lock_delay: Some(Text(Nanos::secs(lock_delay))),
        behavior: behavior.into(),
        ..SessionRequest::default()
    }
}

#[test]
fn a_lock_has_one_holder() {
    let mut world = World::new();
    world.session("a", request("", 0, ""));
    world.session("b", request("", 0, ""));
    assert!(world.kv(KvVerb::Lock, "k", "a"));
    assert!(!world.kv(KvVerb::Lock, "k", "b"));
    assert!(world.kv(KvVerb::Lock, "k", "a"), "again by the holder");
    let pair = world.state.key("k").unwrap();
    assert_eq!((pair.session.as_str(), pair.lock_index), ("a", 1));
    assert!(!world.kv(KvVerb::Unlock, "k", "b"));
    assert!(world.kv(KvVerb::Unlock, "k", "a"));
    assert!(world.kv(KvVerb::Lock, "k", "b"), "a clean release has no delay");
    assert_eq!(world.state.key("k").unwrap().lock_index, 2);
    world.set("k", "other");
    assert_eq!(world.state.key("k").unwrap().session, "b", "a plain write does not unlock");
}

#[test]
fn a_session_dies_at_twice_its_ttl_and_its_locks_stay_closed_for_the_delay() {
    let mut world = World::new();
    world.session("a", request("10s", 15, ""));
    world.session("b", request("", 0, ""));
    world.kv(KvVerb::Lock, "k", "a");
    world.wait(19);
    assert_eq!(world.state.key("k").unwrap().session, "a");
    let before = world.state.index_of(&Scope::Key("k".into()));
    world.wait(1);
    assert_eq!(world.state.key("k").unwrap().session, "");
    assert!(world.state.index_of(&Scope::Key("k".into())) > before, "who waits for the lock is woken");
    assert!(!world.kv(KvVerb::Lock, "k", "b"));
    world.wait(14);
    assert!(!world.kv(KvVerb::Lock, "k", "b"));
    world.wait(1);
    assert!(world.kv(KvVerb::Lock, "k", "b"));
}

#[test]
fn renewing_keeps_a_session_alive() {
    let mut world = World::new();
    world.session("a", request("10s", 0, ""));
    for _ in 0..5 {
        world.wait(15);
        world.run(Command::RenewSession { id: "a".into() });
    }
    assert!(world.state.session("a").is_some());
    world.wait(20);
    let error = world.apply(Command::RenewSession { id: "a".into() }).unwrap_err();
    assert_eq!(error.to_string(), "Session id 'a' not found");
}

#[test]
fn destroying_delays_too_and_delete_removes_keys() {
    let mut world = World::new();
    world.session("a", request("", 2, "delete"));
    world.session("b", request("", 0, ""));
    world.kv(KvVerb::Lock, "k", "a");
    let before = world.state.index_of(&Scope::Prefix("k".into()));
    world.run(Command::DestroySession { id: "a".into() });
    assert!(world.state.key("k").is_none());
    assert!(world.state.index_of(&Scope::Prefix("k".into())) > before);
    assert!(!world.kv(KvVerb::Lock, "k", "b"), "even after an explicit destroy");
    world.wait(2);
    assert!(world.kv(KvVerb::Lock, "k", "b"));
}

#[test]
fn a_critical_check_ends_sessions_that_hang_on_it() {
    let mut world = World::new();
    world.register(service("web", vec![ttl_check(1000)]));
    let heartbeat = |status| Command::HeartbeatCheck {
        node: "n1".into(),
        check_id: "service:web".into(),
        status,
        output: String::new(),
    };
    let on_service =
        SessionRequest { node_checks: Some(vec!["serfHealth".into(), "service:web".into()]), ..request("", 0, "") };
    let create = Command::CreateSession { id: "a".into(), node: "n1".into(), request: on_service.clone() };
    assert_eq!(world.apply(create), Err(CatalogError::CheckCritical("service:web".into())));
    world.run(heartbeat(Status::Passing));
    world.session("a", on_service.clone());
    world.session("plain", request("", 0, ""));
    world.run(heartbeat(Status::Warning));
    assert!(world.state.session("a").is_some());
    world.run(heartbeat(Status::Critical));
    assert!(world.state.session("a").is_none());

    world.run(heartbeat(Status::Passing));
    world.session("c", on_service);
    world.run(Command::Deregister(CatalogDeregistration {
        node: "n1".into(),
        service_id: "web".into(),
        ..CatalogDeregistration::default()
    }));
    assert!(world.state.session("c").is_none(), "a check that is gone cannot vouch");
    assert!(world.state.session("plain").is_some());
    world.run(Command::NodeDown { node: "n1".into() });
    assert!(world.state.session("plain").is_none());
}

#[test]
fn what_a_session_may_not_be() {
    let mut world = World::new();
    let mut refused = |request: SessionRequest| {
        world.apply(Command::CreateSession { id: "x".into(), node: "n1".into(), request }).unwrap_err().to_string()
    };
    assert_eq!(refused(request("5s", 0, "")), "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]");
    assert_eq!(refused(request("", 0, "x")), "Invalid Behavior setting 'x'");
    assert_eq!(refused(SessionRequest { node: "zz".into(), ..SessionRequest::default() }), "Missing node registration");
    let checks = Some(vec!["zz".to_owned()]);
    assert_eq!(refused(SessionRequest { checks, ..SessionRequest::default() }), "Missing check 'zz' registration");
}

#[test]
fn locking_needs_a_live_session() {
    let mut world = World::new();
    let command =
        baton_catalog::KvCommand { verb: KvVerb::Lock, key: "k".into(), session: "dead".into(), ..Default::default() };
    assert_eq!(world.apply(Command::Kv(command)).unwrap_err().to_string(), "invalid session \"dead\"");
}
