//! `baton agent` with a real Consul as its catalog: what is registered there follows from what runs here, whatever happens
//! to either. And the other way round: `consul lock` with Baton's catalog.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use baton_testkit::{Process, eventually, free_port, peers};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::agent::{LIMIT, Story, curl};
use crate::procs;

/// A real agent on a port that stays the same over its restarts.
struct Consul {
    program: PathBuf,
    http: u16,
    settings: String,
}

impl Consul {
    fn new(program: PathBuf, more: &str) -> Self {
        let http = free_port();
        let off = ["dns", "grpc", "serf_wan"].map(|name| format!("{name} = -1")).join("\n");
        let settings = format!(
            "bind_addr = \"127.0.0.1\"\nnode_name = \"real\"\nports {{\nhttp = {http}\nserf_lan = {}\nserver = {}\n{off}\n}}\n{more}",
            free_port(),
            free_port(),
        );
        Self { program, http, settings }
    }

    /// Without a directory: each start begins empty.
    fn start(&self) -> Process {
        let process = Process::start(Command::new(&self.program).args([
            "agent",
            "-dev",
            "-log-level=debug",
            "-hcl",
            &self.settings,
        ]));
        eventually("Consul has a leader", LIMIT, || match curl(&[&self.url("/v1/status/leader")]) {
            (200, leader) if leader.trim().len() > 2 => Ok(()),
            other => Err((other, process.output())),
        });
        process
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let (status, text) = curl(&[&self.url(path)]);
        serde_json::from_str(&text).map_err(|error| format!("{status} {text}: {error}"))
    }

    /// Ids of the instances of `web` whose own check says `status`.
    fn instances(&self, status: &str) -> Result<Vec<String>, String> {
        let entries = self.get("/v1/health/service/web")?;
        let own = |entry: &Value| {
            let checks = entry["Checks"].as_array().cloned().unwrap_or_default();
            checks.into_iter().filter(|check| check["ServiceName"] == "web").collect::<Vec<_>>()
        };
        let fits = |entry: &&Value| matches!(own(entry).as_slice(), [check] if check["Status"] == status);
        let ids = entries.as_array().into_iter().flatten().filter(fits);
        Ok(ids.filter_map(|entry| Some(entry["Service"]["ID"].as_str()?.to_owned())).collect())
    }

    #[track_caller]
    fn await_one(&self, status: &str) -> String {
        eventually(&format!("one {status} instance"), LIMIT, || match self.instances(status)?.as_slice() {
            [one] if self.get("/v1/catalog/service/web")?.as_array().is_some_and(|all| all.len() == 1) => {
                Ok(one.clone())
            }
            other => Err(format!("{other:?}")),
        })
    }

    #[track_caller]
    fn await_none(&self) {
        eventually("no instance", LIMIT, || match self.get("/v1/catalog/service/web")? {
            Value::Array(all) if all.is_empty() => Ok(()),
            other => Err(other.to_string()),
        });
    }
}

/// The agent's node is this machine's loopback, its catalog is `consul`.
fn configure(story: &Story, consul: &Consul, more: &str) {
    let consul = format!("consul {{\n  address = \"127.0.0.1:{}\"\n{more}}}\n", consul.http);
    let path = story.configure("agent.hcl", &consul);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace("client {\n", "client {\n  network_interface = \"lo\"\n")).unwrap();
}

/// A story whose agent uses `consul`, with a job whose check asks `port`.
fn story(consul: &Consul, port: u16) -> Story {
    let story = Story::new();
    configure(&story, consul, "");
    let job = format!(
        r#"
job "lasting" {{
  datacenters = ["dc1"]
  group "g" {{
    network {{
      port "web" {{
        static = {port}
      }}
    }}
    task "t" {{
      driver = "raw_exec"
      config {{
        command = "sleep"
        args    = ["3600"]
      }}
      service {{
        name = "web"
        port = "web"
        check {{
          type     = "tcp"
          interval = "2s"
          timeout  = "1s"
        }}
      }}
    }}
  }}
}}
"#
    );
    fs::write(story.path("job.nomad"), job).unwrap();
    story
}

#[test]
fn services_follow_what_runs_through_every_crash() {
    let Some(program) = peers::program("consul") else { return };
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let consul = Consul::new(program, "");
    let mut process = consul.start();
    let stranger = r#"{"Name": "stranger", "ID": "mine", "Port": 1}"#;
    assert_eq!(curl(&["-X", "PUT", "-d", stranger, &consul.url("/v1/agent/service/register")]).0, 200);
    let story = story(&consul, backend.local_addr().unwrap().port());
    let agent = story.start();
    let job = story.path("job.nomad").display().to_string();

    // Whoever watches sees it first with its check, and critical.
    let index = curl(&["-i", &consul.url("/v1/health/service/web")]).1;
    let index = index.lines().find_map(|line| line.to_lowercase().strip_prefix("x-consul-index: ").map(str::to_owned));
    let watch = consul.url(&format!("/v1/health/service/web?wait=50s&index={}", index.unwrap().trim()));
    let watcher = std::thread::spawn(move || {
        loop {
            let (_, text) = curl(&["--max-time", "60", &watch]);
            let entries: Value = serde_json::from_str(&text).unwrap();
            if entries.as_array().is_some_and(|all| !all.is_empty()) {
                return entries;
            }
        }
    });
    story.cli(&["job", "run", "-detach", &job]);
    let first = watcher.join().unwrap();
    let checks: Vec<&Value> =
        first[0]["Checks"].as_array().unwrap().iter().filter(|check| check["ServiceName"] == "web").collect();
    assert!(matches!(checks.as_slice(), [check] if check["Status"] == "critical"), "{first}");
    let id = consul.await_one("passing");
    let log = process.output();
    assert!(log.contains("/v1/agent/service/register") && !log.contains("/v1/agent/check/register"), "one call");

    // Consul comes back empty: everything is registered again. The stranger was only in its memory.
    process.signal(Signal::SIGKILL);
    process.wait(LIMIT);
    let (alloc, pids) = story.await_running();
    let process = consul.start();
    assert_eq!(consul.await_one("passing"), id);
    assert_eq!(curl(&["-X", "PUT", "-d", stranger, &consul.url("/v1/agent/service/register")]).0, 200);
    assert_eq!(story.await_running(), (alloc, pids));

    // Everything here dies at once; the next agent removes what it left behind.
    drop(agent_killed(agent, &story));
    assert_eq!(consul.instances("passing").unwrap(), std::slice::from_ref(&id), "nobody was there to remove it");
    let _agent = story.start();
    let (alloc, _) = story.await_running();
    eventually("the registration of what runs", LIMIT, || match consul.await_one("passing") {
        now if now.contains(&alloc) => Ok(()),
        now => Err(now),
    });
    story.cli(&["job", "stop", "-detach", "lasting"]);
    consul.await_none();
    assert!(consul.get("/v1/agent/services").unwrap().get("mine").is_some(), "what others registered is theirs");
    drop(process);
}

