//! Random commands: indexes never go back and never miss a change, locks have one holder, failures change nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_catalog::{Command, KvCommand, KvVerb, Outcome, Scope, State};
use baton_consul::wire::{
    Base64, CatalogDeregistration, CheckRegistration, HealthCheck, KvOp, Node, ServiceRegistration, SessionRequest,
    Status, Text, TxnOp,
};
use baton_model::Nanos;
use proptest::prelude::*;
use serde_json::{Value, json};

const NODES: [&str; 2] = ["n1", "n2"];
const SERVICES: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 5] = ["k", "p/1", "p/2", "p/q/1", "z"];
const SESSIONS: [&str; 4] = ["s0", "s1", "s2", "s3"];

fn pick(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(of).prop_map(str::to_owned)
}

fn status() -> impl Strategy<Value = Status> {
    proptest::sample::select(&[Status::Passing, Status::Warning, Status::Critical][..])
}

fn kv() -> impl Strategy<Value = KvCommand> {
    use KvVerb::{Cas, Delete, DeleteCas, DeleteTree, Lock, Set, Unlock};
    let verb = proptest::sample::select(&[Set, Set, Lock, Lock, Lock, Unlock, Cas, Delete, DeleteCas, DeleteTree][..]);
    (verb, pick(&KEYS), 0u8..3, 0u64..40, pick(&SESSIONS)).prop_map(|(verb, key, value, index, session)| KvCommand {
        verb,
        key,
        value: Base64(vec![value]),
        flags: 0,
        index,
        session,
    })
}

fn txn() -> impl Strategy<Value = Command> {
    let verbs = ["set", "cas", "lock", "unlock", "get", "check-session", "check-not-exists", "delete", "delete-tree"];
    let op = (proptest::sample::select(verbs.to_vec()), kv()).prop_map(|(verb, command)| {
        TxnOp::kv(KvOp {
            verb: verb.into(),
            key: command.key,
            value: command.value,
            flags: 0,
            index: command.index,
            session: command.session,
            namespace: String::new(),
        })
    });
    proptest::collection::vec(op, 1..4).prop_map(Command::Txn)
}

fn command() -> impl Strategy<Value = Command> {
    let registration =
        (pick(&SERVICES), pick(&SERVICES), 0u8..3, proptest::bool::ANY).prop_map(|(id, name, tags, check)| {
            let check = check.then(|| CheckRegistration {
                ttl: Text(Nanos::secs(20)),
                deregister_critical_service_after: Text(Nanos::secs(60)),
                ..CheckRegistration::default()
            });
            let tags = (0..tags).map(|tag| tag.to_string()).collect();
            ServiceRegistration { id, name, tags, check, ..ServiceRegistration::default() }
        });
    let session = (pick(&SESSIONS), pick(&NODES), 0i64..20, proptest::bool::ANY, proptest::bool::ANY);
    prop_oneof![
        2 => (pick(&NODES), 1u8..3).prop_map(|(node, last)| {
            Command::NodeUp(Node { node, address: format!("127.0.0.{last}"), ..Node::default() })
        }),
        1 => pick(&NODES).prop_map(|node| Command::NodeDown { node }),
        3 => (pick(&NODES), registration, proptest::bool::ANY).prop_map(|(node, registration, replace_checks)| {
            Command::RegisterService { node, registration: Box::new(registration), replace_checks }
        }),
        2 => (pick(&NODES), pick(&SERVICES), 0u8..4).prop_map(|(node, service, kind)| {
            let service_id = if kind < 2 { service.clone() } else { String::new() };
            let check_id = if kind == 2 { format!("service:{service}") } else { String::new() };
            Command::Deregister(CatalogDeregistration { node, service_id, check_id, ..Default::default() })
        }),
        4 => (pick(&NODES), pick(&SERVICES), status()).prop_map(|(node, service, status)| {
            Command::HeartbeatCheck { node, check_id: format!("service:{service}"), status, output: String::new() }
        }),
        1 => (pick(&NODES), pick(&SERVICES), proptest::bool::ANY).prop_map(|(node, service_id, enable)| {
            Command::ServiceMaintenance { node, service_id, enable, reason: String::new() }
        }),
        5 => kv().prop_map(Command::Kv),
        2 => txn(),
        4 => session.prop_map(|(id, node, delay, expires, delete)| Command::CreateSession {
            id,
            node,
            request: SessionRequest {
                lock_delay: Some(Text(Nanos::secs(delay))),
                ttl: if expires { "10s".into() } else { String::new() },
                behavior: if delete { "delete".into() } else { String::new() },
                ..SessionRequest::default()
            },
        }),
        1 => pick(&SESSIONS).prop_map(|id| Command::RenewSession { id }),
        1 => pick(&SESSIONS).prop_map(|id| Command::DestroySession { id }),
        3 => Just(Command::Tick),
    ]
}

fn scopes() -> Vec<Scope> {
    let mut scopes = vec![Scope::Nodes, Scope::Services, Scope::Checks, Scope::Catalog, Scope::Sessions];
    scopes.extend(NODES.map(|node| Scope::Node(node.into())));
    scopes.extend(SERVICES.map(|service| Scope::Service(service.into())));
    scopes.extend(KEYS.map(|key| Scope::Key(key.into())));
    scopes.extend(["", "p/", "p/q", "none/"].map(|prefix| Scope::Prefix(prefix.into())));
    scopes
}

