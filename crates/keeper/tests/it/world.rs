//! A keeper in a temporary directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use baton_keeper::protocol::{EventKind, Exit, LogSpec, StartSpec, TaskInfo};
use baton_keeper::{Client, Events};

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    keeper: Child,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("bk").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        let keeper = start_keeper(dir.path(), &[]);
        Self { dir, keeper }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn client(&self) -> Client {
        connect(self.path())
    }

    pub(crate) fn events(&self) -> Events {
        self.client().subscribe().unwrap().1
    }

    pub(crate) fn keeper_pid(&self) -> i32 {
        self.keeper.id() as i32
    }

    /// `ulimit -f`, in blocks of 512 bytes, for a keeper of its own.
    pub(crate) fn with_file_limit(blocks: u32) -> Self {
        let dir = tempfile::Builder::new().prefix("bk").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        let plain = keeper_command(dir.path(), &[]);
        let mut limited = Command::new("/bin/sh");
        limited.arg("-c").arg(format!("ulimit -f {blocks}; exec \"$0\" \"$@\""));
        limited.arg(plain.get_program()).args(plain.get_args());
        limited.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdout(Stdio::null());
        let keeper = limited.spawn().unwrap();
        connect(dir.path());
        Self { dir, keeper }
    }

    /// kill -9, without a new one.
    pub(crate) fn kill_keeper(&mut self) {
        self.keeper.kill().unwrap();
        self.keeper.wait().unwrap();
    }

    pub(crate) fn restart_keeper(&mut self) {
        self.keeper = start_keeper(self.dir.path(), &[]);
    }

    pub(crate) fn wait_keeper(&mut self) {
        assert!(self.keeper.wait().unwrap().success());
    }

    pub(crate) fn shell(&self, key: &str, script: &str) -> StartSpec {
        StartSpec {
            key: key.into(),
            incarnation: 1,
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]),
            cwd: self.path().to_owned(),
            logs: self.logs(key),
            ..StartSpec::default()
        }
    }

    /// This binary as a server, see `roles`.
    pub(crate) fn server(&self, key: &str, role: &str) -> StartSpec {
        let mut spec = self.shell(key, "");
        spec.program = std::env::current_exe().unwrap().display().to_string();
        spec.args = ["--exact", "roles::role", "--nocapture"].map(str::to_owned).to_vec();
        spec.env.insert("BATON_TEST_ROLE".into(), role.into());
        spec.env.insert("SERVER_NAME".into(), key.into());
        spec
    }

    pub(crate) fn logs(&self, key: &str) -> LogSpec {
        LogSpec { dir: self.path().join("logs"), name: key.into(), max_files: 50, max_bytes: 1 << 20, disabled: false }
    }

    /// All of a stream in order.
    pub(crate) fn read(&self, key: &str, stream: &str) -> String {
        read_logs(&self.path().join("logs"), &format!("{key}.{stream}"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Ok(mut client) = Client::connect(&self.path().join("keeper.sock")) {
            let _ = client.shutdown(true);
        } else {
            // The keeper is gone: a fresh one cleans up.
            self.restart_keeper();
            let _ = self.client().shutdown(true);
        }
        let _ = self.keeper.wait();
    }
}

pub(crate) fn read_logs(dir: &Path, stem: &str) -> String {
    let mut files: Vec<(u32, PathBuf)> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let index = path.file_name()?.to_str()?.strip_prefix(stem)?.strip_prefix('.')?.parse().ok()?;
            Some((index, path))
        })
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| std::fs::read_to_string(path).unwrap()).collect()
}

pub(crate) fn start_keeper(dir: &Path, env: &[(&str, &str)]) -> Child {
    let child = keeper_command(dir, env).spawn().unwrap();
    connect(dir);
    child
}

pub(crate) fn keeper_command(dir: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "roles::role", "--nocapture"])
        .env("BATON_TEST_ROLE", "keeper")
        .env("KEEPER_DIR", dir)
        .envs(env.iter().copied())
        .stdout(Stdio::null());
    command
}

pub(crate) fn connect(dir: &Path) -> Client {
    let mut client = None;
    eventually("the keeper answers", || {
        client = Client::connect(&dir.join("keeper.sock")).ok();
        client.is_some()
    });
    client.unwrap()
}

/// Looks until it is so; for things that no event announces.
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn until(events: &mut Events, key: &str, kind: EventKind) -> TaskInfo {
    loop {
        let event = events.next().unwrap();
        if event.kind == kind && event.task.key == key {
            return event.task;
        }
    }
}

pub(crate) fn until_exit(events: &mut Events, key: &str) -> Exit {
    until(events, key, EventKind::Exited).exit().unwrap().clone()
}

pub(crate) fn alive(pid: i32) -> bool {
    baton_net::pid::ProcessId::of(pid).is_ok()
}
