//! The real Traefik, Consul and Python clients against `baton dev`, and `baton dev` on a real Consul.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use baton_testkit::{Process, eventually, peers};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::world::{EDGE, HOST, LIMIT, WEB, WHOAMI, World, curl, say};

#[test]
fn real_traefik_routes_by_our_catalog() {
    let Some(traefik) = peers::program("traefik") else { return };
    let world = World::start(&[WHOAMI]);
    let allocs = world.await_running("whoami", 2);
    let dynamic = world
        .file("dynamic.yml", "http: {middlewares: {secure-headers: {headers: {customResponseHeaders: {x-by: it}}}}}\n");
    let entry = world.socket(1, 8000);
    let traefik = Process::start(Command::new(traefik).args([
        format!("--entryPoints.web.address={entry}"),
        format!("--providers.file.filename={dynamic}"),
        format!("--providers.consulCatalog.endpoint.address={}", world.catalog),
        "--providers.consulCatalog.exposedByDefault=false".to_owned(),
        "--providers.consulCatalog.refreshInterval=1s".to_owned(),
        "--providers.consulCatalog.watch=true".to_owned(),
        "--global.checkNewVersion=false".to_owned(),
        "--global.sendAnonymousUsage=false".to_owned(),
        "--log.level=DEBUG".to_owned(),
    ]));
    let host = format!("Host: {HOST}");
    let url = format!("http://{entry}/");
    let ask = || curl(&["-f", "-H", &host, &url]);
    let seen = || -> Result<BTreeSet<String>, String> {
        let mut seen = BTreeSet::new();
        for _ in 0..6 {
            let text = ask()?;
            seen.extend(text.lines().filter_map(|line| line.strip_prefix("Allocation: ").map(str::to_owned)));
        }
        Ok(seen)
    };
    let behind = |expected: &[&str]| {
        let expected: BTreeSet<String> = expected.iter().map(|id| (*id).to_owned()).collect();
        eventually("Traefik's backends", LIMIT, || match seen() {
            Ok(seen) if seen == expected => Ok(()),
            other => Err((other, traefik.output().lines().last().map(str::to_owned))),
        });
    };
    behind(&[&allocs[0].id, &allocs[1].id]);
    assert!(curl(&["-i", "-H", &host, &url]).unwrap().to_lowercase().contains("x-by: it"), "the tags' middleware");
    let health = |code: &str| curl(&["-d", code, &format!("http://{}/health", world.port_of(&allocs[0].id))]).unwrap();
    health("503");
    behind(&[&allocs[1].id]);
    health("200");
    behind(&[&allocs[0].id, &allocs[1].id]);
    world.cli(&["job", "stop", "whoami"]).ok();
    eventually("no route any more", LIMIT, || {
        match curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", &host, &url]) {
            Ok(code) if code == "404" => Ok(()),
            other => Err(other),
        }
    });
}

#[test]
fn a_real_consul_hears_of_a_service_and_its_check_at_once_and_critical() {
    let Some(program) = peers::program("consul") else { return };
    let mut world = World::prepare();
    let consul = Consul::start(&program, &world);
    world.start_with(&["--api-addr=127.0.0.1:0", &format!("--consul={}", consul.address)], &[EDGE, WHOAMI]);
    let first = eventually("the service is registered", LIMIT, || {
        let entries = consul.health("whoami");
        if entries.is_empty() { Err(entries) } else { Ok(entries) }
    });
    for entry in &first {
        let own = entry["Checks"].as_array().unwrap().iter().filter(|check| check["ServiceName"] == "whoami").count();
        assert_eq!(own, 1, "a service is never seen without its check: {entry}");
    }
    for node in [11, 12] {
        world.await_backends(node, 2);
    }
    let log = consul.process.output();
    assert!(log.contains("/v1/agent/service/register"), "Consul's log tells requests");
    assert!(!log.contains("/v1/agent/check/register"), "checks come with their service, in one call");
    let ids = consul.service_ids();
    world.cli(&["job", "stop", "whoami"]).ok();
    eventually("deregistered", LIMIT, || match consul.health("whoami") {
        entries if entries.is_empty() => Ok(()),
        entries => Err(entries),
    });
    assert!(consul.service_ids().len() < ids.len());
    for node in [11, 12] {
        let url = format!("http://{}/", world.socket(node, WEB));
        eventually("no route any more", LIMIT, || {
            match curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", &format!("Host: {HOST}"), &url]) {
                Ok(code) if code == "404" => Ok(()),
                other => Err(other),
            }
        });
    }
}

