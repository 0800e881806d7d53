//! The edge job is replaced beside itself: the successor is proven alone, and only then serves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use baton_testkit::eventually;

use crate::clients::Clients;
use crate::world::{EDGE, LIMIT, WEB, WHOAMI, World};

/// Clients of each proxy.
const CLIENTS: usize = 4;

/// The edge example with quick health, and another environment: what no running process can take up.
fn edition(number: u32, change: impl Fn(String) -> String) -> String {
    let job = fs::read_to_string(EDGE).unwrap();
    let job = job.replace("healthy_deadline = \"1m\"", "healthy_deadline = \"4s\"\n      progress_deadline = \"0s\"");
    let job = job.replace(
        "kill_timeout = \"20s\"",
        &format!("kill_timeout = \"20s\"\n      env {{\n        EDITION = \"{number}\"\n      }}"),
    );
    assert!(job.contains("EDITION") && job.contains("4s"));
    change(job)
}

/// New connections all the time, beside those that are kept.
fn fresh(world: &World) -> Vec<Clients> {
    let proxies = [world.socket(11, WEB), world.socket(12, WEB)];
    vec![Clients::start(&proxies, CLIENTS), Clients::start_closing(&proxies, CLIENTS)]
}

#[test]
fn a_rolling_replacement_takes_over_and_fails_no_request() {
    let world = World::serving();
    let before = world.await_running("edge", 2);
    let clients = fresh(&world);
    world.cli(&["run", "-detach", &world.file("edge.nomad", &edition(1, |job| job))]).ok();
    let after = eventually("two successors", LIMIT, || {
        let now = world.allocs("edge");
        let running = now.len() == 2 && now.iter().all(|alloc| alloc.status == "running");
        let others = now.iter().all(|alloc| before.iter().all(|old| old.id != alloc.id));
        if running && others { Ok(now) } else { Err(now) }
    });
    for alloc in &after {
        let status = world.cli(&["alloc", "status", &alloc.id]).ok();
        // Its check was asked at an address where nobody else answers, before it accepted anything.
        assert!(status.contains("Took Over") && status.contains("proven alone by"), "{status}");
    }
    world.await_deployed("edge");
    for node in [11, 12] {
        world.await_backends(node, 2);
    }
    for clients in clients {
        clients.await_answers(500);
        clients.finish();
    }
    for old in &before {
        assert_eq!(world.pids(&old.id), Vec::<i32>::new());
    }
}

#[test]
fn bad_successors_leave_the_old_proxies_serving_without_a_failed_request() {
    let world = World::prepare();
    // The program is a script that starts the proxy, as administrators have it: what it does can change behind the same name.
    let path = world.dir().join("edge-proxy");
    let script = |does: &str| {
        let made = path.with_extension("made");
        fs::write(&made, format!("#!/bin/sh\nexec {does}\n")).unwrap();
        fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&made, &path).unwrap();
    };
    let works = format!("{} proxy \"$@\"", env!("CARGO_BIN_EXE_baton"));
    script(&works);
    let scripted = |job: String| {
        let job = job.replace("command = \"baton\"", &format!("command = {path:?}")).replace("\"proxy\", ", "");
        assert!(job.contains("args    = [\"--configfile\""), "{job}");
        job
    };
    let first = world.file("edge.nomad", &scripted(fs::read_to_string(EDGE).unwrap()));
    let world = world.and_start(&[&first, WHOAMI]).settled();
    let before = world.await_running("edge", 2);
    let pids: Vec<Vec<i32>> = before.iter().map(|alloc| world.pids(&alloc.id)).collect();
    let clients = fresh(&world);
    let sick: fn(String) -> String =
        |job| job.replace("ping:\n  entryPoint: \"api\"", "ping:\n  entryPoint: \"websecure\"");
    let broken: fn(String) -> String = |job| job.replace("log:\n  level: \"INFO\"", "log:\n  level: [\"INFO\"");
    let silent: fn(String) -> String = |job| job.replace("level: \"INFO\"", "level: \"WARN\"");
    let bad = [
        (sick, works.as_str(), "while it was looked at alone"),
        (broken, &works, "before it was ready"),
        (silent, "sleep 600", "it was not ready within 4s"),
    ];
    for (number, (change, does, why)) in (1..).zip(bad) {
        let text = edition(number, |job| {
            let changed = change(job.clone());
            assert_ne!(changed, job);
            scripted(changed)
        });
        script(does);
        world.cli(&["run", "-detach", &world.file("edge.nomad", &text)]).ok();
        let failed = eventually("the successor has failed", LIMIT, || {
            let now = world.all_allocs("edge");
            let failed = now.iter().find(|alloc| {
                alloc.status == "failed" && world.cli(&["alloc", "status", &alloc.id]).ok().contains(why)
            });
            failed.map(|alloc| alloc.id.clone()).ok_or(now)
        });
        eventually("nothing of it is left", LIMIT, || match world.pids(&failed) {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        });
        eventually("the deployment has failed", LIMIT, || match world.deployment("edge") {
            status if status == "failed" => Ok(()),
            status => Err(status),
        });
        for clients in &clients {
            clients.await_answers(200);
        }
        let now: Vec<Vec<i32>> = before.iter().map(|alloc| world.pids(&alloc.id)).collect();
        assert_eq!(now, pids, "the old ones go on");
    }
    for clients in clients {
        clients.finish();
    }
}
