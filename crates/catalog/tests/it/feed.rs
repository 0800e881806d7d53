//! Followers hold what the owner has, however far behind they were.

use std::time::Duration;

use baton_catalog::{Command, Feed, KvVerb, MAX_LOG_CHANGES, State};
use baton_consul::wire::{CheckRegistration, Status, UserEvent};

use crate::support::{World, service, ttl_check};

/// Everything that people see of a catalog.
fn seen(state: &State) -> Feed {
    state.feed(None)
}

fn catch_up(follower: &mut State, owner: &State) -> Feed {
    let feed = owner.feed(Some(follower.index()));
    let sent: Feed = serde_json::from_slice(&serde_json::to_vec(&feed).unwrap()).unwrap();
    follower.follow(&sent, Duration::ZERO).unwrap();
    feed
}

#[test]
fn a_follower_is_told_what_changed_and_no_more() {
    let mut world = World::new();
    let mut follower = State::new("elsewhere");
    follower.follow(&world.state.feed(None), Duration::ZERO).unwrap();
    assert_eq!((follower.datacenter(), seen(&follower)), ("dc1", seen(&world.state)));
    assert!(!catch_up(&mut follower, &world.state).whole);

    world.register(service("web", vec![CheckRegistration { check_id: "c".into(), ..ttl_check(30) }]));
    world.run(Command::HeartbeatCheck {
        node: "n1".into(),
        check_id: "c".into(),
        status: Status::Passing,
        output: "fine".into(),
    });
    world.kv(KvVerb::Set, "a", "");
    world.run(Command::Fire(UserEvent { name: "deploy".into(), ..UserEvent::default() }));
    let feed = catch_up(&mut follower, &world.state);
    assert!(!feed.whole && feed.events.len() == 1, "{feed:?}");
    assert_eq!(seen(&follower), seen(&world.state));
    assert_eq!(follower.checks_on("n1").find(|check| check.check_id == "c").unwrap().output, "fine");

    world.kv(KvVerb::Delete, "a", "");
    let feed = catch_up(&mut follower, &world.state);
    assert!(feed.rows.len() < 5 && feed.rows.iter().any(|row| row.value.is_none()), "{feed:?}");
    assert_eq!(seen(&follower), seen(&world.state));
}

#[test]
fn who_is_too_far_behind_or_ahead_gets_everything() {
    let mut world = World::new();
    let start = world.state.index();
    for _ in 0..MAX_LOG_CHANGES {
        world.run(Command::Fire(UserEvent { name: "tick".into(), ..UserEvent::default() }));
    }
    assert!(!world.state.feed(Some(start)).whole);
    world.set("a", "b");
    assert!(world.state.feed(Some(start)).whole, "the log is bounded");
    assert!(!world.state.feed(Some(start + 1)).whole);
    assert!(world.state.feed(Some(world.state.index() + 1)).whole, "another history");
    let big = "x".repeat(400 * 1024);
    let before = world.state.index();
    for _ in 0..40 {
        world.set("big", &big);
        world.set("big", "");
    }
    assert!(world.state.feed(Some(before)).whole, "in bytes too");
}

#[test]
fn a_feed_that_cannot_be_read_changes_nothing() {
    let mut world = World::new();
    world.set("a", "b");
    let mut follower = State::new("dc1");
    catch_up(&mut follower, &world.state);
    let before = seen(&follower);
    world.set("c", "d");
    let mut feed = world.state.feed(Some(follower.index()));
    feed.rows.last_mut().unwrap().value = Some("{".into());
    assert!(follower.follow(&feed, Duration::ZERO).is_err());
    assert_eq!(seen(&follower), before);
}