#[test]
fn after_a_crash_only_what_runs_is_in_the_real_consul() {
    let Some(program) = peers::program("consul") else { return };
    let mut world = World::prepare();
    let consul = Consul::start(&program, &world);
    let stranger = r#"{"Name": "stranger", "ID": "mine", "Port": 1}"#;
    curl(&["-f", "-X", "PUT", "-d", stranger, &format!("http://{}/v1/agent/service/register", consul.address)])
        .unwrap();
    let api = format!("--api-addr={}:4646", world.address(1));
    let data = format!("--data-dir={}", world.data().display());
    let options = [api.as_str(), &data, &format!("--consul={}", consul.address)];
    world.start_with(&options, &[WHOAMI]);
    world.await_running("whoami", 2);
    consul.await_exactly(&world, "whoami");
    let before = consul.service_ids();

    // Everything of it dies at once; its registrations stay behind.
    for pid in world.processes() {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    world.dev().wait(LIMIT);
    assert_eq!(consul.service_ids(), before, "nobody was there to remove them");

    world.begin(&[]);
    world.await_running("whoami", 2);
    consul.await_exactly(&world, "whoami");
    assert!(consul.service_ids().contains("mine"), "what others registered is theirs");
}

#[test]
fn the_real_consul_program_works_on_our_catalog() {
    let Some(program) = peers::program("consul") else { return };
    let world = World::start(&[WHOAMI]);
    let catalog = world.catalog.clone();
    let consul = |words: &[&str]| say(Command::new(&program).args(words).env("CONSUL_HTTP_ADDR", &catalog)).ok();
    world.await_running("whoami", 2);
    eventually("both are registered", LIMIT, || {
        let services = consul(&["catalog", "services", "-tags"]);
        let line = services.lines().find(|line| line.starts_with("whoami")).map(str::to_owned);
        line.filter(|line| line.contains("traefik.enable=true")).ok_or(services)
    });
    assert!(consul(&["members"]).contains("alive"));
    assert!(consul(&["catalog", "nodes", "-service=whoami"]).contains("127."));

    consul(&["kv", "put", "app/greeting", "hello"]);
    assert_eq!(consul(&["kv", "get", "app/greeting"]).trim(), "hello");
    let job = world.file("greeter.nomad", GREETER);
    world.cli(&["run", &job]).ok();
    let alloc = world.await_running("greeter", 1).remove(0).id;
    let said = |world: &World, task: &str, line: &str| {
        eventually(&format!("{task} says {line:?}"), LIMIT, || {
            let log = world.cli(&["alloc", "logs", &alloc, task]).ok();
            if log.lines().any(|said| said == line) { Ok(()) } else { Err(log) }
        });
    };
    said(&world, "signalled", "start hello");
    said(&world, "restarted", "start hello");
    consul(&["kv", "put", "app/greeting", "goodbye"]);
    said(&world, "signalled", "signal goodbye");
    said(&world, "restarted", "start goodbye");
    let log = world.cli(&["alloc", "logs", &alloc, "signalled"]).ok();
    assert!(!log.contains("start goodbye"), "a signal is no restart: {log}");

    consul(&["kv", "delete", "app/greeting"]);
    assert!(
        !say(Command::new(&program).args(["kv", "get", "app/greeting"]).env("CONSUL_HTTP_ADDR", &catalog))
            .out
            .contains("goodbye")
    );
    let held = world.dir().join("held");
    let mut first = Process::start(
        Command::new(&program)
            .args([
                "lock",
                "locks/it",
                &format!("echo one >> {held}; while ! test -e {held}.go; do sleep 0.05; done", held = held.display()),
            ])
            .env("CONSUL_HTTP_ADDR", &catalog),
    );
    eventually("the lock is held", LIMIT, || fs::read_to_string(&held));
    let mut second = Process::start(
        Command::new(&program)
            .args(["lock", "locks/it", &format!("echo two >> {}", held.display())])
            .env("CONSUL_HTTP_ADDR", &catalog),
    );
    eventually("the second has a session, and waits", LIMIT, || {
        let sessions = curl(&["-f", &format!("http://{catalog}/v1/session/list")])?;
        let sessions: Value = serde_json::from_str(&sessions).map_err(|error| error.to_string())?;
        if sessions.as_array().is_some_and(|list| list.len() == 2) { Ok(()) } else { Err(sessions.to_string()) }
    });
    assert_eq!(fs::read_to_string(&held).unwrap(), "one\n");
    fs::write(held.with_extension("go"), "").unwrap();
    assert_eq!(first.wait(LIMIT).code(), Some(0), "{}", first.output());
    assert_eq!(second.wait(LIMIT).code(), Some(0), "{}", second.output());
    assert_eq!(fs::read_to_string(&held).unwrap(), "one\ntwo\n");
}

/// Two tasks that follow one key, each in its way.
const GREETER: &str = r#"
job "greeter" {
  group "main" {
    task "signalled" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "say() { echo \"$1 $(cat local/greeting)\"; }; trap 'say signal' USR1; say start; while :; do sleep 0.1; done"]
      }
      template {
        destination   = "local/greeting"
        change_mode   = "signal"
        change_signal = "SIGUSR1"
        data          = "{{ key \"app/greeting\" }}\n"
      }
    }
    task "restarted" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "echo \"start $(cat local/greeting)\"; while :; do sleep 0.1; done"]
      }
      template {
        destination = "local/greeting"
        change_mode = "restart"
        splay       = "0s"
        data        = "{{ key \"app/greeting\" }}\n"
      }
    }
  }
}
"#;

