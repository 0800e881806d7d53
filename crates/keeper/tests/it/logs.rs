//! Rotation and full disks.

use baton_keeper::protocol::EventKind;
use baton_testkit::SmallDisk;

use crate::world::{World, read_logs, until, until_exit};

#[test]
fn rotates_and_keeps_the_newest() {
    let world = World::new();
    let mut events = world.events();
    let mut spec = world.shell("t", "i=0; while [ $i -lt 3000 ]; do printf 'line %04d\\n' $i; i=$((i+1)); done");
    spec.logs.max_bytes = 5_000;
    spec.logs.max_files = 3;
    world.client().start(spec).unwrap();
    assert!(until_exit(&mut events, "t").success());
    let text = world.read("t", "stdout");
    assert!(text.ends_with("line 2998\nline 2999\n"));
    let files = std::fs::read_dir(world.path().join("logs"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("t.stdout."));
    assert_eq!(files.count(), 3);
    assert!((10_000..=15_000).contains(&text.len()), "{}", text.len());
}

#[test]
fn disabled_logs_leave_no_file() {
    let world = World::new();
    let mut events = world.events();
    let mut spec = world.shell("t", "echo lost");
    spec.logs.disabled = true;
    world.client().start(spec).unwrap();
    assert!(until_exit(&mut events, "t").success());
    assert_eq!(std::fs::read_dir(world.path().join("logs")).unwrap().count(), 0);
}

/// As root and as anybody else: over the limit a write fails as on a full disk, with a signal on top.
#[test]
fn a_limit_on_file_sizes_ends_neither_the_keeper_nor_the_task() {
    let world = World::with_file_limit(64);
    let mut events = world.events();
    let script = "head -c 200000 /dev/zero | tr '\\0' x; echo; echo done > wrote; exec sleep 600";
    let mut spec = world.shell("t", script);
    spec.logs.max_bytes = 10 << 20;
    let mut client = world.client();
    let task = client.start(spec).unwrap();
    until(&mut events, "t", EventKind::OutputDropped);
    crate::world::eventually("the task is not blocked", || world.path().join("wrote").exists());
    assert_eq!(client.list().unwrap()[0].pid, task.pid);
    // Smaller files fit: rotation goes on.
    let mut small = world.shell("u", "head -c 200000 /dev/zero | tr '\\0' x; echo end");
    small.logs.max_bytes = 16 << 10;
    client.start(small).unwrap();
    assert!(until_exit(&mut events, "u").success());
    assert!(world.read("u", "stdout").ends_with("end\n"));
}

#[test]
fn a_full_disk_neither_blocks_nor_kills_the_task() {
    let world = World::new();
    let Some(small) = SmallDisk::mount(&world.path().join("small"), "256k") else { return };
    let mut events = world.events();
    let script = "head -c 1000000 /dev/zero | tr '\\0' x; echo; touch wrote; \
                  while [ ! -e go ]; do sleep 0.01; done; echo after; echo second";
    let mut spec = world.shell("t", script);
    spec.logs.dir = small.path().to_owned();
    spec.logs.max_bytes = 10 << 20;
    world.client().start(spec).unwrap();
    until(&mut events, "t", EventKind::OutputDropped);
    crate::world::eventually("the task is not blocked", || world.path().join("wrote").exists());
    // Room again: the log was what filled the disk, so its file is cut.
    let log = std::fs::OpenOptions::new().write(true).open(small.path().join("t.stdout.0")).unwrap();
    log.set_len(100).unwrap();
    std::fs::write(world.path().join("go"), "").unwrap();
    let task = until(&mut events, "t", EventKind::OutputResumed);
    assert!(task.output_lost > 500_000, "{}", task.output_lost);
    assert!(until_exit(&mut events, "t").success());
    let text = read_logs(small.path(), "t.stdout");
    assert!(text.contains("bytes of output were lost") && text.ends_with("second\n"), "…{}", &text[text.len() - 200..]);
}