/// The agent, its keeper and its tasks, all at once.
fn agent_killed(mut agent: Process, story: &Story) -> String {
    for pid in procs::mentioning(story.path("data").as_path()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    agent.signal(Signal::SIGKILL);
    agent.wait(LIMIT);
    agent.output()
}

#[test]
fn a_consul_that_is_away_or_refuses_stops_no_task() {
    let Some(program) = peers::program("consul") else { return };
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let acl = "acl {\nenabled = true\ndefault_policy = \"deny\"\ntokens {\nmaster = \"its-master\"\n}\n}\n";
    let consul = Consul::new(program, acl);
    let story = story(&consul, backend.local_addr().unwrap().port());
    let mut agent = story.start();
    story.cli(&["job", "run", "-detach", &story.path("job.nomad").display().to_string()]);
    let running = story.await_running();
    agent.await_line("the catalog does not take what runs here", LIMIT);

    let _process = consul.start();
    agent.await_line("Permission denied", LIMIT);
    assert_eq!(story.await_running(), running);

    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(LIMIT).success(), "{}", agent.output());
    configure(&story, &consul, "  token = \"its-master\"\n");
    let _agent = story.start();
    let header = "X-Consul-Token: its-master";
    eventually("a passing instance", LIMIT, || {
        let (status, text) = curl(&["-H", header, &consul.url("/v1/health/service/web?passing")]);
        if status == 200 && text.contains("_nomad-task-") { Ok(()) } else { Err(text) }
    });
    assert_eq!(story.await_running(), running, "no task was touched");
}

/// What Consul's client asks for: sessions live for twice their TTL of 15 s, keys stay closed for 15 s after their holder died.
const LOCK_DELAY: Duration = Duration::from_secs(15);
const HANDED_OVER: Duration = Duration::from_secs(30 + 15 + 30);

#[test]
fn a_lock_whose_holder_was_killed_goes_to_who_waits() {
    let Some(program) = peers::program("consul") else { return };
    let story = Story::new();
    let _agent = story.start();
    let catalog = format!("http://127.0.0.1:{}", story.catalog);
    let lock = |name: &str, child: &str| {
        Process::start(
            Command::new(&program)
                .args(["lock", "-name", name, "-verbose", "story/leader", child])
                .env("CONSUL_HTTP_ADDR", &catalog)
                .env("CONSUL_HTTP_TOKEN", story.token())
                // What it leaves behind ends with the story.
                .current_dir(story.path("")),
        )
    };
    let kv = || {
        let token = format!("X-Consul-Token: {}", story.token());
        let (status, text) = curl(&["-H", &token, &format!("{catalog}/v1/kv/story/leader/.lock")]);
        (status == 200).then(|| serde_json::from_str::<Value>(&text).unwrap()[0].clone())
    };
    let session = |pair: &Value| pair["Session"].as_str().unwrap_or_default().to_owned();

    let mut first = lock("first", "echo first has it; exec sleep 3600");
    first.await_line("first has it", LIMIT);
    let held = kv().expect("the lock is a key");
    let holder = session(&held);
    assert_eq!(held["LockIndex"], 1, "{held}");
    let mut second = lock("second", "echo second has it");
    second.await_line("Attempting lock acquisition", LIMIT);

    let killed = Instant::now();
    first.signal(Signal::SIGKILL);
    first.wait(LIMIT);
    assert_eq!(session(&kv().unwrap()), holder, "a session outlives its client until its time is over");
    second.await_line("second has it", HANDED_OVER);
    assert!(killed.elapsed() >= LOCK_DELAY, "after {:?}", killed.elapsed());
    assert!(second.wait(LIMIT).success(), "{}", second.output());
    let sessions = curl(&[&format!("{catalog}/v1/session/list")]).1;
    assert_eq!(sessions.trim(), "[]", "who released its lock left no session");

    // One that ends in order leaves it open: nothing is waited for.
    let mut third = lock("third", "echo third has it");
    third.await_line("third has it", LIMIT);
    assert!(third.wait(LIMIT).success(), "{}", third.output());
    assert_ne!(kv().as_ref().map(session), Some(holder));
}