#[test]
fn python_clients_drive_it() {
    let (Some(modules), Some(_)) = (peers::python("nomad"), peers::python("consul")) else { return };
    let world = World::start(&[]);
    let job = world.cli(&["job", "run", "-output", WHOAMI]).ok();
    let job = world.file("job.json", &job);
    let said = say(Command::new("python3")
        .args(["-c", PYTHON, &world.api, &world.catalog, &job])
        .env("PYTHONPATH", modules)
        .env_remove("NOMAD_ADDR")
        .env_remove("CONSUL_HTTP_ADDR"));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
}

const PYTHON: &str = r#"
import sys, json, time, consul, nomad

def until(what, look, limit=60):
    end = time.time() + limit
    while True:
        value = look()
        if value: return value
        assert time.time() < end, what
        time.sleep(0.05)

host, port = sys.argv[1].split(":")
n = nomad.Nomad(host=host, port=int(port), timeout=30)
job = json.load(open(sys.argv[3]))
job = job.get("Job", job)
n.job.register_job(job["ID"], {"Job": job})

def running():
    allocs = [a for a in n.job.get_allocations("whoami") if a["ClientStatus"] == "running" and a["DesiredStatus"] == "run"]
    return allocs if len(allocs) == 2 else None

allocs = until("two run", running)
log = until("a log line", lambda: n.client.stream_logs.stream(allocs[0]["ID"], "whoami", "stderr", plain=True)
            or n.client.stream_logs.stream(allocs[0]["ID"], "whoami", "stdout", plain=True))
