//! Start, signal, stop, end.

use baton_keeper::protocol::EventKind;

use crate::world::{World, alive, eventually, until, until_exit};

#[test]
fn runs_a_task_and_tells_its_end() {
    let world = World::new();
    let mut events = world.events();
    let task = world.client().start(world.shell("t", "echo out; echo err >&2; exit 3")).unwrap();
    assert!(task.pid > 0);
    let exit = until_exit(&mut events, "t");
    assert_eq!((exit.code, exit.signal), (Some(3), None));
    assert_eq!(world.read("t", "stdout"), "out\n");
    assert_eq!(world.read("t", "stderr"), "err\n");
}

#[test]
fn the_same_start_twice_is_one_task() {
    let world = World::new();
    let mut client = world.client();
    let first = client.start(world.shell("t", "sleep 60")).unwrap();
    let second = client.start(world.shell("t", "sleep 60")).unwrap();
    assert_eq!(first.pid, second.pid);
    let mut later = world.shell("t", "true");
    later.incarnation = 2;
    assert!(client.start(later).unwrap_err().to_string().contains("still runs"));
}

#[test]
fn a_program_that_is_not_there_says_so_and_may_be_tried_again() {
    let world = World::new();
    let mut client = world.client();
    let mut spec = world.shell("t", "");
    spec.program = "/no/such/program".into();
    let error = client.start(spec).unwrap_err().to_string();
    assert!(error.contains("/no/such/program") && error.contains("No such file"), "{error}");
    let mut spec = world.shell("t", "exit 0");
    spec.incarnation = 2;
    let mut events = world.events();
    client.start(spec).unwrap();
    assert!(until_exit(&mut events, "t").success());
}

#[test]
fn stop_sends_the_signal_to_the_leader_then_kills_all() {
    let world = World::new();
    let mut events = world.events();
    let mut client = world.client();
    // The leader ends on INT; its child ignores everything and is an orphan then.
    let script = "trap 'exit 7' INT; (trap '' INT TERM; exec sleep 600) & echo $! > orphan; echo up; wait";
    client.start(world.shell("t", script)).unwrap();
    eventually("the task is up", || world.read("t", "stdout") == "up\n");
    let orphan: i32 = std::fs::read_to_string(world.path().join("orphan")).unwrap().trim().parse().unwrap();
    client.stop("t", nix::libc::SIGINT, 60_000).unwrap();
    assert_eq!(until_exit(&mut events, "t").code, Some(7));
    eventually("the orphan is gone", || !alive(orphan));

    let mut spec = world.shell("stubborn", "trap '' INT TERM; echo up; while :; do sleep 600; done");
    spec.env.insert("X".into(), "1".into());
    client.start(spec).unwrap();
    eventually("the task is up", || world.read("stubborn", "stdout") == "up\n");
    client.stop("stubborn", nix::libc::SIGINT, 50).unwrap();
    assert_eq!(until_exit(&mut events, "stubborn").signal, Some(nix::libc::SIGKILL));
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_in_its_own_session_does_not_escape() {
    let world = World::new();
    let mut events = world.events();
    let script = "setsid sh -c 'echo $$ > daemon; exec sleep 600' & while [ ! -s daemon ]; do sleep 0.01; done";
    world.client().start(world.shell("t", script)).unwrap();
    until_exit(&mut events, "t");
    let daemon: i32 = std::fs::read_to_string(world.path().join("daemon")).unwrap().trim().parse().unwrap();
    eventually("the daemon is gone", || !alive(daemon));
}

#[test]
fn a_killed_task_is_said_to_be_killed_and_forgotten_on_request() {
    let world = World::new();
    let mut events = world.events();
    let mut client = world.client();
    let task = client.start(world.shell("t", "exec sleep 600")).unwrap();
    assert!(client.forget("t").is_err());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(task.pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(until_exit(&mut events, "t").signal, Some(9));
    client.forget("t").unwrap();
    until(&mut events, "t", EventKind::Forgotten);
    assert!(client.list().unwrap().is_empty());
    assert!(!world.path().join("logs/.t.stdout.fifo").exists());
}

#[test]
fn signals_reach_the_leader_or_the_group() {
    let world = World::new();
    let mut client = world.client();
    client.start(world.shell("t", "trap 'echo hup' HUP; echo up; while :; do sleep 0.02; done")).unwrap();
    eventually("the task is up", || world.read("t", "stdout") == "up\n");
    client.signal("t", nix::libc::SIGHUP, false).unwrap();
    eventually("the signal arrived", || world.read("t", "stdout") == "up\nhup\n");
    assert!(client.signal("t", 999, false).is_err());
    assert!(client.signal("other", 1, false).is_err());
}

#[test]
fn runs_as_another_user_when_root() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let world = World::new();
    std::fs::set_permissions(world.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut events = world.events();
    let mut spec = world.shell("t", "id -un; id -G");
    spec.user = "nobody".into();
    world.client().start(spec).unwrap();
    assert!(until_exit(&mut events, "t").success());
    let output = world.read("t", "stdout");
    assert!(output.starts_with("nobody\n") && !output.contains("\n0\n"), "{output}");
    let mut spec = world.shell("u", "true");
    spec.user = "no-such-user".into();
    assert!(world.client().start(spec).unwrap_err().to_string().contains("unknown user"));
}
