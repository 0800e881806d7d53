//! Rows carry the whole durable state, and nothing is lost between commands and a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_catalog::{Command, KvVerb, Row, Scope, State, TABLES};
use baton_consul::wire::{SessionRequest, Status, Text};
use baton_model::Nanos;

use crate::support::{World, service, ttl_check};

type Table = BTreeMap<(&'static str, String), Vec<u8>>;

fn store(table: &mut Table, rows: Vec<Row>) {
    for row in rows {
        let key = (row.table, row.key);
        match row.value {
            Some(value) => table.insert(key, value),
            None => table.remove(&key),
        };
    }
}

fn restored(table: &Table, now: Duration) -> State {
    let rows = table.iter().map(|((table, key), value)| (*table, key.as_str(), value.as_slice()));
    State::restore("dc1", rows, now).expect("own rows are readable")
}

fn story() -> Vec<Command> {
    let session =
        SessionRequest { ttl: "10s".into(), lock_delay: Some(Text(Nanos::secs(15))), ..SessionRequest::default() };
    let lock = |key: &str| {
        Command::Kv(baton_catalog::KvCommand {
            verb: KvVerb::Lock,
            key: key.into(),
            session: "s".into(),
            ..Default::default()
        })
    };
    vec![
        Command::RegisterService {
            node: "n1".into(),
            registration: Box::new(service("web", vec![ttl_check(30)])),
            replace_checks: false,
        },
        Command::HeartbeatCheck {
            node: "n1".into(),
            check_id: "service:web".into(),
            status: Status::Passing,
            output: "secret output".into(),
        },
        Command::CreateSession { id: "s".into(), node: "n1".into(), request: session },
        lock("held"),
        lock("gone"),
        Command::Kv(baton_catalog::KvCommand { verb: KvVerb::Delete, key: "gone".into(), ..Default::default() }),
        Command::DestroySession { id: "s".into() },
    ]
}

#[test]
fn rows_of_every_command_add_up_to_the_snapshot() {
    let mut state = State::new("dc1");
    let mut table = Table::new();
    let node = baton_consul::wire::Node { node: "n1".into(), address: "::1".into(), ..Default::default() };
    for command in std::iter::once(Command::NodeUp(node)).chain(story()) {
        let applied = state.apply(command, Duration::ZERO, state.index() + 1).unwrap();
        store(&mut table, applied.rows);
        let mut whole = Table::new();
        store(&mut whole, state.snapshot());
        assert_eq!(table, whole);
    }
    assert!(table.keys().all(|(name, _)| TABLES.contains(name)));
    assert!(table.values().all(|value| !String::from_utf8_lossy(value).contains("secret output")));
}

#[test]
fn a_restart_restarts_clocks_and_keeps_indexes() {
    let mut world = World::new();
    for command in story() {
        world.run(command);
    }
    let mut table = Table::new();
    store(&mut table, world.state.snapshot());
    let origin = Duration::from_secs(7);
    let state = restored(&table, origin);
    assert_eq!(state.index(), world.state.index());
    for scope in [Scope::Nodes, Scope::Services, Scope::Checks, Scope::Sessions, Scope::Prefix("g".into())] {
        assert_eq!(state.index_of(&scope), world.state.index_of(&scope), "{scope:?}");
    }
    assert_eq!(state.next_deadline(), Some(origin + Duration::from_secs(15)), "the lock delay runs in full again");
    let mut again = Table::new();
    store(&mut again, state.snapshot());
    assert_eq!(again, table);
}

#[test]
fn foreign_rows_are_refused_with_a_reason() {
    let read = |table: &str, key: &str, value: &[u8]| {
        State::restore("dc1", [(table, key, value)], Duration::ZERO).unwrap_err().to_string()
    };
    assert!(read("nope", "k", b"{}").contains("no such table"));
    assert!(read("catalog_checks", "no separator", b"{}").contains("separator"));
    assert!(read("catalog_kv", "k", b"{").contains("unreadable"));
}
