//! A server with its API on a free port, a plain HTTP client, and nodes that behave as told.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use baton_api::guard::{Access, Guard};
use baton_api::nomad::client::NoClients;
use baton_api::nomad::{self, AgentInfo, ApiState};
use baton_api::{Listener, serve};
use baton_model::node::{DriverInfo, Node, NodeCpu, NodeDisk, NodeMemory};
use baton_model::resources::NetworkResource;
use baton_server::{Config, GcThresholds, Heartbeat, Server};
use baton_store::{MemoryStore, RedbStore, Store};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Longest that anything in these tests may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A server with its API.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Box::new(MemoryStore::new()), Access::Dev).await
    }

    pub(crate) async fn on_disk(dir: &Path) -> Self {
        let store = RedbStore::open(dir).expect("a store");
        Self::with(Box::new(store), Access::Dev).await
    }

    pub(crate) async fn with(store: Box<dyn Store>, access: Access) -> Self {
        let heartbeat = Heartbeat {
            ttl: Duration::from_millis(300),
            grace: Duration::from_millis(200),
            after_start: Duration::from_secs(5),
        };
        let config = Config { heartbeat, gc: GcThresholds::default(), ..Config::default() };
        let server = Server::open(config, store).expect("a server");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let agent = AgentInfo {
            version: "0.1.0".to_owned(),
            nomad_version: "1.9.7".to_owned(),
            advertise: address,
            config: json!({}),
        };
        let state = ApiState { server: server.clone(), clients: Arc::new(NoClients), agent: Arc::new(agent) };
        let guard = Guard::new(access, ["edge.example.org".to_owned()]);
        let router = guard.protect(nomad::router(state), nomad::needs_token);
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(Listener::Tcp(listener), router, stop.clone()));
        Self { server, address, stop, served }
    }

    pub(crate) async fn close(self) {
        self.server.shutdown().await;
        self.stop.cancel();
        self.served.await.expect("serving ends");
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Reply {
        send(self.address, method, path, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.read(path).await.0
    }

    /// The body and the index of a read that must succeed.
    pub(crate) async fn read(&self, path: &str) -> (Value, u64) {
        let reply = self.send(Method::GET, path, &[], String::new()).await;
        assert_eq!(reply.status, StatusCode::OK, "GET {path}: {}", reply.body);
        (reply.json(), reply.index())
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        let reply = self.send(Method::PUT, path, &[], body.to_string()).await;
        assert_eq!(reply.status, StatusCode::OK, "PUT {path}: {}", reply.body);
        assert!(reply.index() > 0);
        reply.json()
    }

    pub(crate) async fn run(&self, job: Value) -> Value {
        self.put("/v1/jobs", json!({ "Job": job })).await
    }

    /// Reads again, whenever the index moves, until `look` gives a value.
    pub(crate) async fn until<T>(&self, path: &str, mut look: impl FnMut(&Value) -> Option<T>) -> T {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut index = 0;
        let mut last = Value::Null;
        let found = async {
            loop {
                let (body, at) = self.read(&format!("{path}{separator}index={index}&wait=2s")).await;
                if let Some(found) = look(&body) {
                    return found;
                }
                index = at;
                last = body;
            }
        };
        let found = tokio::time::timeout(LIMIT, found).await;
        found.unwrap_or_else(|_| panic!("{path} stayed at {last:#}"))
    }

    /// Waits for the evaluation to be processed and gives it back.
    pub(crate) async fn evaluated(&self, answer: &Value) -> Value {
        let id = answer["EvalID"].as_str().expect("an evaluation");
        self.until(&format!("/v1/evaluation/{id}"), |eval| {
            (eval["Status"] != "pending" && eval["Status"] != "blocked").then(|| eval.clone())
        })
        .await
    }

    /// Waits until the newest deployment of a job has a status.
    pub(crate) async fn deployed(&self, job: &str, status: &str) -> Value {
        self.until(&format!("/v1/job/{job}/deployment"), |one| (one["Status"] == status).then(|| one.clone())).await
    }

    /// Waits until exactly `count` allocations of a job run and nothing else is on its way.
    pub(crate) async fn running(&self, job: &str, count: usize) -> Vec<Value> {
        self.until(&format!("/v1/job/{job}/allocations"), |allocs| {
            let live: Vec<Value> = list(allocs)
                .iter()
                .filter(|alloc| alloc["DesiredStatus"] == "run" && alloc["ClientStatus"] != "complete")
                .filter(|alloc| alloc["ClientStatus"] != "failed" && alloc["ClientStatus"] != "lost")
                .cloned()
                .collect();
            let all_run = live.iter().all(|alloc| alloc["ClientStatus"] == "running");
            (all_run && live.len() == count).then_some(live)
        })
        .await
    }
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).expect("a list")
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn index(&self) -> u64 {
        let header = self.headers.get("x-nomad-index").expect("an index");
        header.to_str().expect("text").parse().expect("a number")
    }
}

pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Reply {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http");
    let running = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header(header::HOST, address.to_string());
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body)).expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(Body::new(body), usize::MAX).await.expect("a body");
    drop(sender);
    running.abort();
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Reply { status: parts.status, headers: parts.headers, body }
}

