//! An agent without a server: its catalog and its tasks while the server is away, and what comes of both afterwards.

use std::fs;
use std::path::PathBuf;

use baton_testkit::{Process, eventually, free_port};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::agent::{LIMIT, Story, curl};
use crate::procs;

const JOB: &str = r#"
job "web" {
  datacenters = ["dc1"]
  group "g" {
    network {
      port "http" {}
    }
    restart {
      attempts = 10
      delay    = "100ms"
      interval = "1m"
      mode     = "delay"
    }
    service {
      name = "web"
      port = "http"
      check {
        type     = "http"
        path     = "/health"
        interval = "1s"
        timeout  = "2s"
      }
    }
    task "t" {
      driver = "raw_exec"
      config {
        command = "baton"
        args    = ["whoami"]
      }
    }
  }
}
"#;

/// A server and a client, each an agent with its own directory.
struct Pair {
    story: Story,
    /// Where the client's catalog answers.
    near: u16,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { story: Story::new(), near: free_port() };
        let Story { http, catalog, .. } = pair.story;
        let path = |name: &str| pair.story.path(name);
        pair.write(
            "server.hcl",
            &format!(
                "name = \"head\"\ndata_dir = {:?}\nports {{\n  http = {http}\n}}\naddresses {{\n  socket = {:?}\n}}\ncatalog {{\n  address = \"127.0.0.1:{catalog}\"\n}}\nserver {{\n  enabled = true\n}}\n",
                path("data"),
                path("agent.sock"),
            ),
        );
        // The first of the servers does not exist.
        pair.write(
            "client.hcl",
            &format!(
                "name = \"hand\"\ndata_dir = {:?}\ncatalog {{\n  address = \"127.0.0.1:{}\"\n}}\nacl {{\n  token_file = {:?}\n}}\nclient {{\n  enabled = true\n  network_interface = \"lo\"\n  servers = [\"127.0.0.1:{}\", \"127.0.0.1:{http}\"]\n}}\n",
                path("client"),
                pair.near,
                path("data/server/token"),
                free_port(),
            ),
        );
        pair.write("job.nomad", JOB);
        pair
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.story.path(name), text).unwrap();
    }

    fn start(&self, name: &str, line: &str) -> Process {
        let config: PathBuf = self.story.path(name);
        let agent = Process::start(&mut self.story.command(&["agent", "--config", &config.display().to_string()]));
        agent.await_line(line, LIMIT);
        agent
    }

    fn head(&self) -> Process {
        self.start("server.hcl", "server started")
    }

    fn hand(&self) -> Process {
        self.start("client.hcl", "client started")
    }

    fn near(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.near)
    }

    fn far(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.story.catalog)
    }

    /// A write with the token.
    fn put(&self, url: &str, body: &str) -> (u16, String) {
        let token = format!("X-Consul-Token: {}", self.story.token());
        curl(&["-H", &token, "-X", "PUT", "-d", body, url])
    }

    /// Waits for one passing instance, its check included; its port.
    #[track_caller]
    fn await_passing(&self, url: &str) -> u64 {
        eventually("a passing instance", LIMIT, || {
            let entries = json(url)?;
            let entry = &entries[0];
            let checks = entry["Checks"].as_array().map_or(0, Vec::len);
            match entry["Service"]["Port"].as_u64() {
                Some(port) if checks == 2 => Ok(port),
                _ => Err(entries.to_string()),
            }
        })
    }
}

fn json(url: &str) -> Result<Value, String> {
    let (status, text) = curl(&[url]);
    serde_json::from_str(&text).map_err(|error| format!("{status} {text}: {error}"))
}

/// Service ids on the client's node.
fn services(url: &str) -> Result<Vec<String>, String> {
    let node = json(url)?;
    Ok(node["Services"].as_object().map(|services| services.keys().cloned().collect()).unwrap_or_default())
}

