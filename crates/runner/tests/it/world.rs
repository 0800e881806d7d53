//! A client with stand-ins for server, catalog and template data.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_consul::wire::Status;
use baton_model::alloc::AllocDesiredStatus;
use baton_model::task::{RestartPolicy, TaskState};
use baton_model::{AllocClientStatus, Allocation, Job, JobType, Nanos, Node, Task, TaskGroup};
use baton_runner::link::{Assigned, Lease, LinkError, ServerLink};
use baton_runner::logs::LogRequest;
use baton_runner::service::{Catalog, CheckSpec, Known, Registration, Report, Reports};
use baton_runner::template::{Fetched, Fetcher};
use baton_runner::{Client, ClientConfig, ClientHandle, KeeperConfig};
use baton_template::{Data, Dependency};
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::json;
use tokio::sync::watch;

use shelf::{Shelf, Shelved};

#[path = "shelf.rs"]
mod shelf;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) server: Arc<Server>,
    pub(crate) catalog: Arc<Shelf>,
    pub(crate) data: Arc<Keys>,
    pub(crate) client: Option<ClientHandle>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let mut world = Self::without_client();
        world.start().await;
        world
    }

    pub(crate) fn without_client() -> Self {
        let dir = tempfile::Builder::new().prefix("br").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("keeper")).unwrap();
        Self { dir, server: Arc::default(), catalog: Arc::default(), data: Arc::default(), client: None }
    }

    pub(crate) async fn start(&mut self) {
        self.client = Some(Client::start(self.config()).await.unwrap());
    }

    /// The agent dies: nothing is told to anybody.
    pub(crate) fn kill_agent(&mut self) {
        self.client = None;
    }

    pub(crate) fn client(&self) -> &ClientHandle {
        self.client.as_ref().unwrap()
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let root = self.dir.path().to_owned();
        let keeper = root.join("keeper");
        let keeper_dir = keeper.clone();
        let command = move || {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args(["--exact", "roles::role", "--nocapture"])
                .env("BATON_TEST_ROLE", "keeper")
                .env("KEEPER_DIR", &keeper_dir)
                .env("KEEPER_DIE_WITH", std::process::id().to_string())
                .stdout(Stdio::null());
            command
        };
        let node = Node { id: "node-1".into(), name: "edge-1".into(), datacenter: "dc1".into(), ..Node::default() };
        ClientConfig {
            node,
            dir: root.join("client"),
            alloc_dir: root.join("alloc"),
            state_dir: root.join("state"),
            keeper: KeeperConfig {
                socket: keeper.join("keeper.sock"),
                command: Arc::new(command),
                log: root.join("keeper.log"),
            },
            catalog: Some(self.catalog.clone()),
            fetcher: Some(self.data.clone()),
            link: self.server.clone(),
            env: BTreeMap::new(),
            bind_address: Some([127, 0, 0, 11].into()),
            api_socket: None,
            max_kill_timeout: Duration::from_secs(30),
            script_checks: true,
            template_wait: Duration::from_millis(10),
            gc_max_allocs: 50,
        }
    }

    pub(crate) fn task_dir(&self, alloc: &str, task: &str) -> PathBuf {
        self.dir.path().join("alloc").join(alloc).join(task)
    }

    pub(crate) async fn logs(&self, alloc: &str, task: &str) -> String {
        let request =
            LogRequest { task: task.into(), stream: "stdout".into(), offset: 0, from_end: false, follow: false };
        let Ok(mut frames) = self.client().logs(alloc, request) else { return String::new() };
        let mut text = String::new();
        while let Some(frame) = frames.recv().await {
            text.push_str(std::str::from_utf8(&frame.data).unwrap());
        }
        text
    }

    pub(crate) async fn logs_until(&self, alloc: &str, task: &str, wanted: impl Fn(&str) -> bool) -> String {
        let begin = tokio::time::Instant::now();
        loop {
            let text = self.logs(alloc, task).await;
            if wanted(&text) {
                return text;
            }
            assert!(begin.elapsed() < LIMIT, "not within {LIMIT:?}: {text:?}\n{:#?}", self.server.reported(alloc));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.client = None;
        if let Ok(mut client) = baton_keeper::Client::connect(&self.dir.path().join("keeper/keeper.sock")) {
            let _ = client.shutdown(true);
        }
    }
}

/// The server: what it wants, and what it was told.
pub(crate) struct Server {
    wanted: Mutex<Vec<Allocation>>,
    index: watch::Sender<u64>,
    reports: watch::Sender<BTreeMap<String, Allocation>>,
}

impl Default for Server {
    fn default() -> Self {
        Self { wanted: Mutex::default(), index: watch::Sender::new(1), reports: watch::Sender::default() }
    }
}

impl Server {
    pub(crate) fn want(&self, alloc: Allocation) {
        let mut wanted = self.wanted.lock().unwrap();
        wanted.retain(|old| old.id != alloc.id);
        wanted.push(alloc);
        drop(wanted);
        self.index.send_modify(|index| *index += 1);
    }

    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Allocation)) {
        let mut wanted = self.wanted.lock().unwrap();
        change(wanted.iter_mut().find(|alloc| alloc.id == id).unwrap());
        drop(wanted);
        self.index.send_modify(|index| *index += 1);
    }

    pub(crate) fn stop(&self, id: &str) {
        self.change(id, |alloc| alloc.desired_status = AllocDesiredStatus::Stop);
    }

    pub(crate) fn forget(&self, id: &str) {
        self.wanted.lock().unwrap().retain(|alloc| alloc.id != id);
        self.index.send_modify(|index| *index += 1);
    }

    pub(crate) fn reported(&self, id: &str) -> Option<Allocation> {
        self.reports.borrow().get(id).cloned()
    }

    /// Waits for a report of which this holds.
    pub(crate) async fn until(&self, id: &str, what: &str, so: impl Fn(&Allocation) -> bool) -> Allocation {
        let mut reports = self.reports.subscribe();
        let found = reports.wait_for(|reports| reports.get(id).is_some_and(&so));
        match tokio::time::timeout(LIMIT, found).await {
            Ok(found) => found.unwrap()[id].clone(),
            Err(_) => panic!("not within {LIMIT:?}: {what}\n{:#?}", self.reported(id)),
        }
    }

    pub(crate) async fn until_status(&self, id: &str, status: AllocClientStatus) -> Allocation {
        self.until(id, status.as_str(), |alloc| alloc.client_status == status).await
    }
}

