//! kill -9 of the keeper, its upgrade, and the end of its agent.

use baton_keeper::protocol::Phase;

use crate::world::{LIMIT, World, alive, connect, eventually, keeper_command, start_keeper, until_exit};

const COUNTER: &str = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; echo end; exec sleep 600";

fn assert_no_gap(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.last(), Some(&"end"));
    for (expected, line) in lines[..lines.len() - 1].iter().enumerate() {
        assert_eq!(**line, expected.to_string());
    }
}

#[test]
fn tasks_survive_kill_9_without_a_gap_in_the_log() {
    let mut world = World::new();
    let task = world.client().start(world.shell("t", COUNTER)).unwrap();
    for round in 0..5 {
        eventually("the counter runs", || world.read("t", "stdout").len() > round * 2000);
        world.kill_keeper();
        assert!(alive(task.pid));
        world.restart_keeper();
        let found = world.client().list().unwrap();
        assert_eq!((found[0].pid, &found[0].phase), (task.pid, &Phase::Running));
    }
    eventually("the counter ends", || world.read("t", "stdout").ends_with("end\n"));
    assert_no_gap(&world.read("t", "stdout"));

    let mut events = world.events();
    world.client().stop("t", nix::libc::SIGTERM, 1000).unwrap();
    let exit = until_exit(&mut events, "t");
    assert!(!exit.success() && exit.reason.contains("keeper was restarted"), "{exit:?}");
}

