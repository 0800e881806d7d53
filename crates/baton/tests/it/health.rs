//! Servers that fail their checks: taken out, shown, taken back.

use std::fs;

use baton_testkit::{Process, eventually, free_port};
use serde_json::Value;

use crate::baton;
use crate::world::{LIMIT, curl};

#[test]
fn what_probes_find_is_shown_and_heeded() {
    let dir = tempfile::tempdir().unwrap();
    let (web, first, second) = (free_port(), free_port(), free_port());
    let server = |port: u16| format!("http://127.0.0.1:{port}");
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    file(
        "static.yml",
        &format!(
            "entryPoints: {{web: {{address: \"127.0.0.1:{web}\"}}}}\napi: {{}}\n\
             metrics: {{prometheus: {{entryPoint: web}}}}\nproviders: {{file: {{filename: dynamic.yml}}}}\n"
        ),
    );
    let dynamic = format!(
        "http:\n  routers:\n    app: {{rule: \"Host(`a.test`)\", service: app}}\n    api: {{rule: \"PathPrefix(`/api`)\", service: api@internal}}\n\
         \x20 services:\n    app:\n      loadBalancer:\n        healthCheck: {{path: /health, interval: 50ms}}\n\
         \x20       servers: [{{url: \"{}\"}}, {{url: \"{}\"}}]\n",
        server(first),
        server(second)
    );
    file("dynamic.yml", &dynamic);
    let whoami = |port: u16, name: &str| {
        let listen = format!("127.0.0.1:{port}");
        Process::start(baton().args(["whoami", "-listen", &listen, "-name", name]))
    };
    let _servers = [whoami(first, "first"), whoami(second, "second")];
    let proxy = Process::start(baton().args(["proxy", "--configfile", "static.yml"]).current_dir(dir.path()));
    let url = |path: &str| format!("http://127.0.0.1:{web}{path}");
    let states = |one: &str, two: &str| {
        eventually(&format!("{one} and {two}"), LIMIT, || {
            let text = curl(&["-f", &url("/api/http/services/app@file")]).map_err(|error| (error, proxy.output()))?;
            let status = serde_json::from_str::<Value>(&text).unwrap()["serverStatus"].clone();
            let seen = status[server(first)] == one && status[server(second)] == two;
            if seen { Ok(()) } else { Err((status.to_string(), proxy.output())) }
        });
    };
    let say = |port: u16, status: &str| {
        curl(&["-f", "-d", status, &format!("{}/health", server(port))]).unwrap();
    };
    let answers = || -> Vec<String> {
        let ask = |_| curl(&["-H", "Host: a.test", &url("/")]).unwrap();
        (0..4).map(ask).map(|answer| answer.lines().next().unwrap_or_default().to_owned()).collect()
    };
    states("UP", "UP");
    say(first, "500");
    states("DOWN", "UP");
    assert_eq!(answers(), ["Name: second"; 4]);
    let page = curl(&["-f", &url("/metrics")]).unwrap();
    let up = format!("traefik_service_server_up{{service=\"app@file\",url=\"{}\"}} 0", server(first));
    assert!(page.contains(&up), "{page}");

    // Another router comes: what was found stays found.
    file("dynamic.yml", &dynamic.replace("    api:", "    more: {rule: \"Host(`b.test`)\", service: app}\n    api:"));
    eventually("the new router", LIMIT, || curl(&["-f", "-H", "Host: b.test", &url("/")]));
    states("DOWN", "UP");
    say(second, "503");
    states("DOWN", "DOWN");
    assert_eq!(answers(), ["no available server"; 4]);
    say(first, "200");
    states("UP", "DOWN");
    assert_eq!(answers(), ["Name: first"; 4]);
    let log = proxy.output();
    for told in ["server is down: it answered with status 500", "server is up"] {
        assert!(log.contains(told), "{log}");
    }
}
