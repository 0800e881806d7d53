//! A successor takes the sockets over beside the old allocation.

use std::io::{Read, Write};
use std::net::TcpStream;

use baton_model::AllocClientStatus::{Complete, Running};
use baton_model::{Allocation, JobType};

use crate::world::{World, alloc, shell};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_fails_is_tried_again_after_the_old_one_was_stopped() {
    let world = World::new().await;
    let port = old(&world).await;
    // A program that cannot take over: it exits when given sockets, and binds its own when not.
    let mut new = server("new", port);
    crate::world::edit_group(&mut new, |group| {
        let task = &mut group.tasks[0];
        let program = task.config["command"].as_str().unwrap().to_owned();
        task.config.insert("command".into(), "/bin/sh".into());
        let script = format!("[ -z \"$LISTEN_FDS\" ] && exec {program} --exact roles::role --nocapture; exit 1");
        task.config.insert("args".into(), serde_json::json!(["-c", script]));
    });
    new.previous_allocation = "old".into();
    new.succeeds = "old".into();
    world.server.want(new);
    world.server.until("new", "it serves alone", |alloc| alloc.handover).await;
    assert_eq!(world.server.until_status("old", Complete).await.client_status, Complete);
    assert_eq!(ask(port), "new");
    let events = format!("{:?}", world.server.reported("new").unwrap().task_states["t"].events);
    assert!(events.contains("the old one is stopped first"), "{events}");
}