#[test]
fn it_goes_on_without_its_server_and_both_agree_afterwards() {
    let pair = Pair::new();
    let mut head = pair.head();
    let mut hand = pair.hand();
    pair.story.cli(&["job", "run", "-detach", &pair.story.path("job.nomad").display().to_string()]);
    let web = "/v1/health/service/web?passing=1";
    let port = pair.await_passing(&pair.near(web));
    pair.await_passing(&pair.far(web));
    let who = || curl(&["-f", &format!("http://127.0.0.1:{port}/")]).0;
    assert_eq!(who(), 200);
    assert_eq!(pair.put(&pair.near("/v1/kv/greeting"), "hello"), (200, "true".to_owned()));
    let token = format!("X-Consul-Token: {}", pair.story.token());
    let read = |url: &str| curl(&["-H", &token, url]);
    assert_eq!(read(&pair.near("/v1/kv/greeting?raw")), (200, "hello".to_owned()), "what was written is read at once");
    assert_eq!(read(&pair.far("/v1/kv/greeting?raw")), (200, "hello".to_owned()));
    assert_eq!(curl(&["-X", "PUT", "-d", "x", &pair.near("/v1/kv/greeting")]).0, 403, "writes need the token here too");
    assert_eq!(read(&pair.near("/v1/catalog/nodes?consistent")).0, 200);

    head.signal(Signal::SIGKILL);
    head.wait(LIMIT);
    eventually("the server is missed", LIMIT, || {
        let (_, headers) = curl(&["-i", &pair.near(web)]);
        let headers = headers.to_lowercase();
        if headers.contains("x-consul-knownleader: false") { Ok(()) } else { Err(headers) }
    });
    assert_eq!(who(), 200);
    assert_eq!(pair.await_passing(&pair.near(web)), port, "reads go on");
    assert_eq!(read(&pair.near("/v1/kv/greeting?raw")), (200, "hello".to_owned()));
    let (status, text) = pair.put(&pair.near("/v1/kv/greeting"), "lost");
    assert!(status == 500 && text.contains("No cluster leader"), "{status} {text}");
    assert_eq!(read(&pair.near("/v1/catalog/nodes?consistent")).0, 500);

    // What is registered on this node appears here at once; a killed task comes back and is told healthy here.
    let late = r#"{"Name": "late", "Check": {"TTL": "1h", "Status": "passing"}}"#;
    assert_eq!(pair.put(&pair.near("/v1/agent/service/register"), late).0, 200);
    assert!(services(&pair.near("/v1/catalog/node/hand")).unwrap().contains(&"late".to_owned()));
    let ours = procs::with_environment(&format!("NOMAD_PORT_http={port}"));
    assert!(!ours.is_empty());
    for pid in &ours {
        kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap();
    }
    eventually("the task serves again", LIMIT, || match who() {
        200 => Ok(()),
        status => Err(status),
    });
    pair.await_passing(&pair.near(web));

    // The client itself starts again meanwhile: its copy is what it knew.
    hand.signal(Signal::SIGKILL);
    hand.wait(LIMIT);
    let hand = pair.hand();
    assert_eq!(pair.await_passing(&pair.near(web)), port);
    assert!(services(&pair.near("/v1/catalog/node/hand")).unwrap().contains(&"late".to_owned()));
    assert_eq!(who(), 200);

    let _head = pair.head();
    eventually("both agree", LIMIT, || {
        let views = ["/v1/catalog/nodes", "/v1/catalog/node/hand", "/v1/health/node/hand", "/v1/catalog/services"];
        for view in views {
            let (near, far) = (json(&pair.near(view))?, json(&pair.far(view))?);
            if near != far {
                return Err(format!("{view}: {near} / {far}"));
            }
        }
        let there = services(&pair.far("/v1/catalog/node/hand"))?;
        if there.len() == 2 && there.contains(&"late".to_owned()) { Ok(()) } else { Err(format!("{there:?}")) }
    });
    assert_eq!(pair.await_passing(&pair.far(web)), port, "the same task all the time");
    assert_eq!(pair.put(&pair.near("/v1/kv/greeting"), "again"), (200, "true".to_owned()));
    assert!(hand.output().contains("the server's catalog is followed"), "{}", hand.output());
}
