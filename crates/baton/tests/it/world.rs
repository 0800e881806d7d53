//! One `baton dev` per test: own loopback addresses, own directory, and nothing of it left when the test ends.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use baton_testkit::{Process, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::baton;
use crate::procs;

/// How long anything may take on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The examples that users start with are what the stories run.
pub const EDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/edge.nomad");
pub const WHOAMI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/whoami.nomad");

/// Entry points of the edge example.
pub const WEB: u16 = 8000;
pub const API: u16 = 8080;

/// The user without any rights.
const NOBODY: u32 = 65534;

/// The whoami example's host.
pub const HOST: &str = "whoami.localhost";

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Panics unless it succeeded; its standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn say(command: &mut Command) -> Said {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Where nobody else listens: `127.A.B.0/24`, another one at each call and in each test process.
fn network() -> [u8; 3] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let place = std::process::id().wrapping_mul(61).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (70 * 256);
    [127, 30 + u8::try_from(place / 256).unwrap(), u8::try_from(place % 256).unwrap()]
}

/// An allocation, as the API lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alloc {
    pub id: String,
    pub node: String,
    pub status: String,
    pub desired: String,
}

/// A running `baton dev` with its own addresses and directory.
pub struct World {
    dev: Option<Process>,
    dir: TempDir,
    network: [u8; 3],
    args: Vec<String>,
    /// Started as another user than the one who runs the test.
    user: Option<u32>,
    pub api: String,
    pub catalog: String,
    pub started: Value,
}

impl World {
    /// With these job files, in a temporary directory that ends with it; API and catalog on free ports.
    pub fn start(files: &[&str]) -> Self {
        Self::prepare().and_start(files)
    }

    /// [`World::start`] of what [`World::prepare`] gave.
    pub fn and_start(mut self, files: &[&str]) -> Self {
        self.args = vec!["--api-addr=127.0.0.1:0".to_owned(), "--catalog-addr=127.0.0.1:0".to_owned()];
        self.begin(files);
        self
    }

    /// With a data directory and fixed addresses, so that it can be killed and started again.
    pub fn lasting(files: &[&str]) -> Self {
        Self::prepare().and_lasting(files)
    }

    /// [`World::lasting`] of what [`World::prepare`] gave.
    pub fn and_lasting(mut self, files: &[&str]) -> Self {
        self.args = vec![
            format!("--api-addr={}:4646", self.address(1)),
            format!("--catalog-addr={}:8500", self.address(1)),
            format!("--data-dir={}", self.data().display()),
        ];
        self.begin(files);
        self
    }

    /// Addresses and a directory, nothing started.
    pub fn prepare() -> Self {
        Self {
            dev: None,
            dir: tempfile::Builder::new().prefix("it").tempdir().unwrap(),
            network: network(),
            args: Vec::new(),
            user: None,
            api: String::new(),
            catalog: String::new(),
            started: Value::Null,
        }
    }

    /// A prepared one for a user without any rights; `None` where that cannot be (not root, or the binary is out of reach).
    pub fn of_nobody(mut self) -> Option<Self> {
        use std::os::unix::process::CommandExt as _;
        if !nix::unistd::Uid::effective().is_root() {
            return None;
        }
        let reachable = baton().arg("--version").uid(NOBODY).gid(NOBODY).stdout(Stdio::null()).status();
        std::os::unix::fs::chown(self.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        self.user = Some(NOBODY);
        reachable.is_ok_and(|status| status.success()).then_some(self)
    }

    /// Starts a prepared one with these options.
    pub fn start_with(&mut self, options: &[&str], files: &[&str]) {
        self.args = options.iter().map(|option| (*option).to_owned()).collect();
        self.begin(files);
    }

    /// The edge and whoami examples, both proxies serving both backends.
    pub fn serving() -> Self {
        Self::start(&[EDGE, WHOAMI]).settled()
    }

    /// The same, for killing.
    pub fn lasting_serving() -> Self {
        Self::lasting(&[EDGE, WHOAMI]).settled()
    }

    /// Waits until both proxies serve both backends.
    pub fn settled(self) -> Self {
        for node in [11, 12] {
            self.await_backends(node, 2);
        }
        self.await_deployed("edge");
        self.await_deployed("whoami");
        self
    }

    /// Waits for a job's latest deployment to be successful.
    #[track_caller]
    pub fn await_deployed(&self, job: &str) {
        eventually("a successful deployment", LIMIT, || match self.deployment(job) {
            status if status == "successful" => Ok(()),
            status => Err(format!("{job}: {status}\n{}", self.log())),
        });
    }

    /// The command that starts it: not run yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = baton();
        command.args(["dev", "--json", &format!("--node-base={}", self.address(11))]).args(args);
        command.env("TMPDIR", self.dir.path()).env_remove("BATON_ADDR").env_remove("NOMAD_ADDR");
        // As a shell does it: Ctrl-C reaches this group and not the test's.
        command.process_group(0);
        if let Some(user) = self.user {
            std::os::unix::process::CommandExt::uid(command.current_dir("/"), user);
            std::os::unix::process::CommandExt::gid(&mut command, user);
        }
        command
    }

