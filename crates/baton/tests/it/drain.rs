//! A backend is stopped while it still answers: what runs there ends well, nothing new comes, and then it goes at once.
//!
//! Its kill signal is SIGKILL: a stop that comes too early cuts what runs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use baton_testkit::eventually;
use serde_json::Value;

use crate::clients::Clients;
use crate::world::{Alloc, EDGE, HOST, LIMIT, WEB, WHOAMI, World, curl};

/// How long a backend takes for one answer here: longer than the catalog believes a count that is not told again.
const HOLD: Duration = Duration::from_secs(6);
/// A backend with nothing to do any more has gone after this time, on a busy machine too.
const SOON: Duration = Duration::from_secs(4);
/// Requests at the backend that is stopped, from each proxy.
const RUNNING: usize = 3;
/// Clients of each proxy, beside them.
const CLIENTS: usize = 3;

/// A request whose answer has begun.
struct Running {
    proxy: SocketAddr,
    /// Who answers.
    alloc: String,
    answer: BufReader<TcpStream>,
}

impl Running {
    fn start(proxy: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(proxy).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let hold = HOLD.as_secs();
        let request = format!("GET /?hold={hold}s HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200 "), "{line:?}");
        let alloc = loop {
            line.clear();
            assert_ne!(answer.read_line(&mut line).unwrap(), 0, "the answer has ended");
            if let Some(alloc) = line.strip_prefix("Allocation: ") {
                break alloc.trim().to_owned();
            }
        };
        Self { proxy, alloc, answer }
    }

    /// At this backend, as many as wanted from each proxy; and what went to the others meanwhile.
    fn at(alloc: &str, proxies: &[SocketAddr]) -> Vec<Self> {
        let mut all = Vec::new();
        for proxy in proxies {
            let mut there = 0;
            while there < RUNNING {
                let running = Self::start(*proxy);
                there += usize::from(running.alloc == alloc);
                all.push(running);
                assert!(all.len() < 20 * RUNNING, "{alloc} gets too little from {proxy}");
            }
        }
        all
    }

    /// Reads to the end, which must be whole.
    #[track_caller]
    fn finish(mut self) {
        let mut rest = String::new();
        let read = self.answer.read_to_string(&mut rest);
        assert!(
            read.is_ok() && rest.contains(&format!("Held: {HOLD:?}\n")) && rest.ends_with("\r\n0\r\n\r\n"),
            "{} through {}: {read:?} {rest:?}",
            self.alloc,
            self.proxy
        );
    }
}

/// The examples, with backends that die of their kill signal.
fn world() -> World {
    let job = fs::read_to_string(WHOAMI).unwrap();
    let killed =
        job.replace("driver = \"raw_exec\"\n", "driver      = \"raw_exec\"\n      kill_signal = \"SIGKILL\"\n");
    assert_ne!(job, killed);
    let world = World::prepare();
    let file = world.file("whoami.nomad", &killed);
    world.and_start(&[EDGE, &file]).settled()
}

/// What each proxy tells the catalog about a backend that drains.
fn told(world: &World, alloc: &str) -> Result<Vec<u64>, String> {
    let get = |path: &str| {
        let text = curl(&["-f", &format!("http://{}/v1/{path}", world.catalog)])?;
        serde_json::from_str::<Value>(&text).map_err(|error| format!("{error}: {text}"))
    };
    let services = get("catalog/service/whoami")?;
    let mut ids = services.as_array().into_iter().flatten().filter_map(|service| service["ServiceID"].as_str());
    let id = ids.find(|id| id.contains(alloc)).ok_or_else(|| format!("{alloc} not in {services}"))?;
    let counts = get(&format!("baton/drain/{id}"))?;
    Ok(counts.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).collect())
}

fn await_gone(world: &World, alloc: &Alloc) {
    eventually("the backend has gone", LIMIT, || match world.pids(&alloc.id) {
        pids if pids.is_empty() => Ok(()),
        pids => Err(pids),
    });
}

#[test]
fn a_stopped_backend_finishes_what_both_proxies_have_running_there() {
    let world = world();
    let proxies = [world.socket(11, WEB), world.socket(12, WEB)];
    let clients = Clients::start(&proxies, CLIENTS);
    let [busy, idle] = &world.await_running("whoami", 2)[..] else { panic!("two were running") };

    let running = Running::at(&busy.id, &proxies);
    world.cli(&["alloc", "stop", &busy.id]).ok();
    eventually("both proxies tell what they have there", LIMIT, || match told(&world, &busy.id)? {
        counts if counts == [RUNNING as u64; 2] => Ok(()),
        counts => Err(format!("{counts:?}")),
    });
    for node in [11, 12, 11, 12, 11, 12, 11, 12, 11, 12, 11, 12] {
        let answer = world.ask(node).unwrap();
        assert!(!answer.contains(&busy.id), "a new request went to it: {answer}");
    }
    assert!(!world.pids(&busy.id).is_empty(), "it is still needed");
    running.into_iter().for_each(Running::finish);
    let ended = Instant::now();
    await_gone(&world, busy);
    assert!(ended.elapsed() < SOON, "gone {:?} after its last answer", ended.elapsed());

    // Its replacement begins once it has gone; from then on the other one can be spared.
    for node in [11, 12] {
        eventually("an answer of the replacement", LIMIT, || match world.ask(node)? {
            answer if answer.contains(&idle.id) || answer.contains(&busy.id) => Err(answer),
            _ => Ok(()),
        });
    }
    // Nothing long runs there: nothing is waited for.
    let stopped = Instant::now();
    world.cli(&["alloc", "stop", "-detach", &idle.id]).ok();
    await_gone(&world, idle);
    assert!(stopped.elapsed() < SOON, "gone after {:?}", stopped.elapsed());
    clients.finish();
}

#[test]
fn a_drained_node_finishes_what_its_backend_and_its_proxy_have_running() {
    let world = world();
    let proxies = [world.socket(11, WEB), world.socket(12, WEB)];
    let clients = Clients::start(&proxies[1..], CLIENTS);
    let backend = world.allocs("whoami").into_iter().find(|alloc| alloc.node == "edge-1").expect("one on each node");
    let running = Running::at(&backend.id, &proxies);
    world.cli(&["node", "drain", "-node", "edge-1", "-yes", "-enable", "-detach"]).ok();
    running.into_iter().for_each(Running::finish);
    let ended = Instant::now();
    await_gone(&world, &backend);
    assert!(ended.elapsed() < SOON, "gone {:?} after its last answer", ended.elapsed());
    world.await_running("whoami", 2);
    assert!(world.allocs("whoami").iter().all(|alloc| alloc.node == "edge-2"));
    clients.finish();
}