/// What somebody who watches a scope may see.
fn seen(state: &State, scope: &Scope) -> Value {
    match scope {
        Scope::Nodes => json!(state.nodes().collect::<Vec<_>>()),
        Scope::Services => json!(state.service_names()),
        Scope::Node(node) => json!([state.node(node), state.services_on(node).collect::<Vec<_>>()]),
        Scope::Service(name) => json!([state.health_service(name), state.service_checks(name).collect::<Vec<_>>()]),
        Scope::Checks => json!(state.checks().collect::<Vec<_>>()),
        Scope::Catalog => json!([state.nodes().collect::<Vec<_>>(), state.service_names()]),
        Scope::Key(key) => json!(state.key(key)),
        Scope::Prefix(prefix) => json!(state.keys_under(prefix).collect::<Vec<_>>()),
        Scope::Sessions => json!(state.sessions().collect::<Vec<_>>()),
        Scope::Events => json!(state.events().collect::<Vec<_>>()),
    }
}

/// An output text that changes alone (here: a TTL that expires on a check critical already) wakes nobody by design.
fn without_output(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("Output");
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

/// A lock changes hands only through a state in which nobody holds it, and only live sessions hold any.
fn check_holders(before: &State, after: &State) {
    let live: BTreeSet<&str> = after.sessions().map(|session| session.id.as_str()).collect();
    for pair in after.keys_under("").filter(|pair| !pair.session.is_empty()) {
        assert!(live.contains(pair.session.as_str()), "{} is held by dead {}", pair.key, pair.session);
        let Some(old) = before.key(&pair.key).filter(|old| old.create_index == pair.create_index) else { continue };
        assert!(
            old.session.is_empty() || old.session == pair.session,
            "{} went from {} to {} without a release",
            pair.key,
            old.session,
            pair.session
        );
    }
}

/// What is found by service is what a look at everything finds.
fn check_found(state: &State) {
    for name in SERVICES {
        for entry in state.health_service(name) {
            let counts = |own: bool| {
                let of = if own { entry.service.id.as_str() } else { "" };
                state.checks_on(&entry.node.node).filter(move |check| check.service_id == of)
            };
            let wanted: Vec<_> = counts(false).chain(counts(true)).cloned().collect();
            assert_eq!(entry.checks, wanted, "{} on {}", entry.service.id, entry.node.node);
        }
        let key = |check: &HealthCheck| (check.node.clone(), check.check_id.clone());
        let found: BTreeSet<_> = state.service_checks(name).map(key).collect();
        let wanted = state.checks().filter(|check| check.service_name == name).map(key).collect();
        assert_eq!(found, wanted, "checks of {name}");
    }
}

/// Whatever has a clock runs out.
fn check_clocks(mut state: State, now: Duration) {
    let index = state.index() + 1;
    state.apply(Command::Tick, now + Duration::from_secs(3600), index).unwrap();
    assert!(state.sessions().all(|session| session.ttl.is_empty()), "a session outlives its TTL");
    let heard = state.checks().find(|check| check.r#type == "ttl" && check.status != Status::Critical);
    assert_eq!(heard, None, "a check outlives its TTL");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn indexes_never_go_back_and_never_miss_a_change(steps in proptest::collection::vec((command(), 0u64..6), 1..60)) {
        let mut state = State::new("dc1");
        let mut now = Duration::ZERO;
        let mut follower = state.clone();
        for (command, pause) in steps {
            now += Duration::from_secs(pause);
            if pause > 0 {
                follower.follow(&state.feed(Some(follower.index())), now).unwrap();
                prop_assert_eq!(follower.snapshot(), state.snapshot());
                prop_assert_eq!(follower.index(), state.index());
            }
            let before = state.clone();
            let result = state.apply(command.clone(), now, state.index() + 1);
            for scope in scopes() {
                let (old, new) = (before.index_of(&scope), state.index_of(&scope));
                prop_assert!(new >= old, "{scope:?} went from {old} to {new} on {command:?}");
                if new == old {
                    let (old, new) = (without_output(seen(&before, &scope)), without_output(seen(&state, &scope)));
                    prop_assert_eq!(old, new, "{:?} changed unseen on {:?}", scope, command);
                }
            }
            match result {
                Err(_) => prop_assert_eq!(before.snapshot(), state.snapshot(), "a failed {:?} changed something", command),
                Ok(applied) => {
                    prop_assert_eq!(applied.changed, state.index() > before.index());
                    if let (Command::Kv(write), Outcome::Flag(false)) = (&command, &applied.outcome) {
                        prop_assert_eq!(before.snapshot(), state.snapshot(), "{:?} said false", write);
                    }
                    if command == Command::Tick {
                        prop_assert!(state.next_deadline().is_none_or(|at| at > now));
                    }
                }
            }
            check_holders(&before, &state);
            check_found(&state);
        }
        check_clocks(state, now);
    }
}
