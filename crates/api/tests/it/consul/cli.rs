//! Consul's own command line against our face.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use baton_testkit::{Process, eventually, peers};

use super::support::{Face, NODE, ask};

struct Cli<'a> {
    program: PathBuf,
    face: &'a Face,
}

impl Cli<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("CONSUL_HTTP_ADDR", self.face.address.to_string()).env_remove("CONSUL_HTTP_TOKEN");
        command
    }

    /// Runs a command to its end; returns what it printed on standard output.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("consul starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("consul starts");
        assert!(!output.status.success(), "{arguments:?} succeeded");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

fn with_cli(story: impl FnOnce(&Cli<'_>)) {
    let Some(program) = peers::program("consul") else { return };
    let face = Face::start();
    story(&Cli { program, face: &face });
}

#[test]
fn looking_around() {
    with_cli(|cli| {
        let members = cli.run(&["members"]);
        let line = members.lines().find(|line| line.starts_with(NODE)).expect("our node");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, [NODE, "127.0.0.1:8301", "alive", "server", "1.8.7", "2", "dc1", "<all>"]);
        assert!(cli.run(&["info"]).contains("leader = true"));
        assert_eq!(cli.run(&["catalog", "datacenters"]), "dc1\n");
        assert!(cli.run(&["catalog", "nodes", "-detailed"]).contains("11111111-2222-3333-4444-555555555555"));
        assert!(cli.run(&["operator", "raft", "list-peers"]).contains("leader"));
    });
}

#[test]
fn services() {
    with_cli(|cli| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("web.hcl");
        let text = r#"service { name = "web" id = "web-1" port = 80 tags = ["v1"] meta { k = "v" }
            check { id = "alive" ttl = "1h" } }"#;
        std::fs::write(&file, text).expect("a file");
        let file = file.to_string_lossy();
        assert_eq!(cli.run(&["services", "register", &file]), "Registered service: web\n");
        assert_eq!(cli.run(&["catalog", "services", "-tags"]).split_whitespace().collect::<Vec<_>>(), ["web", "v1"]);
        assert!(cli.run(&["catalog", "nodes", "-service=web"]).contains(NODE));
        assert!(cli.run(&["watch", "-type=service", "-service=web"]).contains("\"ServiceID\": \"web-1\""));
        assert!(cli.run(&["watch", "-type=checks", "-state=critical"]).contains("\"CheckID\": \"alive\""));
        assert!(cli.run(&["maint", "-enable", "-service=web-1", "-reason=disk"]).contains("now enabled"));
        assert!(cli.run(&["maint"]).contains("disk"));
        assert!(cli.run(&["maint", "-disable", "-service=web-1"]).contains("now disabled"));
        cli.run(&["services", "deregister", "-id=web-1"]);
        assert_eq!(cli.run(&["catalog", "services"]), "");
        assert!(cli.run(&["event", "-name=deploy", "now"]).starts_with("Event ID: "));
    });
}

#[test]
fn keys() {
    with_cli(|cli| {
        assert_eq!(cli.run(&["kv", "put", "-flags=42", "a/b", "hello"]), "Success! Data written to: a/b\n");
        assert_eq!(cli.run(&["kv", "get", "a/b"]), "hello\n");
        cli.run(&["kv", "put", "a/c/d", "x"]);
        assert_eq!(cli.run(&["kv", "get", "-recurse", "a/"]), "a/b:hello\na/c/d:x\n");
        assert_eq!(cli.run(&["kv", "get", "-keys", "a/"]), "a/b\na/c/\n");
        assert!(cli.run(&["kv", "get", "-detailed", "a/b"]).contains("Flags            42"));
        assert!(cli.fails(&["kv", "put", "-cas", "-modify-index=1", "a/b", "x"]).contains("CAS failed"));
        assert!(cli.fails(&["kv", "get", "none"]).contains("No key exists at: none"));
        let exported = cli.run(&["kv", "export", "a/"]);
        assert!(cli.run(&["kv", "delete", "-recurse", "a/"]).contains("Success"));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keys.json");
        std::fs::write(&file, exported).expect("a file");
        cli.run(&["kv", "import", &format!("@{}", file.display())]);
        assert_eq!(cli.run(&["kv", "get", "a/c/d"]), "x\n");
    });
}

#[test]
fn locks_exclude_each_other() {
    with_cli(|cli| {
        let folder = tempfile::tempdir().expect("a folder");
        let gate = folder.path().join("gate");
        let wait = format!("echo first; while [ ! -e {} ]; do sleep 0.05; done", gate.display());
        let mut first = Process::start(&mut cli.command(&["lock", "turn", &wait]));
        first.await_line("first", Duration::from_secs(20));
        let holder = ask(cli.face.address, "GET", "/v1/kv/turn/.lock", "").json();
        assert!(holder[0]["Session"].is_string() && holder[0]["Flags"] == 3_304_740_253_564_472_344_u64, "{holder}");
        let taken = cli.fails(&["lock", "-try=200ms", "turn", "true"]);
        assert!(taken.contains("Lock acquisition failed") || taken.contains("timeout"), "{taken}");
        let mut second = Process::start(&mut cli.command(&["lock", "turn", "echo second"]));
        std::fs::write(&gate, "").expect("a file");
        assert!(first.wait(Duration::from_secs(20)).success(), "{}", first.output());
        assert!(second.wait(Duration::from_secs(20)).success(), "{}", second.output());
        assert!(second.output().contains("second"));
        eventually("both cleaned up", Duration::from_secs(5), || {
            let left = ask(cli.face.address, "GET", "/v1/kv/work?keys", "");
            if left.status == 404 { Ok(()) } else { Err(left.body) }
        });
    });
}

#[test]
fn a_semaphore_takes_as_many_as_it_says() {
    with_cli(|cli| {
        let folder = tempfile::tempdir().expect("a folder");
        let gate = folder.path().join("gate");
        let wait = format!("echo inside; while [ ! -e {} ]; do sleep 0.05; done", gate.display());
        let mut holders = [(); 2].map(|()| Process::start(&mut cli.command(&["lock", "-n=2", "pool", &wait])));
        for holder in &holders {
            holder.await_line("inside", Duration::from_secs(20));
        }
        cli.fails(&["lock", "-n=2", "-try=200ms", "pool", "true"]);
        std::fs::write(&gate, "").expect("a file");
        for holder in &mut holders {
            assert!(holder.wait(Duration::from_secs(20)).success(), "{}", holder.output());
        }
    });
}
