//! A successor takes the sockets over beside the old allocation.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use baton_model::AllocClientStatus::{Complete, Failed, Running};
use baton_model::job::UpdateStrategy;
use baton_model::resources::AllocatedPort;
use baton_model::service::{Service, ServiceCheck};
use baton_model::{Allocation, JobType, Nanos};

use crate::world::{World, alloc, edit_group, eventually, shell};

fn server(id: &str, port: u16) -> Allocation {
    let mut task = shell("t", "");
    let program = std::env::current_exe().unwrap().display().to_string();
    task.config.insert("command".into(), program.into());
    task.config.insert("args".into(), serde_json::json!(["--exact", "roles::role", "--nocapture"]));
    let own = [("BATON_TEST_ROLE", "server"), ("SERVER_NAME", id), ("SERVER_PORT", &port.to_string())];
    task.env = own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    alloc(id, JobType::Service, vec![task])
}

/// Starts the first server and waits until it can hand over; its port.
async fn old(world: &World) -> u16 {
    world.server.want(server("old", 0));
    world.server.until("old", "it can hand over", |alloc| alloc.handover).await;
    let line = |text: &str| text.lines().find_map(|line| line.strip_prefix("port ")?.parse().ok());
    let text = world.logs_until("old", "t", |text| line(text).is_some()).await;
    line(&text).unwrap()
}

fn ask(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"?").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_is_refused_while_the_successor_takes_over() {
    let world = World::new().await;
    let port = old(&world).await;
    assert_eq!(ask(port), "old");
    let mut new = server("new", port);
    new.previous_allocation = "old".into();
    new.succeeds = "old".into();
    world.server.want(new);
    world.server.stop("old");
    let mut seen = Vec::new();
    loop {
        seen.push(tokio::task::spawn_blocking(move || ask(port)).await.unwrap());
        if world.server.reported("old").unwrap().client_status == Complete {
            break;
        }
    }
    assert!(seen.iter().all(|name| name == "old" || name == "new"), "{seen:?}");
    assert_eq!(ask(port), "new");
    let state = world.server.until("new", "it can hand over in turn", |alloc| alloc.handover).await;
    assert_eq!((state.client_status, state.task_states["t"].restarts), (Running, 0));
}

/// A successor that knows about standby, with a check.
fn successor(id: &str, of: &str, port: u16, healed_by: &Path) -> Allocation {
    let mut new = server(id, port);
    new.allocated_resources.shared.ports =
        vec![AllocatedPort { label: "web".into(), value: port.into(), to: 0, host_ip: "127.0.0.1".into() }];
    new.previous_allocation = of.into();
    new.succeeds = of.into();
    let healed_by = healed_by.display().to_string();
    edit_group(&mut new, |group| {
        group.update = Some(UpdateStrategy {
            healthy_deadline: Nanos::millis(1500),
            min_healthy_time: Nanos::millis(50),
            health_check: "checks".into(),
            ..UpdateStrategy::default()
        });
        let task = &mut group.tasks[0];
        task.env.insert("SERVER_STANDS_BY".into(), "1".into());
        task.env.insert("SERVER_HEALED_BY".into(), healed_by);
        let check = ServiceCheck {
            name: "alive".into(),
            check_type: "http".into(),
            path: "/".into(),
            interval: Nanos::millis(50),
            timeout: Nanos::secs(1),
            ..ServiceCheck::default()
        };
        task.services =
            vec![Service { name: "web".into(), port_label: "web".into(), checks: vec![check], ..Service::default() }];
    });
    new
}

/// The answers to so many questions.
async fn answers(port: u16, count: usize) -> Vec<String> {
    tokio::task::spawn_blocking(move || (0..count).map(|_| ask(port)).collect()).await.unwrap()
}

