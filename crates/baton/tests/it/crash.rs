//! `kill -9` of everything that may die: traffic goes on, nothing is lost, nothing is left over.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use baton_testkit::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clients::Clients;
use crate::procs;
use crate::world::{LIMIT, WEB, World};

/// Writes a line with the next number every so often, to both streams.
const COUNTER: &str = r#"job "counter" {
  group "main" {
    task "main" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "n=0; while :; do n=$((n+1)); echo $n; echo $n >&2; sleep 0.02; done"]
      }
    }
  }
}
"#;

/// Clients of each proxy.
const CLIENTS: usize = 4;

#[test]
fn the_agents_death_costs_no_request_no_process_and_no_log_line() {
    let mut world = World::lasting_serving();
    world.cli(&["run", &world.file("counter.nomad", COUNTER)]).ok();
    let counter = world.await_running("counter", 1).remove(0).id;
    let before = pids(&world);
    let clients = Clients::start(&[world.socket(11, WEB), world.socket(12, WEB)], CLIENTS);

    world.dev().signal(Signal::SIGKILL);
    world.dev().wait(LIMIT);
    // Long enough for everything that watches the agent to have noticed.
    clients.await_answers(2000);
    assert_eq!(pids_now(&before), before, "tasks go on without the agent");
    let at_restart = last_line(&world, &counter);

    world.begin(&[]);
    for (job, count) in [("edge", 2), ("whoami", 2), ("counter", 1)] {
        world.await_running(job, count);
    }
    assert_eq!(pids(&world), before, "the same allocations with the same processes");
    for node in [11, 12] {
        world.await_backends(node, 2);
    }
    clients.await_answers(500);
    clients.finish();
    await_lines(&world, &counter, at_restart + 10);
    assert_no_gap(&world, &counter);

    let status = world.cli(&["job", "status", "edge"]).ok();
    assert!(status.contains("Status        = running"), "{status}");
    assert!(status.contains("http        0       0         2        0       0         0     0"), "{status}");
    assert_eq!(world.all_allocs("edge").len(), 2, "nothing was placed anew");

    // And it still reacts: the agent that came back owns what it found.
    world.cli(&["job", "stop", "counter"]).ok();
    eventually("the counter has ended", LIMIT, || {
        let left = world.pids(&counter);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

#[test]
fn the_keepers_death_costs_no_request_no_process_and_no_log_line() {
    let world = World::serving();
    world.cli(&["run", &world.file("counter.nomad", COUNTER)]).ok();
    let counter = world.await_running("counter", 1).remove(0);
    let before = pids(&world);
    let clients = Clients::start(&[world.socket(11, WEB), world.socket(12, WEB)], CLIENTS);
    for node in ["edge-1", "edge-2"] {
        let keeper = world.keeper(node).expect("a keeper");
        kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
        eventually("another keeper", LIMIT, || match world.keeper(node) {
            Some(next) if next != keeper && procs::is_alive(next) => Ok(()),
            other => Err(other),
        });
    }
    let at_kill = last_line(&world, &counter.id);
    await_lines(&world, &counter.id, at_kill + 50);
    assert_no_gap(&world, &counter.id);
    assert_eq!(pids(&world), before);
    clients.await_answers(500);
    clients.finish();

    // The keeper that came back owns the tasks: their end is seen, with its reason.
    kill(Pid::from_raw(before[&counter.id][0]), Signal::SIGKILL).unwrap();
    eventually("the end of the task is seen", LIMIT, || {
        let text = world.cli(&["alloc", "status", &counter.id]).ok();
        if text.contains("Terminated") && text.contains("Restarting") { Ok(()) } else { Err(text) }
    });
}

#[test]
fn a_killed_task_is_restarted_as_its_job_says_and_its_orphans_are_gone() {
    let job = r#"job "parent" {
  group "main" {
    restart {
      attempts = 1
      delay    = "100ms"
      interval = "10m"
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "main" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "sleep 1001 & (setsid sleep 1002 & sleep 1003) & echo $$; wait"]
      }
    }
  }
}
"#;
    let world = World::prepare();
    let file = world.file("parent.nomad", job);
    let world = world.and_start(&[&file]);
    let alloc = world.await_running("parent", 1).remove(0).id;
    let family = |but: &[i32]| {
        eventually("a task with its children", LIMIT, || {
            let pids = world.pids(&alloc);
            let leader =
                pids.iter().copied().find(|pid| procs::command_line(*pid).iter().any(|word| word.contains("1003")));
            let sleeps =
                pids.iter().filter(|pid| procs::command_line(**pid).first().is_some_and(|word| word == "sleep"));
            match leader {
                Some(leader) if sleeps.count() == 3 && !pids.iter().any(|pid| but.contains(pid)) => Ok((leader, pids)),
                _ => Err(pids),
            }
        })
    };
    let (_, first) = family(&[]);
    let leader = task_leader(&world, &alloc);
    assert!(first.contains(&leader));
    kill(Pid::from_raw(leader), Signal::SIGKILL).unwrap();

    let (_, second) = family(&first);
    assert!(first.iter().all(|pid| !procs::is_alive(*pid)), "orphans of the first are gone");
    let status = world.cli(&["alloc", "status", &alloc]).ok();
    for part in ["Total Restarts = 1", "Terminated", "Restarting"] {
        assert!(status.contains(part), "{part:?} in\n{status}");
    }

    // One attempt was allowed.
    kill(Pid::from_raw(task_leader(&world, &alloc)), Signal::SIGKILL).unwrap();
    eventually("the allocation has failed", LIMIT, || {
        let status = world.all_allocs("parent");
        if status[0].status == "failed" { Ok(()) } else { Err(status) }
    });
    assert!(second.iter().all(|pid| !procs::is_alive(*pid)), "orphans of the second are gone");
    assert_eq!(world.pids(&alloc), Vec::<i32>::new());
}

