//! Tasks and clients that want to do harm.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use baton_keeper::protocol::{EventKind, StartSpec};

use crate::world::{World, eventually, until};

fn sender(world: &World, key: &str, env: &[(&str, &str)]) -> StartSpec {
    let mut spec = world.server(key, "sender");
    spec.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    spec
}

#[test]
fn a_flood_of_messages_neither_stops_the_keeper_nor_fills_its_journal() {
    let world = World::new();
    let mut events = world.events();
    let mut client = world.client();
    let env = [("SEND_STATUS", "5000"), ("SEND_LAST", "READY=1\nSTATUS=at last"), ("SEND_STAY", "1")];
    client.start(sender(&world, "t", &env)).unwrap();
    // While it floods, others are served.
    client.start(world.shell("other", "exec sleep 600")).unwrap();
    let task = until(&mut events, "t", EventKind::Ready);
    assert_eq!((task.ready, task.status.as_str()), (true, "at last"));
    let journal = std::fs::metadata(world.path().join("journal")).unwrap().len();
    assert!(journal < 2 << 20, "{journal}");
}

#[test]
fn a_flood_of_descriptors_is_cut_and_others_can_start() {
    let world = World::new();
    let mut events = world.events();
    let mut client = world.client();
    let env = [("SEND_FDS", "3000"), ("SEND_LAST", "READY=1"), ("SEND_STAY", "1")];
    client.start(sender(&world, "t", &env)).unwrap();
    let task = until(&mut events, "t", EventKind::Ready);
    assert!((500..=1024).contains(&task.stored.len()), "{}", task.stored.len());
    client.start(world.shell("other", "exec sleep 600")).unwrap();
    // A task starts with the limits that the keeper was started with, not with those it gave itself.
    let own = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap().0;
    client.start(world.shell("limit", "ulimit -n")).unwrap();
    eventually("the limit is told", || world.read("limit", "stdout").trim() == own.to_string());
}

#[cfg(target_os = "linux")]
#[test]
fn another_user_cannot_speak_for_a_task_by_leaving_at_once() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let world = World::new();
    std::fs::set_permissions(world.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut client = world.client();
    client.start(world.shell("t", "echo $NOTIFY_SOCKET; exec sleep 600")).unwrap();
    eventually("the task is up", || world.read("t", "stdout").ends_with('\n'));
    let path = world.read("t", "stdout").trim().to_owned();
    // While the keeper is stopped the sender is gone before its message is read.
    let keeper = nix::unistd::Pid::from_raw(world.keeper_pid());
    nix::sys::signal::kill(keeper, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let script = "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'READY=1\\nSTATUS=forged', sys.argv[1])";
    let sent = Command::new("python3").args(["-c", script, &path]).uid(65534).gid(65534).status();
    nix::sys::signal::kill(keeper, nix::sys::signal::Signal::SIGCONT).unwrap();
    if !sent.is_ok_and(|status| status.success()) {
        eprintln!("skipped: nobody cannot run python3 here");
        return;
    }
    client.signal("t", nix::libc::SIGCONT, false).unwrap();
    let task = client.list().unwrap().remove(0);
    assert!(!task.ready && task.status.is_empty(), "{task:?}");
}

#[test]
fn clients_that_only_take_up_room_are_sent_away() {
    let world = World::new();
    let mut served = world.client();
    let idle: Vec<_> = (0..600).map(|_| UnixStream::connect(world.path().join("keeper.sock"))).collect();
    assert!(served.list().unwrap().is_empty());
    drop(idle);
    world.client();
}

#[test]
fn a_start_that_fails_half_way_is_over_and_may_be_tried_again() {
    let world = World::new();
    let mut client = world.client();
    client.start(world.shell("t", "exit 0")).unwrap();
    eventually("it has ended", || client.list().unwrap()[0].exit().is_some());
    // The log directory cannot take a FIFO: a directory stands there, with something in it.
    std::fs::remove_file(world.path().join("logs/.t.stdout.fifo")).unwrap();
    std::fs::create_dir_all(world.path().join("logs/.t.stdout.fifo/x")).unwrap();
    let mut spec = world.shell("t", "echo second; exec sleep 600");
    spec.incarnation = 2;
    assert!(client.start(spec.clone()).is_err());
    assert!(client.list().unwrap()[0].exit().is_some());
    std::fs::remove_dir_all(world.path().join("logs/.t.stdout.fifo")).unwrap();
    spec.incarnation = 3;
    client.start(spec).unwrap();
    eventually("it runs", || world.read("t", "stdout") == "second\n");
}
