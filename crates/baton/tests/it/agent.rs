//! `baton agent`: one node for one user, with its own directory, from the first start to the last stop.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use baton_testkit::{Process, eventually, free_port};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::baton;
use crate::procs;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
const JOB: &str = r#"
job "lasting" {
  datacenters = ["dc1"]
  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "sleep"
        args    = ["3600"]
      }
    }
  }
}
"#;

/// A directory with a configuration; what still runs there ends with it.
pub(crate) struct Story {
    dir: TempDir,
    pub(crate) http: u16,
    pub(crate) catalog: u16,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Story {
    pub(crate) fn new() -> Self {
        let story = Self {
            dir: tempfile::Builder::new().prefix("ag").tempdir().unwrap(),
            http: free_port(),
            catalog: free_port(),
        };
        story.configure("agent.hcl", "");
        fs::write(story.path("job.nomad"), JOB).unwrap();
        story
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the configuration, with more lines at its end; its path.
    pub(crate) fn configure(&self, name: &str, more: &str) -> PathBuf {
        let text = format!(
            "name = \"one\"\ndata_dir = {:?}\nports {{\n  http = {}\n}}\naddresses {{\n  socket = {:?}\n}}\ncatalog {{\n  address = \"127.0.0.1:{}\"\n}}\n\
             server {{\n  enabled = true\n}}\nclient {{\n  enabled = true\n}}\n{more}",
            self.path("data"),
            self.http,
            self.path("agent.sock"),
            self.catalog,
        );
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Neither this machine's agent nor its user's is to be seen.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = baton();
        command
            .args(args)
            .env("XDG_STATE_HOME", self.path("nowhere"))
            .env("BATON_ADDR", format!("http://127.0.0.1:{}", self.http));
        for name in ["BATON_TOKEN", "NOMAD_TOKEN", "NOMAD_ADDR", "BATON_CONFIG", "BATON_TOKEN_FILE", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn start(&self) -> Process {
        let agent =
            Process::start(&mut self.command(&["agent", "--config", &self.path("agent.hcl").display().to_string()]));
        agent.await_line("client started", LIMIT);
        agent
    }

    /// An operator's command with the agent's token.
    #[track_caller]
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        let said = say(self.command(args).env("BATON_TOKEN_FILE", self.path("data/server/token")));
        assert!(said.ok, "{args:?}: {said:#?}");
        said.out
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.path("data/server/token")).unwrap().trim().to_owned()
    }

    /// Processes of the job's running allocation.
    #[track_caller]
    pub(crate) fn await_running(&self) -> (String, Vec<i32>) {
        eventually("a running allocation", LIMIT, || {
            let allocs: Value = serde_json::from_str(&curl(&[&self.url("/v1/job/lasting/allocations")]).1)
                .map_err(|error| error.to_string())?;
            let alloc = &allocs[0];
            let id = alloc["ID"].as_str().unwrap_or_default().to_owned();
            let pids = procs::with_environment(&format!("NOMAD_ALLOC_ID={id}"));
            if alloc["ClientStatus"] == "running" && !pids.is_empty() {
                Ok((id, pids))
            } else {
                Err(allocs.to_string())
            }
        })
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        for pid in procs::mentioning(self.dir.path()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

#[track_caller]
pub(crate) fn say(command: &mut Command) -> Said {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Status and body.
#[track_caller]
pub(crate) fn curl(args: &[&str]) -> (u16, String) {
    let said = say(Command::new("curl")
        .args(["-sS", "--max-time", "10", "--noproxy", "*", "-w", "\n%{http_code}"])
        .args(args));
    let (body, status) = said.out.rsplit_once('\n').unwrap_or_else(|| panic!("{said:#?}"));
    (status.parse().unwrap_or(0), body.to_owned())
}

#[test]
fn tasks_outlive_the_agent_and_are_taken_up_again() {
    let story = Story::new();
    let mut agent = story.start();
    story.cli(&["job", "run", "-detach", &story.path("job.nomad").display().to_string()]);
    let (alloc, pids) = story.await_running();
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(LIMIT).success(), "{}", agent.output());
    assert!(agent.output().contains("the tasks go on"), "{}", agent.output());
    assert!(pids.iter().all(|pid| procs::is_alive(*pid)));
    assert!(!story.path("agent.sock").exists());

    let _agent = story.start();
    assert_eq!(story.await_running(), (alloc, pids.clone()));
    story.cli(&["job", "stop", "-detach", "lasting"]);
    eventually("no process of the job", LIMIT, || {
        let left: Vec<_> = pids.iter().filter(|pid| procs::is_alive(**pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

#[test]
fn writes_need_the_token_and_no_web_page_gets_through() {
    let story = Story::new();
    let _agent = story.start();
    let job = story.path("job.nomad").display().to_string();
    let refused = say(&mut story.command(&["job", "run", "-detach", &job]));
    assert!(
        !refused.ok && refused.err.contains("a token is needed") && refused.err.contains("BATON_TOKEN_FILE"),
        "{refused:#?}"
    );
    let wrong = say(story.command(&["job", "run", "-detach", &job]).env("BATON_TOKEN", "wrong"));
    assert!(!wrong.ok && wrong.err.contains("ACL token not found"), "{wrong:#?}");
    assert_eq!(fs::metadata(story.path("data/server/token")).unwrap().permissions().mode() & 0o777, 0o600);

    let (jobs, token) = (story.url("/v1/jobs"), format!("X-Nomad-Token: {}", story.token()));
    assert_eq!(curl(&[&jobs]), (200, "[]".to_owned()));
    let (status, text) = curl(&["-H", "Host: evil.example.org", &jobs]);
    assert!(status == 403 && text.contains("evil.example.org"), "{status} {text}");
    let page = ["-H", &token, "-H", "Origin: http://evil.example.org", "-X", "PUT", "-d", "{}", &jobs];
    let (status, text) = curl(&page);
    assert!(status == 403 && text.contains("web page"), "{status} {text}");
    assert_eq!(curl(&["-X", "PUT", "-d", "x", &format!("http://127.0.0.1:{}/v1/kv/a", story.catalog)]).0, 403);

    let socket = story.path("agent.sock");
    let file = fs::metadata(&socket).unwrap();
    assert!(file.file_type().is_socket() && file.permissions().mode() & 0o777 == 0o660);
    let local = |args: &[&str]| curl(&[&["--unix-socket", socket.to_str().unwrap()], args].concat());
    assert_eq!(local(&["http://localhost/v1/jobs"]).0, 200);
    assert_eq!(local(&["-X", "PUT", "-d", "{}", "http://localhost/v1/jobs"]).0, 403);
}

#[test]
fn the_node_and_what_others_register_are_in_the_catalog() {
    let story = Story::new();
    let _agent = story.start();
    let catalog = |path: &str| format!("http://127.0.0.1:{}{path}", story.catalog);
    eventually("the node's health", LIMIT, || {
        let (_, text) = curl(&[&catalog("/v1/health/node/one")]);
        let checks: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if checks[0]["CheckID"] == "serfHealth" && checks[0]["Status"] == "passing" { Ok(()) } else { Err(text) }
    });
    let body = format!(
        r#"{{"Name": "api", "Port": {}, "Check": {{"HTTP": {:?}, "Interval": "1s"}}}}"#,
        story.http,
        story.url("/v1/agent/health")
    );
    let token = format!("X-Consul-Token: {}", story.token());
    let register = ["-H", &token, "-X", "PUT", "-d", &body, &catalog("/v1/agent/service/register")];
    assert_eq!(curl(&register).0, 200);
    eventually("a passing check", LIMIT, || {
        let (_, text) = curl(&[&catalog("/v1/health/checks/api")]);
        let checks: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if checks[0]["Status"] == "passing" && checks[0]["Node"] == "one" { Ok(()) } else { Err(text) }
    });
}

#[test]
fn a_second_agent_is_told_what_is_in_its_way() {
    let story = Story::new();
    let _agent = story.start();
    let start = |config: &Path| say(&mut story.command(&["agent", "--config", &config.display().to_string()]));
    let same = start(&story.path("agent.hcl"));
    let port =
        format!("another Baton agent (version {}) answers on 127.0.0.1:{}", env!("CARGO_PKG_VERSION"), story.http);
    assert!(!same.ok && same.err.contains(&port), "{same:#?}");
    let text = fs::read_to_string(story.path("agent.hcl")).unwrap();
    let text =
        text.replace(&format!("http = {}", story.http), "http = 0").replace(&format!(":{}\"", story.catalog), ":0\"");
    fs::write(story.path("other.hcl"), text.replace("agent.sock", "other.sock")).unwrap();
    let dir = start(&story.path("other.hcl"));
    assert!(!dir.ok && dir.err.contains("is in use by another agent"), "{dir:#?}");
    fs::write(story.path("third.hcl"), text).unwrap();
    let socket = start(&story.path("third.hcl"));
    assert!(
        !socket.ok && socket.err.contains("another agent answers on") && socket.err.contains("agent.sock"),
        "{socket:#?}"
    );
    assert_eq!(curl(&[&story.url("/v1/jobs")]).0, 200);
}

#[test]
fn hangup_takes_up_the_log_level_and_a_mistake_changes_nothing() {
    let story = Story::new();
    let agent = story.start();
    story.configure("agent.hcl", "log_level = \"debug\"\n");
    agent.signal(Signal::SIGHUP);
    agent.await_line("configuration read again", LIMIT);
    eventually("a line of level debug", LIMIT, || {
        curl(&["--max-time", "1", &story.url("/v1/jobs")]);
        if agent.output().contains("level=debug") { Ok(()) } else { Err(agent.output()) }
    });
    story.configure("agent.hcl", "datacenter = \"other\"\n");
    agent.signal(Signal::SIGHUP);
    agent.await_line("takes effect at the next start", LIMIT);
    story.configure("agent.hcl", "nam = 1\n");
    agent.signal(Signal::SIGHUP);
    agent.await_line("the configuration stays as it was", LIMIT);
    assert_eq!(curl(&[&story.url("/v1/jobs")]).0, 200);
}

#[test]
fn the_supervisor_hears_when_it_is_ready_and_when_it_stops() {
    let story = Story::new();
    let path = story.path("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(LIMIT)).unwrap();
    let hear = || {
        let mut buffer = [0; 512];
        let length = supervisor.recv(&mut buffer).expect("a message in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut agent = Process::start(
        story
            .command(&["agent", "--config", &story.path("agent.hcl").display().to_string()])
            .env("NOTIFY_SOCKET", &path),
    );
    let first = hear();
    assert!(first.lines().any(|line| line == "READY=1"), "{first}");
    assert_eq!(curl(&[&story.url("/v1/jobs")]).0, 200, "ready means that it answers");
    let nodes: Value = serde_json::from_str(&curl(&[&story.url("/v1/nodes")]).1).unwrap();
    assert!(agent.output().contains("client started"), "{nodes}");
    story.cli(&["job", "run", "-detach", &story.path("job.nomad").display().to_string()]);
    let (_, pids) = story.await_running();
    agent.signal(Signal::SIGTERM);
    let last = hear();
    assert!(last.lines().any(|line| line == "STOPPING=1"), "{last}");
    assert!(agent.wait(LIMIT).success(), "{}", agent.output());
    // The task has a supervisor of its own, and so has the keeper.
    let mention = format!("NOTIFY_SOCKET={}", path.display());
    assert_eq!(procs::with_environment(&mention), Vec::<i32>::new());
    assert!(pids.iter().all(|pid| procs::is_alive(*pid)));
}

#[test]
fn a_bad_configuration_starts_nothing() {
    let story = Story::new();
    let start = |more: &str| {
        say(&mut story.command(&["agent", "--config", &story.configure("agent.hcl", more).display().to_string()]))
    };
    let mistakes = start("nam = 1\nfailover \"edge\" {}\n");
    for part in
        ["agent.hcl:18:1", "Did you mean \"name\"?", "agent.hcl:19:1", "failover is not supported", "2 mistakes"]
    {
        assert!(!mistakes.ok && mistakes.err.contains(part), "{part}: {}", mistakes.err);
    }
    let open = start("bind_addr = \"0.0.0.0\"\nacl {\n  default = \"allow\"\n}\n");
    assert!(!open.ok && open.err.contains("would let everybody run programs here"), "{open:#?}");
    assert_eq!(procs::mentioning(story.dir.path()), Vec::<i32>::new());

    let checked = say(&mut story.command(&["check", &story.configure("agent.hcl", "nam = 1\n").display().to_string()]));
    assert!(!checked.ok && checked.out.contains("agent.hcl:18:1: error: Unsupported argument"), "{checked:#?}");
}
