//! Stored sockets go to the successor, survive a crash, and are closed when nobody takes them.

use std::io::{Read, Write};
use std::net::TcpStream;

use baton_keeper::protocol::EventKind;

use crate::world::{World, eventually, until, until_exit};

fn port(world: &World, key: &str) -> u16 {
    let mut port = None;
    eventually("the server says its port", || {
        port = world.read(key, "stdout").lines().find_map(|line| line.strip_prefix("port ")?.parse().ok());
        port.is_some()
    });
    port.unwrap()
}

fn ask(port: u16, line: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    writeln!(stream, "{line}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

#[test]
fn a_successor_takes_the_sockets_over_beside_the_old_one() {
    let world = World::new();
    let mut events = world.events();
    let mut client = world.client();
    client.start(world.server("old", "storer")).unwrap();
    let old = until(&mut events, "old", EventKind::Ready);
    assert_eq!((old.stored.as_slice(), old.reload.as_str()), (["web.0".to_owned()].as_slice(), "full"));
    let port = port(&world, "old");
    assert_eq!(ask(port, "hello"), "old");

    let mut successor = world.server("new", "successor");
    successor.inherit_from = Some("old".into());
    assert_eq!(client.start(successor).unwrap().inherited, 1);
    until(&mut events, "new", EventKind::Ready);
    client.stop("old", nix::libc::SIGTERM, 5_000).unwrap();
    until_exit(&mut events, "old");
    for _ in 0..20 {
        assert_eq!(ask(port, "hello"), "new");
    }
    eventually("the old task's sockets are let go", || {
        client.list().unwrap().iter().any(|task| task.key == "old" && task.stored.is_empty())
    });
}

#[test]
fn a_restarted_task_answers_the_backlog_of_the_crashed_one() {
    let world = World::new();
    let mut events = world.events();
    let mut client = world.client();
    client.start(world.server("t", "storer")).unwrap();
    until(&mut events, "t", EventKind::Ready);
    let port = port(&world, "t");
    ask(port, "die");
    until_exit(&mut events, "t");
    let mut waiting = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut again = world.server("t", "successor");
    again.incarnation = 2;
    client.start(again).unwrap();
    writeln!(waiting, "hello").unwrap();
    let mut text = String::new();
    waiting.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("t "), "{text:?}");
}

#[test]
fn held_sockets_are_closed_when_nobody_takes_them() {
    let world = World::new();
    let mut events = world.events();
    let mut client = world.client();
    let mut spec = world.server("t", "storer");
    spec.handover_timeout_ms = Some(50);
    client.start(spec).unwrap();
    until(&mut events, "t", EventKind::Ready);
    let port = port(&world, "t");
    client.stop("t", nix::libc::SIGKILL, 0).unwrap();
    until_exit(&mut events, "t");
    until(&mut events, "t", EventKind::Stored);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn a_restarted_keeper_finds_the_stored_sockets_again() {
    let mut world = World::new();
    let mut events = world.events();
    world.client().start(world.server("t", "storer")).unwrap();
    until(&mut events, "t", EventKind::Ready);
    let port = port(&world, "t");
    world.kill_keeper();
    world.restart_keeper();
    let mut client = world.client();
    if client.list().unwrap()[0].stored.is_empty() {
        eprintln!("skipped: this user may not take descriptors of another process");
        return;
    }
    let mut successor = world.server("new", "successor");
    successor.inherit_from = Some("t".into());
    let mut events = world.events();
    client.start(successor).unwrap();
    until(&mut events, "new", EventKind::Ready);
    client.stop("t", nix::libc::SIGKILL, 0).unwrap();
    until_exit(&mut events, "t");
    assert_eq!(ask(port, "hello"), "new");
}

#[test]
fn a_stranger_cannot_speak_for_a_task() {
    let world = World::new();
    let mut client = world.client();
    client.start(world.shell("t", "echo $NOTIFY_SOCKET; exec sleep 600")).unwrap();
    eventually("the task is up", || world.read("t", "stdout").ends_with('\n'));
    let path = world.read("t", "stdout").trim().to_owned();
    std::os::unix::net::UnixDatagram::unbound().unwrap().send_to(b"READY=1\nSTATUS=forged", &path).unwrap();
    client.signal("t", nix::libc::SIGCONT, false).unwrap();
    let task = client.list().unwrap().remove(0);
    if cfg!(target_os = "linux") {
        assert!(!task.ready && task.status.is_empty(), "{task:?}");
    }
}
