//! Blocking queries: woken by what they watch, by nothing else, and at the latest when their wait is over.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::support::{Answer, Face, ask};

/// A query that waits in a thread.
struct Waiting {
    answer: mpsc::Receiver<Answer>,
}

impl Waiting {
    /// Starts it and makes sure that it does not return at once.
    fn start(address: SocketAddr, path: &str, index: u64) -> Self {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}index={index}&wait=20s");
        let (send, answer) = mpsc::channel();
        std::thread::spawn(move || send.send(ask(address, "GET", &path, "")));
        let waiting = Self { answer };
        waiting.must_wait();
        waiting
    }

    #[track_caller]
    fn must_wait(&self) {
        if let Ok(answer) = self.answer.recv_timeout(Duration::from_millis(100)) {
            panic!("answered without a change: {answer:?}");
        }
    }

    #[track_caller]
    fn woken(self) -> Answer {
        self.answer.recv_timeout(Duration::from_secs(5)).expect("the change wakes the query")
    }
}

fn put(face: &Face, path: &str, body: &str) {
    let answer = ask(face.address, "PUT", path, body);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
}

fn index_of(face: &Face, path: &str) -> u64 {
    ask(face.address, "GET", path, "").index()
}

#[test]
fn a_service_wakes_on_its_own_health_only() {
    let face = Face::start();
    put(&face, "/v1/agent/service/register", r#"{"Name":"web","Check":{"TTL":"60s"}}"#);
    put(&face, "/v1/agent/service/register", r#"{"Name":"db","Check":{"TTL":"60s"}}"#);
    let path = "/v1/health/service/web?passing";
    let services = Waiting::start(face.address, "/v1/catalog/services", index_of(&face, "/v1/catalog/services"));
    let waiting = Waiting::start(face.address, path, index_of(&face, path));
    put(&face, "/v1/agent/check/pass/service:db", "");
    put(&face, "/v1/kv/stranger", "x");
    waiting.must_wait();
    let started = Instant::now();
    put(&face, "/v1/agent/check/pass/service:web", "");
    let answer = waiting.woken();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(answer.json()[0]["Service"]["Service"], "web");
    services.must_wait();
    put(&face, "/v1/agent/service/register", r#"{"Name":"new"}"#);
    assert_eq!(services.woken().json()["new"], serde_json::json!([]));
}

#[test]
fn keys_and_prefixes() {
    let face = Face::start();
    for key in ["a/1", "a/2", "b"] {
        put(&face, &format!("/v1/kv/{key}"), "x");
    }
    let prefix = Waiting::start(face.address, "/v1/kv/a/?recurse", index_of(&face, "/v1/kv/a/?recurse"));
    let key = Waiting::start(face.address, "/v1/kv/a/1", index_of(&face, "/v1/kv/a/1"));
    let missing = Waiting::start(face.address, "/v1/kv/later", index_of(&face, "/v1/kv/later"));
    put(&face, "/v1/kv/a/1", "x");
    key.must_wait();
    missing.must_wait();
    assert_eq!(ask(face.address, "DELETE", "/v1/kv/a/2", "").body, "true");
    assert_eq!(prefix.woken().json().as_array().map(Vec::len), Some(1), "a deletion wakes the prefix");
    assert_eq!(missing.woken().status, 404, "a missing key wakes on any change of keys");
    key.must_wait();
    put(&face, "/v1/kv/a/1", "y");
    assert_eq!(key.woken().json()[0]["Value"], "eQ==");
}

#[test]
fn a_wait_ends_with_the_same_index() {
    let face = Face::start();
    let index = index_of(&face, "/v1/catalog/nodes");
    let started = Instant::now();
    let answer = ask(face.address, "GET", &format!("/v1/catalog/nodes?index={index}&wait=300ms"), "");
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
    assert_eq!(answer.index(), index);
    let started = Instant::now();
    ask(face.address, "GET", "/v1/catalog/nodes?index=99999&wait=300ms", "");
    assert!(started.elapsed() >= Duration::from_millis(300), "an index from the future waits");
}

#[test]
fn an_expired_check_wakes_watchers_by_itself() {
    let face = Face::start();
    put(&face, "/v1/agent/service/register", r#"{"Name":"web","Check":{"TTL":"400ms","Status":"passing"}}"#);
    let path = "/v1/health/state/critical";
    let answer = Waiting::start(face.address, path, index_of(&face, path)).woken();
    assert_eq!(answer.json()[0]["Output"], "TTL expired");
}

#[test]
fn one_service_of_the_agent_by_hash() {
    let face = Face::start();
    put(&face, "/v1/agent/service/register", r#"{"Name":"web","Port":1}"#);
    let answer = ask(face.address, "GET", "/v1/agent/service/web", "");
    let hash = answer.header("x-consul-contenthash").expect("a hash").to_owned();
    let (send, receive) = mpsc::channel();
    let address = face.address;
    let path = format!("/v1/agent/service/web?hash={hash}&wait=20s");
    std::thread::spawn(move || send.send(ask(address, "GET", &path, "")));
    put(&face, "/v1/kv/stranger", "x");
    assert!(receive.recv_timeout(Duration::from_millis(100)).is_err());
    put(&face, "/v1/agent/service/register", r#"{"Name":"web","Port":2}"#);
    let changed = receive.recv_timeout(Duration::from_secs(5)).expect("the change wakes it");
    assert_eq!(changed.json()["Port"], 2);
    assert_ne!(changed.json()["ContentHash"], serde_json::json!(hash));
}
