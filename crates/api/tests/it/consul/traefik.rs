//! A real Traefik with our face as its Consul: it finds a service by its tags and follows its health.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use baton_testkit::{Process, eventually, free_port, peers};

use super::support::{Face, ask, call};

/// A backend that answers every request with the same word.
fn backend(word: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                let length = word.len();
                let _ =
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{word}");
            }
        }
    });
    address
}

#[test]
fn routes_by_tags_and_health() {
    let Some(program) = peers::program("traefik") else { return };
    let face = Face::start();
    let (entry, folder) = (SocketAddr::from(([127, 0, 0, 1], free_port())), tempfile::tempdir().expect("a folder"));
    let register = |id: &str, port: u16| {
        let body = format!(
            r#"{{"ID":"{id}","Name":"whoami","Address":"127.0.0.1","Port":{port},"Tags":["traefik.enable=true",
            "traefik.http.routers.w.rule=PathPrefix(`/`)"],"Check":{{"TTL":"1h"}}}}"#
        );
        assert_eq!(ask(face.address, "PUT", "/v1/agent/service/register", &body).status, 200);
    };
    let health = |id: &str, verb: &str| {
        assert_eq!(ask(face.address, "PUT", &format!("/v1/agent/check/{verb}/service:{id}"), "").status, 200);
    };
    register("w1", backend("one").port());
    let traefik = Process::start(
        Command::new(program)
            .current_dir(&folder)
            .arg(format!("--entrypoints.web.address={entry}"))
            .arg(format!("--providers.consulcatalog.endpoint.address={}", face.address))
            .args(["--providers.consulcatalog.exposedbydefault=false", "--providers.consulcatalog.watch=true"])
            .args(["--providers.providersthrottleduration=10ms", "--providers.consulcatalog.refreshinterval=1h"])
            .args(["--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=DEBUG"]),
    );
    let answers = |expected: &[(u16, &str)]| {
        let what = format!("answers {expected:?}; {}", traefik.output());
        eventually(&what, Duration::from_secs(20), || {
            let seen = call(entry, "GET", "/", "").map_err(|error| error.to_string())?;
            let found = expected.iter().any(|(status, body)| *status == seen.status && seen.body.contains(body));
            if found { Ok(seen.body) } else { Err(format!("{seen:?}")) }
        })
    };
    answers(&[(404, "")]);
    health("w1", "pass");
    answers(&[(200, "one")]);
    register("w2", backend("two").port());
    health("w2", "pass");
    answers(&[(200, "two")]);
    health("w1", "fail");
    // Both are in rotation until Traefik has heard of it; afterwards every answer is the other's.
    eventually("only the healthy one answers", Duration::from_secs(20), || {
        let row: Vec<String> = (0..6).map(|_| ask(entry, "GET", "/", "").body).collect();
        if row.iter().all(|body| body == "two") { Ok(()) } else { Err(row) }
    });
    health("w2", "fail");
    answers(&[(404, "")]);
}
