//! A proxy with its configuration, a scripted server, a client of raw bytes.

use baton_proxy::access::AccessLog;
use baton_proxy::{Engine, EngineConfig, EngineHandle};
use baton_routing::config::{Config, EntryPoint, LoadBalancer, Middleware, Router, Server, Service};
use baton_routing::table::{Implemented, compile};
use baton_routing::{Problem, Rule};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Nothing on loopback takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A request as a server got it.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

impl Received {
    /// The value of a header, by its exact spelling.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }
}

/// A server that runs a script per request; the script says whether the connection stays open.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<Mutex<Vec<Received>>>,
}

impl Backend {
    pub(crate) fn script(script: impl Fn(&Received, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let backend =
            Self { address: listener.local_addr().unwrap(), connections: Arc::default(), requests: Arc::default() };
        let (connections, requests, script) = (backend.connections.clone(), backend.requests.clone(), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, script) = (requests.clone(), script.clone());
                std::thread::spawn(move || serve(stream, &requests, &*script));
            }
        });
        backend
    }

    /// Answers 200 with a name.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::script(move |_, stream| reply(stream, "200 OK", &[], name.as_bytes()))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn last(&self) -> Received {
        self.requests.lock().unwrap().pop().expect("no request arrived")
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// Writes a response with a length; true.
pub(crate) fn reply(stream: &mut TcpStream, status: &str, fields: &[&str], body: &[u8]) -> bool {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    fields.iter().for_each(|field| head += &format!("{field}\r\n"));
    head += "\r\n";
    stream.write_all(&[head.as_bytes(), body].concat()).is_ok()
}

fn serve(stream: TcpStream, requests: &Mutex<Vec<Received>>, script: &dyn Fn(&Received, &mut TcpStream) -> bool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(received) = receive(&mut reader) {
        requests.lock().unwrap().push(received.clone());
        if !script(&received, &mut writer) {
            return;
        }
    }
}

/// Reads one message: head, body by its framing, trailers.
pub(crate) fn receive(reader: &mut impl BufRead) -> Option<Received> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let field =
        |name: &str| lower.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
    let mut received = Received { head, body: Vec::new(), trailers: String::new() };
    if field("transfer-encoding").as_deref() == Some("chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size];
            reader.read_exact(&mut chunk).ok()?;
            received.body.extend(chunk);
            if size == 0 {
                break;
            }
            reader.read_line(&mut line).ok()?;
        }
        while !received.trailers.ends_with("\r\n") || received.trailers.lines().last() != Some("") {
            if reader.read_line(&mut received.trailers).ok()? == 0 {
                return None;
            }
        }
    } else if let Some(length) = field("content-length") {
        received.body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut received.body).ok()?;
    }
    Some(received)
}

/// A client connection.
pub(crate) struct Client {
    pub(crate) reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
        self
    }

    /// The next response.
    pub(crate) fn response(&mut self) -> Received {
        receive(&mut self.reader).expect("no complete response")
    }

    /// Only the head of the next response.
    pub(crate) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.reader.read_line(&mut head).unwrap() > 0, "closed in the head: {head:?}");
        }
        head
    }

    /// Everything until the proxy closes; an abort counts as a close.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match self.reader.read(&mut piece) {
                Ok(0) => return rest,
                Ok(bytes) => rest.extend_from_slice(&piece[..bytes]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return rest,
                Err(error) => panic!("the connection stayed open: {error}"),
            }
        }
    }

    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// A running proxy.
pub(crate) struct World {
    pub(crate) engine: EngineHandle,
    pub(crate) config: Config,
    pub(crate) problems: Vec<Problem>,
}

impl World {
    /// A proxy with one entry point `web` and what `edit` adds.
    pub(crate) fn new(edit: impl FnOnce(&mut Config)) -> Self {
        Self::on(false, edit)
    }

    /// As [`World::new`], with every request on the generic path where `generic`.
    pub(crate) fn on(generic: bool, edit: impl FnOnce(&mut Config)) -> Self {
        Self::start(generic, None, edit)
    }

    /// As [`World::on`], with an access log.
    pub(crate) fn logged(generic: bool, log: Arc<dyn AccessLog>, edit: impl FnOnce(&mut Config)) -> Self {
        Self::start(generic, Some(log), edit)
    }

    fn start(generic: bool, access_log: Option<Arc<dyn AccessLog>>, edit: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.entry_points.insert("web".into(), EntryPoint { address: "127.0.0.1:0".into(), ..EntryPoint::default() });
        edit(&mut config);
        let table = Arc::new(compile(&config, &Implemented::ALL));
        let options = EngineConfig { workers: 2, force_generic: generic, access_log, ..EngineConfig::new(table) };
        let (engine, problems) = Engine::start(options).unwrap();
        Self { engine, config, problems }
    }

    pub(crate) fn apply(&mut self, edit: impl FnOnce(&mut Config)) -> Vec<Problem> {
        edit(&mut self.config);
        self.engine.apply(Arc::new(compile(&self.config, &Implemented::ALL))).unwrap()
    }

    pub(crate) fn address(&self, entry_point: &str) -> SocketAddr {
        self.engine.bound().into_iter().find(|(name, _)| name == entry_point).expect("not bound").1
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address("web"))
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, host: &str, target: &str, fields: &str) -> Received {
        self.client()
            .send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n"))
            .response()
    }
}

pub(crate) fn entry_point(config: &mut Config) -> &mut EntryPoint {
    &mut config.entry_points["web"]
}

/// Adds the router `name` for a host of the same name with `.test`.
pub(crate) fn route(config: &mut Config, name: &str, service: &str, middlewares: &[&str]) {
    let host = format!("{name}.test");
    let router = Router {
        entry_points: vec!["web".into()],
        rule: format!("Host(`{host}`)"),
        service: service.into(),
        middlewares: middlewares.iter().map(|name| (*name).into()).collect(),
        matcher: Some(Rule::Host(host)),
        ..Router::default()
    };
    config.http.routers.insert(format!("{name}@file"), router);
}

/// Adds a load balancer.
pub(crate) fn service(config: &mut Config, name: &str, urls: &[String]) {
    let servers = urls.iter().map(|url| Server { url: url.clone(), ..Server::default() }).collect();
    config
        .http
        .services
        .insert(format!("{name}@file"), Service::LoadBalancer(LoadBalancer { servers, ..LoadBalancer::default() }));
}

pub(crate) fn middleware(config: &mut Config, name: &str, kind: Middleware) {
    config.http.middlewares.insert(format!("{name}@file"), kind);
}

/// A proxy with the route `app` to `backend`.
pub(crate) fn simple(generic: bool, backend: &Backend) -> World {
    World::on(generic, |config| {
        service(config, "app", &[backend.url()]);
        route(config, "app", "app", &[]);
    })
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not so in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
