//! Our face on a free port, a real agent where there is one, and the plainest HTTP client.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use baton_api::consul::{Backend, Identity, MemoryBackend, ServerBackend, router, run_checks};
use baton_catalog::Command as Change;
use baton_consul::wire::Node;
use baton_server::{Config, Server};
use baton_store::MemoryStore;
use baton_testkit::{Process, eventually, free_port, peers};
use serde_json::Value;
use tokio::sync::oneshot;

/// The node that a face speaks for.
pub(crate) const NODE: &str = "test-1";
const NODE_ID: &str = "11111111-2222-3333-4444-555555555555";

fn identity() -> Identity {
    Identity {
        node: NODE.into(),
        node_id: NODE_ID.into(),
        datacenter: "dc1".into(),
        address: "127.0.0.1".into(),
        server: true,
    }
}

/// Our face in a thread of its own; ends when dropped.
pub(crate) struct Face {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Face {
    /// Over a catalog of its own.
    pub(crate) fn start() -> Self {
        Self::over(|| {
            let backend = Arc::new(MemoryBackend::new("dc1"));
            let clock = Arc::clone(&backend);
            tokio::spawn(async move { clock.run_clock().await });
            backend
        })
    }

    /// Over the catalog of a whole server.
    pub(crate) fn over_server() -> Self {
        Self::over(|| {
            let server = Server::open(Config::default(), Box::new(MemoryStore::new())).expect("a fresh server");
            Arc::new(ServerBackend::new(server))
        })
    }

    fn over(backend: impl FnOnce() -> Arc<dyn Backend> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("a bound socket");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let backend = backend();
                let node =
                    Node { id: NODE_ID.into(), node: NODE.into(), address: "127.0.0.1".into(), ..Node::default() };
                backend.apply(Change::NodeUp(node)).await.expect("a fresh catalog takes a node");
                let checks = run_checks(Arc::clone(&backend), NODE.into());
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    served = axum::serve(listener, router(backend, identity())) => served.expect("serving goes on"),
                    ended = checks => panic!("checks ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A real Consul in development mode.
pub(crate) struct RealAgent {
    pub(crate) address: SocketAddr,
    _process: Process,
}

impl RealAgent {
    pub(crate) fn start() -> Option<Self> {
        let program = peers::program("consul")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let ports = ["dns", "grpc", "serf_wan"].map(|name| format!("\"{name}\": -1")).join(", ");
        let settings = format!(
            "{{\"bind_addr\": \"127.0.0.1\", \"node_name\": \"{NODE}\", \"ports\": {{\"http\": {}, \"serf_lan\": {}, \"server\": {}, {ports}}}}}",
            address.port(),
            free_port(),
            free_port(),
        );
        let process = Process::start(Command::new(program).args(["agent", "-dev", "-hcl", &settings]));
        let agent = Self { address, _process: process };
        eventually("consul has a leader and its own node", Duration::from_secs(30), || {
            let answer = call(address, "GET", "/v1/health/node/test-1", "").map_err(|error| error.to_string())?;
            if answer.body.contains("serfHealth") { Ok(()) } else { Err(answer.body) }
        });
        Some(agent)
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    #[track_caller]
    pub(crate) fn index(&self) -> u64 {
        let index = self.header("x-consul-index").and_then(|text| text.parse().ok());
        index.unwrap_or_else(|| panic!("no index in {self:?}"))
    }
}

/// One request on a connection of its own. HTTP/1.0, so that the body ends with the connection.
pub(crate) fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}");
    // In one piece: an answer may come before the body is asked for, and the close after it would hit the rest.
    stream.write_all(request.as_bytes())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or(0);
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    Ok(Answer { status, headers, body: body.to_owned() })
}

/// [`call`] that must get an answer.
#[track_caller]
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    call(address, method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}
