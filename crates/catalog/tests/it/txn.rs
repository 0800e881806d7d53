//! Conditional writes and transactions.

use baton_catalog::{CatalogError, Command, KvCommand, KvVerb, Outcome, Scope};
use baton_consul::wire::{Base64, KvOp, TxnOp, TxnResult};

use crate::support::World;

fn op(verb: &str, key: &str, value: &str, index: u64) -> TxnOp {
    let value = Base64(value.as_bytes().to_vec());
    TxnOp::kv(KvOp { verb: verb.into(), key: key.into(), value, index, ..KvOp::default() })
}

fn run(world: &mut World, ops: Vec<TxnOp>) -> Vec<TxnResult> {
    match world.run(Command::Txn(ops)) {
        Outcome::Txn(results) => results,
        other => panic!("not results: {other:?}"),
    }
}

#[test]
fn compare_and_set() {
    let mut world = World::new();
    let mut cas = |verb, index| {
        let command = KvCommand { verb, key: "k".into(), index, ..KvCommand::default() };
        (world.run(Command::Kv(command)), world.state.key("k").map(|pair| pair.modify_index))
    };
    let (first, index) = cas(KvVerb::Cas, 0);
    assert_eq!(first, Outcome::Flag(true));
    assert_eq!(cas(KvVerb::Cas, 0).0, Outcome::Flag(false));
    assert_eq!(cas(KvVerb::Cas, 999).0, Outcome::Flag(false));
    assert_eq!(cas(KvVerb::DeleteCas, 999).0, Outcome::Flag(false));
    assert_eq!(cas(KvVerb::DeleteCas, index.unwrap()), (Outcome::Flag(true), None));
}

#[test]
fn an_identical_write_changes_nothing() {
    let mut world = World::new();
    world.set("k", "v");
    let index = world.state.index();
    world.set("k", "v");
    assert_eq!(world.state.index(), index);
    assert_eq!(world.state.index_of(&Scope::Key("k".into())), index);
}

#[test]
fn operations_see_each_other() {
    let mut world = World::new();
    let results = run(
        &mut world,
        vec![
            op("set", "t/1", "hi", 0),
            op("get", "t/1", "", 0),
            op("get-tree", "t/", "", 0),
            op("delete", "t/1", "", 0),
        ],
    );
    let values: Vec<_> = results.iter().map(|result| result.kv.as_ref().unwrap().value.0.clone()).collect();
    assert_eq!(values, [b"".to_vec(), b"hi".to_vec(), b"hi".to_vec()], "writes answer without a value");
    assert!(world.state.key("t/1").is_none());
}

#[test]
fn one_failure_undoes_all_and_every_failure_is_told() {
    let mut world = World::new();
    world.set("a/b", "old");
    let before = (world.state.snapshot(), world.state.index());
    let ops = vec![
        op("set", "a/b", "new", 0),
        op("set", "c", "new", 0),
        op("cas", "t/1", "x", 99),
        op("get", "t/9", "", 0),
        op("check-not-exists", "a/b", "", 0),
        op("bogus", "a/b", "", 0),
        op("delete-tree", "", "", 0),
    ];
    let Err(CatalogError::Txn(errors)) = world.apply(Command::Txn(ops)) else { panic!("it must fail") };
    let told: Vec<(u64, &str)> = errors.iter().map(|error| (error.op_index, error.what.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "failed to set key \"t/1\", index is stale"),
            (3, "key \"t/9\" doesn't exist"),
            (4, "key \"a/b\" exists"),
            (5, "unknown KV verb \"bogus\""),
        ]
    );
    assert_eq!((world.state.snapshot(), world.state.index()), before);
}

#[test]
fn a_fence_stops_the_deposed() {
    let mut world = World::new();
    world.session("leader", Default::default());
    assert!(world.kv(KvVerb::Lock, "leader", "leader"));
    let fenced = |value: &str| {
        let fence =
            KvOp { verb: "check-session".into(), key: "leader".into(), session: "leader".into(), ..KvOp::default() };
        Command::Txn(vec![TxnOp::kv(fence), op("set", "job", value, 0)])
    };
    world.run(fenced("1"));
    world.run(Command::DestroySession { id: "leader".into() });
    assert!(world.apply(fenced("2")).is_err());
    assert_eq!(world.state.key("job").unwrap().value.0, b"1");
}

#[test]
fn too_many_operations() {
    let mut world = World::new();
    let ops = vec![op("set", "k", "", 0); 129];
    assert_eq!(
        world.apply(Command::Txn(ops)).unwrap_err().to_string(),
        "Transaction contains too many operations (129 > 128)"
    );
}

#[test]
fn prefixes_wake_on_deletes_and_not_on_strangers() {
    let mut world = World::new();
    world.set("a/1", "x");
    world.set("a/2", "x");
    let scope = Scope::Prefix("a/".into());
    let before = world.state.index_of(&scope);
    world.set("b", "x");
    assert_eq!(world.state.index_of(&scope), before);
    assert_eq!(world.state.index_of(&Scope::Key("a/1".into())), world.state.key("a/1").unwrap().modify_index);
    world.kv(KvVerb::Delete, "a/2", "");
    assert!(world.state.index_of(&scope) > before);
    assert_eq!(world.state.key_names("", "/"), ["a/", "b"]);
    assert_eq!(world.state.key_names("a/", ""), ["a/1"]);
}
