//! `baton dev`: from job file to traffic, the operator's commands, and an end that leaves nothing behind.

use std::fs;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use baton_testkit::{Process, eventually};
use nix::sys::signal::{Signal, killpg};
use serde_json::Value;

use crate::procs;
use crate::world::{API, EDGE, HOST, LIMIT, WEB, WHOAMI, World, curl, say};

/// Ctrl-C may take this long with everything stopped in order.
const END_LIMIT: Duration = Duration::from_secs(15);

#[test]
fn traffic_follows_health_and_scale() {
    let world = World::serving();
    for (node, name) in world.started["nodes"].as_array().unwrap().iter().zip(["edge-1", "edge-2"]) {
        assert_eq!(node["name"], name);
        assert_eq!(node["meta"]["client_type"], "edge", "inferred from the job's constraint");
    }
    for node in [11, 12] {
        let answer = world.ask(node).unwrap();
        assert!(answer.contains(&format!("x-forwarded-host: {HOST}")), "{answer}");
        assert_eq!(curl(&["-f", &format!("http://{}/ping", world.socket(node, API))]).unwrap(), "OK");
        let unknown = format!("http://{}/", world.socket(node, WEB));
        assert_eq!(curl(&["-o", "/dev/null", "-w", "%{http_code}", &unknown]).unwrap(), "404");
    }

    // A backend that calls itself unhealthy leaves, and comes back.
    let sick = world.port_of(&world.allocs("whoami")[0].id);
    let health = format!("http://{sick}/health");
    curl(&["-f", "-d", "503", &health]).unwrap();
    for node in [11, 12] {
        let left = world.await_backends(node, 1);
        assert!(!left[0].contains(&sick.to_string()), "{left:?}");
    }
    curl(&["-f", "-d", "200", &health]).unwrap();
    world.await_backends(11, 2);

    // A third one comes in as soon as its check says so.
    world.cli(&["job", "scale", "whoami", "web", "3"]).ok();
    world.await_running("whoami", 3);
    for node in [11, 12] {
        world.await_backends(node, 3);
        let mut seen = std::collections::BTreeSet::new();
        eventually("an answer of each of three backends", LIMIT, || {
            let answer = world.ask(node)?;
            seen.insert(answer.lines().next().unwrap_or_default().to_owned());
            if seen.len() == 3 { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    }
}

#[test]
fn operators_commands_are_spelled_as_in_nomad() {
    let world = World::serving();
    let [first, second] = <[_; 2]>::try_from(world.await_running("edge", 2)).unwrap();
    assert_eq!((first.node.as_str(), second.node.as_str()), ("edge-1", "edge-2"), "distinct hosts");

    let list = world.cli(&["job", "status"]).ok();
    for row in
        ["ID      Type     Priority  Status   Submit Date", "edge    service  50        running", "whoami  service"]
    {
        assert!(list.contains(row), "{row:?} in\n{list}");
    }
    let text = world.cli(&["job", "status", "edge"]).ok();
    for part in [
        "ID            = edge",
        "Datacenters   = dc1",
        "Task Group  Queued  Starting  Running  Failed  Complete  Lost  Unknown\nhttp        0       0         2 ",
        "Latest Deployment\n",
        "Status      = successful",
        "Deployed\nTask Group  Desired  Placed  Healthy  Unhealthy  Progress Deadline\nhttp        2        2       2        0",
        "Allocations\nID        Node ID   Task Group  Version  Desired  Status   Created",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert!(text.contains(&first.id[..8]) && text.contains(&second.id[..8]), "{text}");

    let json = |args: &[&str]| -> Value { serde_json::from_str(&world.cli(args).ok()).unwrap() };
    assert_eq!(json(&["job", "status", "-json"]).as_array().unwrap().len(), 2);
    assert_eq!(json(&["job", "status", "-json", "edge"])["ID"], "edge");
    assert_eq!(json(&["alloc", "status", "-json", &first.id[..8]])["ID"], first.id.as_str());
    assert_eq!(json(&["node", "status", "-json"]).as_array().unwrap().len(), 2);

    let status = world.cli(&["alloc", "status", &first.id[..8]]).ok();
    for part in
        ["Node Name           = edge-1", "*web", "*websecure", ":8000", "Task \"proxy\" is \"running\"", "Started"]
    {
        assert!(status.contains(part), "{part:?} in\n{status}");
    }
    let nodes = world.cli(&["node", "status"]).ok();
    for part in [
        "ID        Node Pool  DC   Name    Class   Drain  Eligibility  Status",
        "edge-1  <none>  false  eligible     ready",
    ] {
        assert!(nodes.contains(part), "{part:?} in\n{nodes}");
    }
    let node = world.cli(&["node", "status", "-self", "-node", "edge-2"]).ok();
    assert!(node.contains("Name        = edge-2") && node.contains(&second.id[..8]), "{node}");

    for unknown in [["job", "status", "nothing"], ["alloc", "status", "ffffffff"], ["node", "status", "nowhere"]] {
        let said = world.cli(&unknown);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.is_empty() && said.err.contains(unknown[2]), "{said:?}");
    }

    world.cli(&["job", "stop", "whoami"]).ok();
    for node in [11, 12] {
        eventually("no route to a stopped job", LIMIT, || match world.ask(node) {
            Err(error) if error.contains("404") => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
    let stopped = world.cli(&["job", "status", "whoami"]).ok();
    assert!(stopped.contains("Status        = dead (stopped)"), "{stopped}");
    // A route may be gone before the last process is.
    eventually("the end of every allocation", LIMIT, || {
        let allocs = world.all_allocs("whoami");
        if allocs.iter().all(|alloc| alloc.status == "complete") { Ok(()) } else { Err(allocs) }
    });
    assert!(world.all_allocs("whoami").iter().all(|alloc| world.pids(&alloc.id).is_empty()));
    world.cli(&["job", "stop", "-purge", "whoami"]).ok();
    let gone = world.cli(&["job", "status", "whoami"]);
    assert_eq!(gone.code, 1, "{gone:?}");
}

#[test]
fn a_plan_tells_by_its_exit_code_whether_something_would_change() {
    let world = World::start(&[WHOAMI]);
    world.await_running("whoami", 2);
    let plan = |text: &str| world.cli(&["job", "plan", &world.file("plan.nomad", text)]);
    let text = fs::read_to_string(WHOAMI).unwrap();

    let same = plan(&text);
    assert_eq!(same.code, 0, "{same:?}");
    let more = plan(&text.replace("count = 2", "count = 3"));
    assert_eq!(more.code, 1, "{more:?}");
    for part in ["1 create", "Scheduler dry-run:", "- All tasks successfully allocated.", "baton job run --check-index"]
    {
        assert!(more.out.contains(part), "{part:?} in\n{}", more.out);
    }
    let broken = plan(&text.replace("count = 2", "count = \"two\""));
    assert_eq!(broken.code, 255, "{broken:?}");
    assert!(broken.err.contains("plan.nomad:9:"), "{broken:?}");
    assert_eq!(world.allocs("whoami").len(), 2, "planning changes nothing");

    let index = world.get("/v1/job/whoami")["JobModifyIndex"].as_u64().unwrap();
    let file = world.file("more.nomad", &text.replace("count = 2", "count = 3"));
    let stale = world.cli(&["job", "run", "-check-index", &(index - 1).to_string(), &file]);
    assert_eq!(stale.code, 1, "{stale:?}");
    world.cli(&["run", "-check-index", &index.to_string(), &file]).ok();
    assert_eq!(world.await_running("whoami", 3).len(), 3);
}

#[test]
fn a_job_file_is_checked_and_shown_without_any_agent() {
    let world = World::prepare();
    let valid = say(&mut world.cli_command(&["job", "validate", EDGE]));
    assert_eq!((valid.code, valid.out.as_str()), (0, "Job validation successful\n"), "{valid:?}");
    let output = say(&mut world.cli_command(&["job", "run", "-output", EDGE])).ok();
    let job: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(job["Job"]["ID"], "edge");
    assert_eq!(job["Job"]["TaskGroups"][0]["Networks"][0]["ReservedPorts"][0]["Value"], 8000);
}

#[test]
fn every_verb_explains_itself() {
    let world = World::prepare();
    for (args, part) in [
        (&["proxy", "--help"][..], "Usage: baton proxy"),
        (&["proxy", "--configfile", "x.yml", "-h"], "SIGHUP"),
        (&["man", "proxy"], "baton\\-proxy"),
        (&["job", "plan", "--help"], "255 on errors"),
        (&["man", "job", "run"], "2 when something could not be placed"),
        (&["supervise", "--help"], "128+n"),
        (&["help"], "Start a whole edge in one process tree"),
        (&["job", "status", "-help"], "Usage: baton job status"),
    ] {
        let said = say(&mut world.cli_command(args)).ok();
        assert!(said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn a_token_file_that_cannot_be_read_is_told() {
    let world = World::prepare();
    let said = say(world.cli_command(&["job", "status"]).env("BATON_TOKEN_FILE", "/nowhere/token"));
    assert!(said.err.contains("BATON_TOKEN_FILE: cannot read /nowhere/token: "), "{said:?}");
}

#[test]
fn logs_are_shown_and_followed_by_stream() {
    let world = World::prepare();
    let script = r#"echo out-1; echo err-1 >&2; while ! test -e $NOMAD_TASK_DIR/go; do sleep 0.1; done; echo out-2; echo err-2 >&2; sleep 1000"#;
    let job = world.file("logs.nomad", &shell_job("logs", script));
    let world = world.and_start(&[&job]);
    let alloc = world.await_running("logs", 1).remove(0).id;
    let shown = |args: &[&str]| world.cli(&[&["alloc", "logs"], args].concat()).ok();
    eventually("the first lines", LIMIT, || {
        let both = (shown(&[&alloc[..8]]), shown(&["-stderr", &alloc[..8]]));
        if both == ("out-1\n".to_owned(), "err-1\n".to_owned()) { Ok(()) } else { Err(both) }
    });
    let follow = |args: &[&str]| Process::start(&mut world.cli_command(&[&["alloc", "logs", "-f"], args].concat()));
    let (out, err) = (follow(&["-stdout", &alloc]), follow(&["-stderr", &alloc]));
    out.await_line("out-1", LIMIT);
    err.await_line("err-1", LIMIT);
    let task = procs::variable(world.pids(&alloc)[0], "NOMAD_TASK_DIR").unwrap();
    fs::write(format!("{task}/go"), "").unwrap();
    out.await_line("out-2", LIMIT);
    err.await_line("err-2", LIMIT);
    assert_eq!(out.output(), "out-1\nout-2\n");
    assert_eq!(err.output(), "err-1\nerr-2\n");
    assert_eq!(shown(&["-tail", "-n", "1", &alloc]), "out-2\n");
    assert_eq!(shown(&["-job", "logs"]), "out-1\nout-2\n");
}

#[test]
fn a_drained_node_is_empty_until_it_is_enabled_again() {
    let world = World::start(&[WHOAMI]);
    world.await_running("whoami", 2);
    let own = world.cli(&["node", "drain", "-self", "-yes", "-enable"]);
    assert_eq!(own.code, 1, "{own:?}");
    assert!(own.err.contains("edge-1") && own.err.contains("edge-2") && own.err.contains("--node"), "{own:?}");
    assert!(world.allocs("whoami").iter().all(|alloc| alloc.status == "running"), "nothing was drained");

    let drained = world.cli(&["node", "drain", "-self", "-node", "edge-1", "-yes", "-enable"]);
    assert_eq!(drained.code, 0, "{drained:?}");
    assert!(drained.err.contains("Drain complete"), "{drained:?}");
    let moved = world.await_running("whoami", 2);
    assert!(moved.iter().all(|alloc| alloc.node == "edge-2"), "{moved:?}");
    assert!(world.cli(&["node", "status"]).ok().contains("edge-1  <none>  false  ineligible"));

    world.cli(&["node", "drain", "-node", "edge-1", "-disable"]).ok();
    assert!(world.cli(&["node", "status"]).ok().contains("edge-1  <none>  false  eligible"));
}

#[test]
fn ctrl_c_stops_all_of_it_and_leaves_nothing() {
    let mut world = World::serving();
    let (api, catalog) = (world.api.clone(), world.catalog.clone());
    let started = Instant::now();
    // As a terminal does it: the whole foreground group gets the signal.
    killpg(world.dev().pid(), Signal::SIGINT).unwrap();
    let status = world.dev().wait(END_LIMIT);
    assert_eq!(status.code(), Some(0), "{}", world.log());
    assert_eq!(world.processes(), Vec::<i32>::new(), "after {:?}", started.elapsed());
    assert_eq!(left_in(&world), Vec::<String>::new());
    for address in [api, catalog, world.socket(11, WEB).to_string(), world.socket(12, API).to_string()] {
        assert!(TcpStream::connect(&address).is_err(), "{address} still answers");
    }
}

#[test]
fn ctrl_c_with_a_data_directory_stops_all_of_it_and_the_next_start_goes_on() {
    let mut world = World::lasting_serving();
    world.cli(&["node", "eligibility", "-disable", "edge-2"]).ok();
    killpg(world.dev().pid(), Signal::SIGINT).unwrap();
    assert_eq!(world.dev().wait(END_LIMIT).code(), Some(0), "{}", world.log());
    assert_eq!(world.processes(), Vec::<i32>::new());
    assert!(world.data().is_dir());

    // Without a job file: what was there is run again, but for the node that the operator has put to rest.
    world.begin(&[]);
    let alloc = eventually("edge runs again", LIMIT, || {
        let allocs = world.all_allocs("edge");
        allocs.iter().position(|alloc| alloc.status == "running").map(|at| allocs[at].node.clone()).ok_or(allocs)
    });
    assert_eq!(alloc, "edge-1");
    world.await_backends(11, 2);
    let nodes = world.cli(&["node", "status"]).ok();
    assert!(nodes.contains("edge-1  <none>  false  eligible"), "{nodes}");
    assert!(nodes.contains("edge-2  <none>  false  ineligible"), "{nodes}");
}

#[test]
fn a_killed_dev_without_data_directory_is_cleaned_up_by_its_keepers() {
    let mut world = World::serving();
    world.dev().signal(Signal::SIGKILL);
    world.dev().wait(LIMIT);
    eventually("nothing runs and nothing is left", Duration::from_secs(20), || {
        let seen = (world.processes(), left_in(&world));
        if seen.0.is_empty() && seen.1.is_empty() { Ok(()) } else { Err(seen) }
    });
}

#[test]
fn a_second_ctrl_c_kills() {
    let world = World::prepare();
    let job = world.file("deaf.nomad", &shell_job("deaf", "trap '' TERM INT; while :; do sleep 1; done"));
    let mut world = world.and_start(&[&job]);
    world.await_running("deaf", 1);
    world.dev().signal(Signal::SIGINT);
    world.dev().await_line("Ctrl-C again kills", LIMIT);
    let started = Instant::now();
    world.dev().signal(Signal::SIGINT);
    assert_ne!(world.dev().wait(LIMIT).code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(2), "the deaf task has a kill_timeout of 30 s");
    eventually("nothing runs and nothing is left", Duration::from_secs(20), || {
        let seen = (world.processes(), left_in(&world));
        if seen.0.is_empty() && seen.1.is_empty() { Ok(()) } else { Err(seen) }
    });
}

#[test]
fn the_banner_tells_what_to_try() {
    let world = World::prepare();
    let mut command = crate::baton();
    command.args(["dev", "--api-addr=127.0.0.1:0", "--catalog-addr=127.0.0.1:0"]);
    command.args([&format!("--node-base={}", world.address(11)), EDGE, WHOAMI]).env("TMPDIR", world.dir());
    let mut dev = Process::start(command.stdin(Stdio::null()));
    let line = format!("curl -H 'Host: {HOST}' http://{}/", world.socket(12, WEB));
    dev.await_line(&line, LIMIT);
    let said = dev.output();
    for part in ["edge-1", "client_type=edge", "job edge: 2 × http", "baton job status --address http://127.0.0.1:"] {
        assert!(said.contains(part), "{part:?} in\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "no colour in a pipe");
    dev.signal(Signal::SIGTERM);
    assert_eq!(dev.wait(END_LIMIT).code(), Some(0), "{}", dev.output());
}

/// A job with one task that runs a shell script.
fn shell_job(name: &str, script: &str) -> String {
    format!(
        r#"job "{name}" {{
  group "main" {{
    task "main" {{
      driver       = "raw_exec"
      kill_timeout = "30s"
      config {{
        command = "/bin/sh"
        args    = ["-c", <<EOF
{script}
EOF
        ]
      }}
    }}
  }}
}}
"#,
        script = script.replace("${", "$${"),
    )
}

/// What lies in the folder for temporary directories.
fn left_in(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.dir()).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().display().to_string());
    names.filter(|name| name.starts_with("baton-dev-")).collect()
}