/// A node played by a task: it registers, lives, takes its allocations and reports them.
pub(crate) struct FakeNode {
    pub(crate) id: String,
    silent: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl FakeNode {
    pub(crate) async fn join(world: &World, name: &str) -> Self {
        Self::join_with(world, describe(name)).await
    }

    pub(crate) async fn join_with(world: &World, node: Node) -> Self {
        let id = node.id.clone();
        let answer = world.put("/v1/baton/node/register", serde_json::to_value(&node).expect("JSON")).await;
        let ttl = Duration::from_nanos(answer["HeartbeatTTL"].as_u64().expect("a TTL"));
        let silent = Arc::new(AtomicBool::new(false));
        let tasks = vec![
            tokio::spawn(beat(world.address, id.clone(), ttl, Arc::clone(&silent))),
            tokio::spawn(take(world.address, id.clone(), Arc::clone(&silent))),
        ];
        Self { id, silent, tasks }
    }

    /// Stops beating and reporting, as a machine that lost its power.
    pub(crate) fn vanish(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    pub(crate) fn come_back(&self) {
        self.silent.store(false, Ordering::SeqCst);
    }
}

pub(crate) fn describe(name: &str) -> Node {
    let mut node =
        Node { id: baton_model::id::new(), name: name.to_owned(), datacenter: "dc1".to_owned(), ..Node::default() };
    for (key, value) in [
        ("kernel.name", "linux"),
        ("consul.version", "1.8.7"),
        ("nomad.version", "1.9.7"),
        ("os.signals", "SIGHUP,SIGINT,SIGTERM,SIGKILL,SIGUSR1,SIGUSR2"),
        ("driver.raw_exec", "1"),
    ] {
        node.attributes.insert(key.to_owned(), value.to_owned());
    }
    let driver = DriverInfo { detected: true, healthy: true, ..DriverInfo::default() };
    node.drivers.insert("raw_exec".to_owned(), driver);
    node.node_resources.cpu = NodeCpu { cpu_shares: 4000, total_cpu_cores: 2, ..NodeCpu::default() };
    node.node_resources.memory = NodeMemory { memory_mb: 2048 };
    node.node_resources.disk = NodeDisk { disk_mb: 100_000 };
    node.node_resources.min_dynamic_port = 20_000;
    node.node_resources.max_dynamic_port = 21_000;
    let network = NetworkResource {
        mode: "host".to_owned(),
        device: "lo".to_owned(),
        ip: "127.0.0.1".to_owned(),
        ..NetworkResource::default()
    };
    node.node_resources.networks.push(network);
    node
}

async fn beat(address: SocketAddr, id: String, ttl: Duration, silent: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(ttl / 3);
    loop {
        ticks.tick().await;
        if !silent.load(Ordering::SeqCst) {
            send(address, Method::PUT, &format!("/v1/baton/node/{id}/heartbeat"), &[], String::new()).await;
        }
    }
}

async fn take(address: SocketAddr, id: String, silent: Arc<AtomicBool>) {
    let mut index = 0;
    loop {
        let path = format!("/v1/node/{id}/allocations?index={index}&wait=1s");
        let reply = send(address, Method::GET, &path, &[], String::new()).await;
        index = reply.index();
        if silent.load(Ordering::SeqCst) {
            index = 0;
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let reports: Vec<Value> = list(&reply.json()).iter().filter_map(report).collect();
        if !reports.is_empty() {
            let body = json!({ "Allocs": reports }).to_string();
            send(address, Method::PUT, &format!("/v1/baton/node/{id}/allocations"), &[], body).await;
        }
    }
}

/// What a node has to say about an allocation, if that is news. A task whose command is `bad` fails, one whose command is
/// `done` ends well, any other runs and is healthy.
fn report(alloc: &Value) -> Option<Value> {
    let group = list(&alloc["Job"]["TaskGroups"]).iter().find(|group| group["Name"] == alloc["TaskGroup"])?;
    let task = &list(&group["Tasks"])[0];
    let command = task["Config"]["command"].as_str().unwrap_or_default();
    let (status, state, failed) = match (alloc["DesiredStatus"].as_str()?, command) {
        ("run", "bad") => ("failed", "dead", true),
        ("run", "done") => ("complete", "dead", false),
        ("run", _) => ("running", "running", false),
        _ => ("complete", "dead", false),
    };
    let tracked = !alloc["DeploymentID"].as_str().unwrap_or_default().is_empty() && alloc["DesiredStatus"] == "run";
    let healthy = tracked.then_some(status == "running");
    let terminal = ["complete", "failed", "lost"].iter().any(|one| alloc["ClientStatus"] == *one);
    let told = alloc["DeploymentStatus"]["Healthy"].as_bool() == healthy;
    if terminal || (alloc["ClientStatus"] == status && told) {
        return None;
    }
    let mut states = json!({});
    let name = task["Name"].as_str()?;
    states[name] = json!({ "State": state, "Failed": failed });
    Some(json!({
        "ID": alloc["ID"],
        "ClientStatus": status,
        "TaskStates": states,
        "DeploymentStatus": healthy.map(|healthy| json!({ "Healthy": healthy })),
    }))
}

/// A service job of `count` small allocations on ports of their own choice.
pub(crate) fn service(id: &str, count: i64, command: &str) -> Value {
    json!({
        "ID": id,
        "Name": id,
        "Type": "service",
        "Datacenters": ["dc1"],
        "Update": {
            "MaxParallel": 1,
            "MinHealthyTime": 0,
            "HealthyDeadline": 5_000_000_000_i64,
            "ProgressDeadline": 10_000_000_000_i64,
        },
        "TaskGroups": [{
            "Name": "web",
            "Count": count,
            "ReschedulePolicy": { "Attempts": 0, "Unlimited": false },
            "RestartPolicy": { "Attempts": 0, "Mode": "fail" },
            "Tasks": [{
                "Name": "server",
                "Driver": "raw_exec",
                "Config": { "command": command },
                "Resources": { "CPU": 100, "MemoryMB": 64 },
            }],
        }],
    })
}