fn event_text(alloc: &Allocation) -> String {
    format!("{:?}", alloc.task_states["t"].events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_is_looked_at_alone_and_then_serves_alone() {
    let world = World::new().await;
    let port = old(&world).await;
    let healed = world.dir.path().join("healed");
    let mut new = successor("new", "old", port, &healed);
    edit_group(&mut new, |group| group.update.as_mut().unwrap().healthy_deadline = Nanos::secs(60));
    world.server.want(new);
    world.server.until_status("new", Running).await;
    // While its check fails it gets nothing; nobody is told that it is there.
    assert_eq!(answers(port, 30).await, vec!["old"; 30]);
    assert!(!world.server.reported("new").unwrap().handover);
    assert!(world.catalog.services.borrow().is_empty());
    std::fs::write(&healed, "").unwrap();
    let state = world.server.until("new", "it can hand over in turn", |alloc| alloc.handover).await;
    assert!(event_text(&state).contains("in place of old; proven alone by"), "{state:#?}");
    // The old one still runs, and stands by.
    eventually("only the new one answers", || async { answers(port, 20).await == vec!["new"; 20] }).await;
    world.catalog.until("its service is there", |all| all.len() == 1).await;
    world.server.stop("old");
    world.server.until_status("old", Complete).await;
    assert_eq!(answers(port, 5).await, vec!["new"; 5]);
    // And in turn.
    world.server.want(successor("third", "new", port, &healed));
    world.server.until("third", "it can hand over in turn", |alloc| alloc.handover).await;
    // It dies without its agent's doing: whom it had put aside accepts again until it is back.
    world.server.stop("third");
    let mut seen = Vec::new();
    while world.server.reported("third").unwrap().client_status == Running {
        seen.extend(answers(port, 5).await);
    }
    assert!(seen.iter().all(|name| name == "new" || name == "third"), "{seen:?}");
    assert_eq!(answers(port, 20).await, vec!["new"; 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_successor_leaves_the_old_one_serving() {
    let world = World::new().await;
    let port = old(&world).await;
    let never = world.dir.path().join("never");
    let sick = successor("sick", "old", port, &never);
    let mut exits = successor("exits", "old", port, &never);
    edit_group(&mut exits, |group| drop(group.tasks[0].env.insert("BATON_TEST_ROLE".into(), "none".into())));
    let mut hangs = successor("hangs", "old", port, &never);
    edit_group(&mut hangs, |group| drop(group.tasks[0].env.insert("SERVER_HANGS".into(), "1".into())));
    let bad = [
        ("sick", "check \\\"alive\\\" did not pass", sick),
        ("exits", "before it was ready", exits),
        ("hangs", "it was not ready within 1.5s", hangs),
    ];
    for (id, why, alloc) in bad {
        world.server.want(alloc);
        let mut seen = Vec::new();
        while world.server.reported(id).is_none_or(|alloc| alloc.client_status != Failed) {
            seen.extend(answers(port, 5).await);
        }
        assert!(seen.iter().all(|name| name == "old"), "{seen:?}");
        let state = world.server.reported(id).unwrap();
        // The same program: its configuration is bad, and the old one is not to be stopped for it.
        assert!(!state.client_description.starts_with("succession failed"), "{}", state.client_description);
        assert!(format!("{:?}", state.client_description).contains(why), "{:?}", state.client_description);
        assert_eq!(state.deployment_status.unwrap().healthy, Some(false));
        world.server.stop(id);
    }
    let old = world.server.reported("old").unwrap();
    assert_eq!((old.client_status, old.handover, old.task_states["t"].restarts), (Running, true, 0));
    assert_eq!(answers(port, 20).await, vec!["old"; 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_agent_goes_on_with_a_succession() {
    let mut world = World::new().await;
    let port = old(&world).await;
    let healed = world.dir.path().join("healed");
    let mut new = successor("new", "old", port, &healed);
    edit_group(&mut new, |group| group.update.as_mut().unwrap().healthy_deadline = Nanos::secs(60));
    world.server.want(new);
    world.server.until_status("new", Running).await;
    world.kill_agent();
    std::fs::write(&healed, "").unwrap();
    assert_eq!(answers(port, 10).await, vec!["old"; 10]);
    world.start().await;
    world.server.until("new", "it has taken over", |alloc| alloc.handover).await;
    eventually("only the new one answers", || async { answers(port, 20).await == vec!["new"; 20] }).await;
    assert_eq!(world.server.reported("new").unwrap().task_states["t"].restarts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_that_cannot_take_over_is_said_to_be_one() {
    let world = World::new().await;
    let port = old(&world).await;
    // It exits when given sockets, and binds its own when not.
    let mut new = server("new", port);
    edit_group(&mut new, |group| {
        let task = &mut group.tasks[0];
        let program = task.config["command"].as_str().unwrap().to_owned();
        task.config.insert("command".into(), "/bin/sh".into());
        let script = format!("[ -z \"$LISTEN_FDS\" ] && exec {program} --exact roles::role --nocapture; exit 1");
        task.config.insert("args".into(), serde_json::json!(["-c", script]));
    });
    // Its port is free for a moment: whoever takes it meanwhile has it for a short time only.
    edit_group(&mut new, |group| group.restart_policy.attempts = 20);
    let again = Allocation { id: "again".into(), previous_allocation: "old".into(), ..new.clone() };
    new.previous_allocation = "old".into();
    new.succeeds = "old".into();
    world.server.want(new);
    let failed = world.server.until_status("new", Failed).await;
    assert!(failed.succession_failed() || failed.client_description.starts_with("succession failed"), "{failed:#?}");
    assert_eq!(ask(port), "old");
    // What the server makes of it: the old one is stopped first.
    world.server.stop("new");
    world.server.stop("old");
    world.server.want(again);
    world.server.until("again", "it serves alone", |alloc| alloc.handover).await;
    assert_eq!(world.server.until_status("old", Complete).await.client_status, Complete);
    assert_eq!(ask(port), "new");
}
