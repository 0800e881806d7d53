//! Checks registered with the agent are run by it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use baton_testkit::eventually;

use super::support::{Face, ask};

/// A backend whose health the test sets.
struct Backend {
    port: u16,
    code: Arc<AtomicU16>,
}

impl Backend {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let code = Arc::new(AtomicU16::new(200));
        let told = Arc::clone(&code);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap_or(0);
                let asked = String::from_utf8_lossy(&request[..length]).contains("x-probe: yes");
                let code = if asked { told.load(Ordering::Relaxed) } else { 400 };
                let _ = write!(stream, "HTTP/1.1 {code} X\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
            }
        });
        Self { port, code }
    }
}

#[track_caller]
fn becomes(face: &Face, check: &str, status: &str, output: &str) {
    eventually(&format!("{check} is {status}"), Duration::from_secs(10), || {
        let seen = ask(face.address, "GET", "/v1/agent/checks", "").json()[check].clone();
        let printed = seen["Output"].as_str().unwrap_or_default();
        if seen["Status"] == status && printed.contains(output) { Ok(()) } else { Err(seen) }
    });
}

#[test]
fn http_and_tcp() {
    let (face, backend) = (Face::start(), Backend::start());
    let port = backend.port;
    let body = format!(
        r#"{{"Name":"web","Port":{port},"Checks":[
            {{"CheckID":"http","HTTP":"http://127.0.0.1:{port}/","Header":{{"X-Probe":["yes"]}},"Interval":"1s"}},
            {{"CheckID":"tcp","TCP":"127.0.0.1:{port}","Interval":"1s"}},
            {{"CheckID":"closed","TCP":"127.0.0.1:1","Interval":"1s"}}]}}"#
    );
    assert_eq!(ask(face.address, "PUT", "/v1/agent/service/register", &body).status, 200);
    becomes(&face, "http", "passing", "Output: body");
    becomes(&face, "tcp", "passing", "Success");
    becomes(&face, "closed", "critical", "refused");
    backend.code.store(429, Ordering::Relaxed);
    becomes(&face, "http", "warning", "429");
    backend.code.store(500, Ordering::Relaxed);
    becomes(&face, "http", "critical", "500");
}

#[test]
fn what_cannot_be_run_is_refused() {
    let face = Face::start();
    for check in [r#"{"Args":["true"],"Interval":"1s"}"#, r#"{"HTTP":"https://x","Interval":"1s","TLSServerName":"y"}"#]
    {
        let body = format!(r#"{{"Name":"web","Check":{check}}}"#);
        let answer = ask(face.address, "PUT", "/v1/agent/service/register", &body);
        assert_eq!(answer.status, 400);
        assert!(answer.body.starts_with("Invalid check: "), "{}", answer.body);
    }
    assert_eq!(ask(face.address, "GET", "/v1/agent/services", "").body, "{}");
}