assert log.strip()
assert any(entry["Name"] == "alloc" for entry in n.client.ls.list_files(allocs[0]["ID"]))
node = next(x for x in n.nodes.get_nodes() if x["Name"] == "edge-1")
n.node.drain_node_with_spec(node["ID"], drain_spec={"Deadline": 60_000_000_000})
until("edge-1 is empty", lambda: (running() or [None]) and all(a["NodeName"] == "edge-2" for a in running() or [{"NodeName": ""}]))
until("the drain is over", lambda: not n.node.get_node(node["ID"]).get("DrainStrategy"))
assert n.node.get_node(node["ID"])["SchedulingEligibility"] == "ineligible"
n.node.eligible_node(node["ID"], eligible=True)
n.job.deregister_job("whoami")
until("all stopped", lambda: all(a["ClientStatus"] == "complete" for a in n.job.get_allocations("whoami")))

host, port = sys.argv[2].split(":")
c = consul.Consul(host=host, port=int(port))
assert c.agent.service.register("made-here", service_id="m1", address="127.0.0.9", port=99, tags=["a", "b"])
index, found = c.health.service("made-here", passing=True)
assert int(index) > 0 and found[0]["Service"]["ID"] == "m1" and found[0]["Service"]["Tags"] == ["a", "b"], found
assert "made-here" in c.catalog.services()[1]
assert c.kv.put("py/key", "value")
index, row = c.kv.get("py/key")
assert row["Value"] == b"value"
assert c.kv.put("py/key", "next", cas=row["ModifyIndex"]) and not c.kv.put("py/key", "lost", cas=row["ModifyIndex"])
assert c.kv.get("py/", keys=True)[1] == ["py/key"]
assert c.kv.delete("py/key") and c.kv.get("py/key")[1] is None
assert c.agent.service.deregister("m1")
assert c.health.service("made-here")[1] == []
"#;

/// A Consul agent without data directory, on its world's first address.
struct Consul {
    process: Process,
    address: SocketAddr,
}

impl Consul {
    fn start(program: &Path, world: &World) -> Self {
        let address = world.socket(1, 8500);
        let process = Process::start(
            Command::new(program)
                .args(["agent", "-dev", "-log-level=debug", "-dns-port=-1", "-grpc-port=-1"])
                .args([format!("-bind={}", world.address(1)), format!("-client={}", address.ip())]),
        );
        let url = format!("http://{address}/v1/status/leader");
        eventually("Consul has a leader", LIMIT, || match curl(&["-f", &url]) {
            Ok(leader) if leader.trim().len() > 2 => Ok(()),
            other => Err((other, process.output())),
        });
        Self { process, address }
    }

    fn get(&self, path: &str) -> Value {
        serde_json::from_str(&curl(&["-f", &format!("http://{}{path}", self.address)]).unwrap()).unwrap()
    }

    fn health(&self, service: &str) -> Vec<Value> {
        self.get(&format!("/v1/health/service/{service}")).as_array().cloned().unwrap_or_default()
    }

    fn service_ids(&self) -> BTreeSet<String> {
        self.get("/v1/agent/services").as_object().unwrap().keys().cloned().collect()
    }

    /// Waits until a service has one passing instance for each running allocation of the job of its name, and no other.
    #[track_caller]
    fn await_exactly(&self, world: &World, name: &str) {
        eventually("registrations are the running allocations", LIMIT, || {
            let allocs = world.await_running(name, 2);
            let entries = self.health(name);
            let passing = |entry: &Value| {
                entry["Checks"].as_array().into_iter().flatten().all(|check| check["Status"] == "passing")
            };
            let all = entries.iter().all(passing);
            let known = allocs.iter().filter(|alloc| {
                entries.iter().any(|entry| entry["Service"]["ID"].as_str().is_some_and(|id| id.contains(&alloc.id)))
            });
            if all && known.count() == entries.len() && entries.len() == 2 { Ok(()) } else { Err(entries) }
        });
    }
}