/// Processes of the three jobs, by allocation.
fn pids(world: &World) -> BTreeMap<String, Vec<i32>> {
    // The counter's children come and go.
    let lasting = |pids: Vec<i32>| pids.into_iter().filter(|pid| procs::leads_its_group(*pid)).collect();
    ["edge", "whoami", "counter"]
        .iter()
        .flat_map(|job| world.pids_of(job))
        .map(|(alloc, pids)| (alloc, lasting(pids)))
        .collect()
}

/// Those of them that still run.
fn pids_now(before: &BTreeMap<String, Vec<i32>>) -> BTreeMap<String, Vec<i32>> {
    let alive = |pids: &Vec<i32>| pids.iter().copied().filter(|pid| procs::is_alive(*pid)).collect();
    before.iter().map(|(alloc, pids)| (alloc.clone(), alive(pids))).collect()
}

/// The pid that the task itself printed last.
fn task_leader(world: &World, alloc: &str) -> i32 {
    let log = world.cli(&["alloc", "logs", alloc]).ok();
    log.lines().last().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("no pid in {log:?}"))
}

/// The log files of the counter, which say the same as `alloc logs` with or without an agent.
fn log_file(world: &World, alloc: &str, stream: &str) -> PathBuf {
    let nodes = procs::mentioning(world.dir()).into_iter().find_map(|pid| {
        (procs::variable(pid, "NOMAD_ALLOC_ID")? == alloc).then(|| procs::variable(pid, "NOMAD_ALLOC_DIR"))?
    });
    PathBuf::from(nodes.expect("a task with an allocation directory")).join(format!("logs/main.{stream}.0"))
}

fn last_line(world: &World, alloc: &str) -> u64 {
    let text = fs::read_to_string(log_file(world, alloc, "stdout")).unwrap();
    text.lines().rev().find_map(|line| line.parse().ok()).unwrap_or(0)
}

fn await_lines(world: &World, alloc: &str, goal: u64) {
    eventually("the counter goes on", LIMIT, || match last_line(world, alloc) {
        line if line >= goal => Ok(()),
        line => Err(line),
    });
}

/// Both streams, through the agent, count from 1 without a gap.
fn assert_no_gap(world: &World, alloc: &str) {
    for stream in ["-stdout", "-stderr"] {
        let log = world.cli(&["alloc", "logs", stream, alloc]).ok();
        for (line, expected) in log.lines().zip(1_u64..) {
            assert_eq!(line, expected.to_string(), "{stream}");
        }
        assert!(log.lines().count() > 10, "{stream}: {log}");
    }
}