impl ServerLink for Server {
    fn register<'a>(&'a self, _node: &'a Node) -> BoxFuture<'a, Result<Lease, LinkError>> {
        async { Ok(Lease { heartbeat_ttl: Nanos::secs(10) }) }.boxed()
    }

    fn heartbeat<'a>(&'a self, _node_id: &'a str) -> BoxFuture<'a, Result<Lease, LinkError>> {
        async { Ok(Lease { heartbeat_ttl: Nanos::secs(10) }) }.boxed()
    }

    fn allocs<'a>(&'a self, _: &'a str, index: u64, wait: Duration) -> BoxFuture<'a, Result<Assigned, LinkError>> {
        async move {
            let mut now = self.index.subscribe();
            let _ = tokio::time::timeout(wait, now.wait_for(|now| *now > index)).await;
            Ok(Assigned { index: *self.index.borrow(), allocs: self.wanted.lock().unwrap().clone() })
        }
        .boxed()
    }

    fn update<'a>(&'a self, _: &'a str, allocs: &'a [Allocation]) -> BoxFuture<'a, Result<(), LinkError>> {
        async move {
            self.reports.send_modify(|reports| {
                reports.extend(allocs.iter().map(|alloc| (alloc.id.clone(), alloc.clone())));
            });
            Ok(())
        }
        .boxed()
    }
}

impl Shelf {
    pub(crate) async fn until(&self, what: &str, so: impl Fn(&Shelved) -> bool) {
        let mut services = self.services.subscribe();
        let found = tokio::time::timeout(LIMIT, services.wait_for(|services| so(services))).await;
        assert!(found.is_ok(), "not within {LIMIT:?}: {what}\n{:#?}", self.services.borrow());
    }

    /// Every status that any check was told to be in, in order.
    pub(crate) fn statuses(&self) -> Vec<Status> {
        self.calls.lock().unwrap().iter().flat_map(|call| call.statuses.clone()).collect()
    }
}

/// Keys for templates, with one index for all, as in Consul.
#[derive(Default)]
pub(crate) struct Keys {
    values: watch::Sender<(u64, BTreeMap<String, String>)>,
}

impl Keys {
    pub(crate) fn set(&self, key: &str, value: &str) {
        self.values.send_modify(|(index, values)| {
            *index += 1;
            values.insert(key.into(), value.into());
        });
    }
}

impl Fetcher for Keys {
    fn fetch<'a>(
        &'a self,
        dependency: &'a Dependency,
        index: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Fetched, String>> {
        async move {
            let (Dependency::Key { path, .. } | Dependency::KeyOrDefault { path, .. }) = dependency else {
                return Err("only keys here".to_owned());
            };
            let mut values = self.values.subscribe();
            if index > 0 {
                // The first change has index 1, which is told as 2: 0 asks for an answer at once.
                let _ = tokio::time::timeout(wait, values.wait_for(|(now, _)| now + 1 > index)).await;
            }
            let (now, values) = values.borrow().clone();
            let data = values.get(path).cloned().map_or(Data::Absent, Data::Text);
            Ok(Fetched { data, index: now + 1 })
        }
        .boxed()
    }
}

pub(crate) fn shell(name: &str, script: &str) -> Task {
    let config = json!({"command": "/bin/sh", "args": ["-c", script]});
    Task {
        name: name.into(),
        driver: "raw_exec".into(),
        config: config.as_object().unwrap().clone(),
        kill_timeout: Nanos::secs(5),
        log_config: baton_model::task::LogConfig { max_files: 3, max_file_size_mb: 1, disabled: false },
        ..Task::default()
    }
}

pub(crate) fn alloc(id: &str, job_type: JobType, tasks: Vec<Task>) -> Allocation {
    let group = TaskGroup {
        name: "g".into(),
        count: 1,
        tasks,
        restart_policy: RestartPolicy {
            attempts: 1,
            interval: Nanos::minutes(5),
            delay: Nanos::millis(50),
            mode: "fail".into(),
            render_templates: false,
        },
        ..TaskGroup::default()
    };
    let job = Job { id: "j".into(), name: "j".into(), job_type, task_groups: vec![group], ..Job::default() };
    Allocation {
        id: id.into(),
        name: Allocation::make_name("j", "g", 0),
        node_id: "node-1".into(),
        job_id: "j".into(),
        job: Some(Arc::new(job)),
        task_group: "g".into(),
        ..Allocation::default()
    }
}

pub(crate) fn edit_group(alloc: &mut Allocation, edit: impl FnOnce(&mut TaskGroup)) {
    edit(&mut Arc::make_mut(alloc.job.as_mut().unwrap()).task_groups[0]);
}

pub(crate) fn kinds(state: &TaskState) -> Vec<&str> {
    state.events.iter().map(|event| event.kind.as_str()).collect()
}

pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let begin = tokio::time::Instant::now();
    while !so().await {
        assert!(begin.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn pid_file(path: &Path) -> Option<i32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