#[test]
fn an_end_that_nobody_saw_counts_as_failed() {
    let mut world = World::new();
    let task = world.client().start(world.shell("t", "exec sleep 600")).unwrap();
    world.kill_keeper();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(task.pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("the task is gone", || !alive(task.pid));
    world.restart_keeper();
    let found = world.client().list().unwrap();
    let exit = found[0].exit().unwrap();
    assert!(!exit.success() && exit.reason.contains("while its keeper was away"), "{exit:?}");
}

#[test]
fn a_start_that_was_asked_before_the_kill_is_not_done_twice() {
    let mut world = World::new();
    let first = world.client().start(world.shell("t", "echo once; exec sleep 600")).unwrap();
    world.kill_keeper();
    world.restart_keeper();
    let again = world.client().start(world.shell("t", "echo once; exec sleep 600")).unwrap();
    assert_eq!(first.pid, again.pid);
    eventually("the output is there", || world.read("t", "stdout") == "once\n");
}

#[test]
fn an_upgrade_keeps_children_exit_codes_and_logs() {
    let world = World::new();
    let script = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.02; done";
    let task = world.client().start(world.shell("t", script)).unwrap();
    eventually("the task is up", || world.read("t", "stdout") == "up\n");
    world.client().upgrade(&std::env::current_exe().unwrap()).unwrap();
    let mut client = connect(world.path());
    assert_eq!(client.keeper_pid, world.keeper_pid());
    assert_eq!(client.list().unwrap()[0].pid, task.pid);
    let mut events = world.events();
    client.stop("t", nix::libc::SIGTERM, 10_000).unwrap();
    assert_eq!(until_exit(&mut events, "t").code, Some(5));
    assert_eq!(world.read("t", "stdout"), "up\nbye\n");
    assert!(client.upgrade(std::path::Path::new("/no/such/program")).is_err());
}

#[test]
fn what_was_to_be_killed_is_killed_by_the_next_keeper() {
    let mut world = World::new();
    let task = world.client().start(world.shell("t", "trap '' TERM; echo up; while :; do sleep 600; done")).unwrap();
    eventually("the task is up", || world.read("t", "stdout") == "up\n");
    world.client().stop("t", nix::libc::SIGTERM, 300).unwrap();
    world.kill_keeper();
    assert!(alive(task.pid));
    // Twice in a row: the deadline is not forgotten by the one in between either.
    world.restart_keeper();
    world.kill_keeper();
    world.restart_keeper();
    eventually("the task is killed", || !alive(task.pid));
}

#[test]
fn a_damaged_journal_loses_no_task() {
    let mut world = World::new();
    let one = world.client().start(world.shell("one", "exec sleep 600")).unwrap();
    let two = world.client().start(world.shell("two", "exec sleep 600")).unwrap();
    world.kill_keeper();
    let path = world.path().join("journal");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..5].copy_from_slice(b"\xff\xfe\0{{");
    bytes.extend_from_slice(b"{\"task\":{\"key\":\"half");
    std::fs::write(&path, bytes).unwrap();
    world.restart_keeper();
    let pids: Vec<i32> =
        world.client().list().unwrap().iter().filter(|task| task.exit().is_none()).map(|task| task.pid).collect();
    assert_eq!(pids, [one.pid, two.pid]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_no_journal_knows_does_not_run_on() {
    let mut world = World::new();
    let script = "setsid sh -c 'echo $$ > daemon; exec sleep 600' & exec sleep 600";
    let task = world.client().start(world.shell("t", script)).unwrap();
    let mut daemon = 0;
    eventually("the daemon is up", || {
        daemon = std::fs::read_to_string(world.path().join("daemon"))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        daemon > 0
    });
    world.kill_keeper();
    std::fs::remove_file(world.path().join("journal")).unwrap();
    world.restart_keeper();
    assert!(world.client().list().unwrap().is_empty());
    eventually("both are gone", || !alive(task.pid) && !alive(daemon));
}

#[test]
fn a_task_whose_log_directory_is_gone_is_still_the_keepers() {
    let mut world = World::new();
    let task = world.client().start(world.shell("t", "exec sleep 600")).unwrap();
    world.kill_keeper();
    std::fs::remove_dir_all(world.path().join("logs")).unwrap();
    world.restart_keeper();
    let mut events = world.events();
    let mut client = world.client();
    assert_eq!(client.list().unwrap()[0].pid, task.pid);
    client.stop("t", nix::libc::SIGKILL, 0).unwrap();
    until_exit(&mut events, "t");
    // A later start makes do with what is there then.
    std::fs::create_dir(world.path().join("logs")).unwrap();
    let mut again = world.shell("t", "echo again");
    again.incarnation = 2;
    client.start(again).unwrap();
    assert!(until_exit(&mut events, "t").success());
    assert_eq!(world.read("t", "stdout"), "again\n");
}

#[test]
fn a_second_keeper_is_refused() {
    let world = World::new();
    let output = keeper_command(world.path(), &[]).stderr(std::process::Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("another keeper runs"), "{text}");
}

#[test]
fn leaving_lets_tasks_go_on_and_ending_ends_them() {
    let mut world = World::new();
    let task = world.client().start(world.shell("t", "exec sleep 600")).unwrap();
    world.client().shutdown(false).unwrap();
    world.wait_keeper();
    assert!(alive(task.pid));
    world.restart_keeper();
    world.client().shutdown(true).unwrap();
    world.wait_keeper();
    eventually("the task is gone", || !alive(task.pid));
    world.restart_keeper();
}

#[test]
fn everything_ends_after_the_agent_vanished() {
    let outer = tempfile::Builder::new().prefix("bk").tempdir().unwrap();
    let dir = outer.path().join("k");
    std::fs::create_dir_all(dir.join("logs")).unwrap();
    let mut agent = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let pid = agent.id().to_string();
    let dir_text = dir.display().to_string();
    let mut keeper = start_keeper(&dir, &[("KEEPER_DIE_WITH", &pid), ("KEEPER_REMOVE_DIR", &dir_text)]);
    let spec = baton_keeper::protocol::StartSpec {
        key: "t".into(),
        incarnation: 1,
        program: "/bin/sleep".into(),
        args: vec!["600".into()],
        cwd: dir.clone(),
        logs: baton_keeper::protocol::LogSpec {
            dir: dir.join("logs"),
            name: "t".into(),
            max_files: 1,
            max_bytes: 1 << 20,
            disabled: false,
        },
        ..Default::default()
    };
    let task = connect(&dir).start(spec).unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    let begin = std::time::Instant::now();
    assert!(keeper.wait().unwrap().success());
    assert!(begin.elapsed() < LIMIT);
    assert!(!alive(task.pid));
    assert!(!dir.exists());
}
