//! The disk with the data directory is full: it is told, everything that runs goes on, and all is well when there is room again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use baton_testkit::{SmallDisk, eventually};
use nix::sys::signal::Signal;

use crate::clients::Clients;
use crate::world::{EDGE, LIMIT, WEB, WHOAMI, World};

/// Clients of each proxy.
const CLIENTS: usize = 4;
/// What the jobs ask for; nobody writes that much.
const PLENTY: &str = "8g";
/// Room for what is there, and some.
const LITTLE: &str = "64m";
/// More than the store can keep without growing.
const LARGE: usize = 600_000;

/// Writes one line after the other, each one higher than the last.
const CHATTY: &str = r#"job "chatty" {
  group "main" {
    task "main" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "n=0; while :; do n=$((n+1)); printf 'line %s %400s\\n' $n .; sleep 0.02; done"]
      }
    }
  }
}
"#;

/// Takes all the room there is.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut chunk = vec![1; 1 << 20];
    while !chunk.is_empty() {
        if file.write_all(&chunk).is_err() {
            chunk.truncate(chunk.len() / 2);
        }
    }
}

#[test]
fn a_full_disk_stops_nothing_that_runs_and_spoils_nothing() {
    let world = World::prepare();
    let Some(disk) = SmallDisk::mount(&world.data(), PLENTY) else { return };
    let mut world = world.and_lasting(&[EDGE, WHOAMI]).settled();
    let chatty = world.file("chatty.nomad", CHATTY);
    world.cli(&["run", &chatty]).ok();
    let alloc = world.await_running("chatty", 1).remove(0).id;
    let logs = |world: &World| world.cli(&["alloc", "logs", &alloc]).ok();
    // Of each allocation the process that was started; what the chatty one starts comes and goes.
    let pids = |world: &World| {
        ["edge", "whoami", "chatty"].map(|job| {
            let all = world.pids_of(job);
            all.into_iter().map(|(id, pids)| (id, pids.first().copied())).collect::<Vec<_>>()
        })
    };
    let before = pids(&world);
    let clients = Clients::start(&[world.socket(11, WEB), world.socket(12, WEB)], CLIENTS);

    let filler = world.data().join("filler");
    disk.resize(LITTLE);
    fill(&filler);
    // What cannot be kept is refused with the reason.
    let name = |name: &str| CHATTY.replace("chatty", name);
    let large = name("large")
        .replace("group \"main\"", &format!("meta {{\n    text = \"{}\"\n  }}\n  group \"main\"", "x".repeat(LARGE)));
    let large = world.file("large.nomad", &large);
    let refused = world.cli(&["run", "-detach", &large]);
    assert!(refused.code == 1 && refused.err.contains("No space left on device"), "{refused:#?}");
    assert!(world.log().contains("No space left on device"), "{}", world.log());
    assert_eq!(world.get("/v1/jobs").as_array().unwrap().len(), 3);
    clients.await_answers(2000);
    assert_eq!(pids(&world), before, "all of them go on");

    fs::remove_file(&filler).unwrap();
    disk.resize(PLENTY);
    eventually("the log goes on, with what was lost", LIMIT, || {
        let text = logs(&world);
        let told = text.find("bytes of output were lost, no room for logs").ok_or_else(|| text.clone())?;
        if text[told..].contains("\nline ") { Ok(()) } else { Err(text) }
    });
    eventually("the event", LIMIT, || {
        let status = world.cli(&["alloc", "status", &alloc]).ok();
        if status.contains("there is no room for logs") { Ok(()) } else { Err(status) }
    });
    world.cli(&["run", "-detach", &world.file("another.nomad", &name("another"))]).ok();
    world.await_running("another", 1);
    clients.await_answers(500);

    // What was acknowledged is there after a crash.
    world.dev().signal(Signal::SIGKILL);
    world.dev().wait(LIMIT);
    world.begin(&[]);
    for (job, count) in [("edge", 2), ("whoami", 2), ("chatty", 1), ("another", 1)] {
        world.await_running(job, count);
    }
    assert_eq!(pids(&world), before);
    clients.finish();
}