    /// Starts it (again).
    pub fn begin(&mut self, files: &[&str]) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).chain(files.iter().copied()).collect();
        let dev = Process::start(&mut self.command(&args));
        let line = dev.await_line("{\"api\":", LIMIT);
        self.started = serde_json::from_str(&line).unwrap();
        self.api = self.started["api"].as_str().unwrap().to_owned();
        self.catalog = self.started["catalog"].as_str().unwrap().to_owned();
        self.dev = Some(dev);
    }

    pub fn dev(&mut self) -> &mut Process {
        self.dev.as_mut().expect("it was started")
    }

    /// What `baton dev` printed so far.
    pub fn log(&self) -> String {
        self.dev.as_ref().map(Process::output).unwrap_or_default()
    }

    /// Address number `last` of this world's own network.
    pub fn address(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, last)
    }

    pub fn socket(&self, last: u8, port: u16) -> SocketAddr {
        SocketAddr::from((self.address(last), port))
    }

    /// This world's directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes a file beside it; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// An operator's command.
    pub fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = baton();
        command.args(args).env("BATON_ADDR", format!("http://{}", self.api)).env_remove("NOMAD_ADDR");
        command
    }

    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> Said {
        say(&mut self.cli_command(args))
    }

    /// The API's answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let text = curl(&[&format!("http://{}{path}", self.api)]).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Allocations of a job that are meant to run, by node.
    pub fn allocs(&self, job: &str) -> Vec<Alloc> {
        let mut all = self.all_allocs(job);
        all.retain(|alloc| alloc.desired == "run");
        all
    }

    /// Every allocation of a job, by node.
    pub fn all_allocs(&self, job: &str) -> Vec<Alloc> {
        let answer = self.get(&format!("/v1/job/{job}/allocations"));
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let mut all: Vec<Alloc> = answer
            .as_array()
            .unwrap()
            .iter()
            .map(|alloc| Alloc {
                id: text(alloc, "ID"),
                node: text(alloc, "NodeName"),
                status: text(alloc, "ClientStatus"),
                desired: text(alloc, "DesiredStatus"),
            })
            .collect();
        all.sort_by(|a, b| (&a.node, &a.id).cmp(&(&b.node, &b.id)));
        all
    }

    /// Waits for this many running allocations of a job, and no others that are meant to run.
    #[track_caller]
    pub fn await_running(&self, job: &str, count: usize) -> Vec<Alloc> {
        eventually(&format!("{count} running allocations of {job}"), LIMIT, || {
            let allocs = self.allocs(job);
            let settled = allocs.len() == count && allocs.iter().all(|alloc| alloc.status == "running");
            if settled { Ok(allocs) } else { Err(allocs) }
        })
    }

    /// Status of a job's latest deployment.
    pub fn deployment(&self, job: &str) -> String {
        self.get(&format!("/v1/job/{job}/deployment"))["Status"].as_str().unwrap_or_default().to_owned()
    }

    /// Address of an allocation's first port.
    pub fn port_of(&self, alloc: &str) -> SocketAddr {
        let alloc = self.get(&format!("/v1/allocation/{alloc}"));
        let port = &alloc["AllocatedResources"]["Shared"]["Ports"][0];
        format!("{}:{}", port["HostIP"].as_str().unwrap(), port["Value"]).parse().unwrap()
    }

    /// Asks for the whoami example through the proxy on node `last`.
    pub fn ask(&self, last: u8) -> Result<String, String> {
        curl(&["-f", "-H", &format!("Host: {HOST}"), &format!("http://{}/", self.socket(last, WEB))])
    }

    /// Backends in rotation behind the proxy on node `last`.
    pub fn backends(&self, last: u8) -> Result<Vec<String>, String> {
        let url = format!("http://{}/api/http/services/whoami@consulcatalog", self.socket(last, API));
        let answer: Value = serde_json::from_str(&curl(&["-f", &url])?).map_err(|error| error.to_string())?;
        let servers = answer["loadBalancer"]["servers"].as_array().cloned().unwrap_or_default();
        let mut urls: Vec<String> =
            servers.iter().filter_map(|server| Some(server["url"].as_str()?.to_owned())).collect();
        urls.sort();
        Ok(urls)
    }

    /// Waits until the proxy on node `last` has this many backends and answers.
    #[track_caller]
    pub fn await_backends(&self, last: u8, count: usize) -> Vec<String> {
        eventually(&format!("{count} backends behind node .{last}"), LIMIT, || {
            let backends = self.backends(last).map_err(|error| format!("{error}\n{}", self.log()))?;
            if backends.len() != count {
                return Err(format!("{backends:?}"));
            }
            self.ask(last).map(|_| backends)
        })
    }

    /// Processes of an allocation, by its id in their environment.
    pub fn pids(&self, alloc: &str) -> Vec<i32> {
        procs::with_environment(&format!("NOMAD_ALLOC_ID={alloc}"))
    }

    /// Processes of every running allocation of a job.
    pub fn pids_of(&self, job: &str) -> BTreeMap<String, Vec<i32>> {
        self.allocs(job).into_iter().map(|alloc| (alloc.id.clone(), self.pids(&alloc.id))).collect()
    }

    /// The keeper of a node.
    pub fn keeper(&self, node: &str) -> Option<i32> {
        let found = procs::mentioning(self.dir.path());
        found.into_iter().find(|pid| {
            let words = procs::command_line(*pid);
            words.iter().any(|word| word == "keep") && words.iter().any(|word| word.contains(&format!("/{node}/")))
        })
    }

    /// Every process that has to do with this world.
    pub fn processes(&self) -> Vec<i32> {
        procs::mentioning(self.dir.path())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("baton dev said:\n{}", self.log());
        }
        drop(self.dev.take());
        // With a data directory tasks and keepers go on: they are ended here.
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// `curl`, silent but for errors.
pub fn curl(args: &[&str]) -> Result<String, String> {
    let said = say(Command::new("curl").args(["-sS", "--max-time", "5", "--noproxy", "*"]).args(args));
    if said.code == 0 { Ok(said.out) } else { Err(said.err) }
}
