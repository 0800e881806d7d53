//! Not one failed request while everything around the requests changes.
//!
//! 10 s each, 30 s with `BATON_TEST_LONG=1`.

use std::fs;
use std::process::Command;

use baton_testkit::{Process, eventually, peers};
use serde_json::{Value, json};

use crate::clients::{Clients, full_time};
use crate::procs;
use crate::world::{API, HOST, LIMIT, WEB, World, curl, say};

/// Clients of each proxy.
const CLIENTS: usize = 6;
const EDITS: usize = 20;
const CHANGES: usize = 50;

#[test]
fn no_request_fails_while_a_dynamic_file_is_edited() {
    let world = World::serving();
    let clients = Clients::start(&[world.socket(11, WEB), world.socket(12, WEB)], CLIENTS);
    let files: Vec<String> = world
        .await_running("edge", 2)
        .iter()
        .map(|alloc| procs::variable(world.pids(&alloc.id)[0], "NOMAD_TASK_DIR").unwrap() + "/traefik.d/api.yml")
        .collect();
    let original = fs::read_to_string(&files[0]).unwrap();
    for edit in 0..EDITS {
        // The middleware that every answer passes through.
        let text = original.replace("server: \"\"", &format!("server: \"\"\n          X-Edition: \"{edit}\""));
        for (file, node) in files.iter().zip([11, 12]) {
            fs::write(file, &text).unwrap();
            eventually("the edition in an answer", LIMIT, || {
                let headers = curl(&[
                    "-o",
                    "/dev/null",
                    "-D",
                    "-",
                    "-H",
                    &format!("Host: {HOST}"),
                    &format!("http://{}/", world.socket(node, WEB)),
                ])?;
                let wanted = format!("x-edition: {edit}\r\n");
                if headers.to_ascii_lowercase().contains(&wanted) { Ok(()) } else { Err(headers) }
            });
        }
    }
    clients.full_time();
    clients.finish();
}

#[test]
fn no_request_fails_while_backends_come_and_go() {
    let world = World::serving();
    let address = world.socket(21, 8000);
    let _backend = Process::start(crate::baton().args(["whoami", "--name", "extra", "--listen", &address.to_string()]));
    eventually("the extra backend", LIMIT, || curl(&["-f", &format!("http://{address}/health")]));
    let tags = &world.get("/v1/job/whoami")["TaskGroups"][0]["Tasks"][0]["Services"][0]["Tags"];
    let service = json!({ "ID": "extra", "Name": "whoami", "Address": address.ip().to_string(), "Port": address.port(), "Tags": tags });
    let put = |path: &str, body: &Value| {
        let url = format!("http://{}/v1/agent/service/{path}", world.catalog);
        curl(&["-f", "-X", "PUT", "-d", &body.to_string(), &url]).unwrap()
    };
    let clients = Clients::start(&[world.socket(11, WEB), world.socket(12, WEB)], CLIENTS);
    for change in 0..CHANGES {
        put("register", &service);
        // Both proxies have it; at every fifth change a client has seen it, too.
        world.await_backends(11, 3);
        world.await_backends(12, 3);
        if change % 5 == 0 {
            eventually("an answer of the extra backend", LIMIT, || {
                let answer = world.ask(11)?;
                if answer.starts_with("Name: extra\n") { Ok(()) } else { Err(answer) }
            });
        }
        put("deregister/extra", &Value::Null);
        world.await_backends(11, 2);
        world.await_backends(12, 2);
    }
    clients.full_time();
    clients.finish();
}

#[test]
fn no_request_fails_while_the_other_proxy_is_replaced() {
    let world = World::serving();
    let clients = Clients::start(&[world.socket(12, WEB)], 2 * CLIENTS);
    let first = world.allocs("edge").into_iter().find(|alloc| alloc.node == "edge-1").unwrap();
    let pid = world.pids(&first.id);
    world.cli(&["alloc", "restart", &first.id]).ok();
    let restarted = eventually("another process", LIMIT, || match world.pids(&first.id) {
        now if !now.is_empty() && now != pid => Ok(now),
        now => Err(now),
    });
    assert!(pid.iter().all(|pid| !restarted.contains(pid)), "{pid:?} {restarted:?}");
    world.await_backends(11, 2);

    world.cli(&["alloc", "stop", &first.id]).ok();
    let replaced = world.await_running("edge", 2).into_iter().find(|alloc| alloc.node == "edge-1").unwrap();
    assert_ne!(replaced.id, first.id);
    world.await_backends(11, 2);
    assert_eq!(world.pids(&first.id), Vec::<i32>::new());
    clients.full_time();
    clients.finish();
    assert_eq!(curl(&["-f", &format!("http://{}/ping", world.socket(12, API))]).unwrap(), "OK");
}

#[test]
fn wrk_sees_no_error_while_files_and_backends_change() {
    let Some(wrk) = peers::program("wrk") else { return };
    let world = World::serving();
    let seconds = full_time().as_secs().to_string();
    let url = format!("http://{}/", world.socket(11, WEB));
    let mut load =
        Process::start(Command::new(wrk).args(["-t1", "-c8", "-d", &seconds, "-H", &format!("Host: {HOST}"), &url]));
    let alloc = world.allocs("edge").into_iter().find(|alloc| alloc.node == "edge-1").unwrap();
    let file = procs::variable(world.pids(&alloc.id)[0], "NOMAD_TASK_DIR").unwrap() + "/traefik.d/more.yml";
    for edit in 0..EDITS {
        let route = format!(
            "http:\n  routers:\n    more{edit}:\n      rule: Host(`more{edit}.localhost`)\n      service: whoami@consulcatalog\n"
        );
        fs::write(&file, route).unwrap();
        eventually("the new route", LIMIT, || curl(&["-f", "-H", &format!("Host: more{edit}.localhost"), &url]));
    }
    say(&mut world.cli_command(&["job", "scale", "whoami", "3"])).ok();
    world.await_backends(11, 3);
    assert!(load.wait(LIMIT).success());
    let said = load.output();
    eprintln!("{said}");
    assert!(said.contains("Requests/sec"), "{said}");
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
}
