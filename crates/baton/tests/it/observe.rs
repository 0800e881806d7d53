//! What the proxy writes down about requests: the access log and `/metrics`.

use std::fs;

use baton_testkit::{Process, eventually, free_port};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::baton;
use crate::world::{LIMIT, curl};

#[test]
fn requests_are_logged_and_counted_and_the_log_can_be_moved_away() {
    let dir = tempfile::tempdir().unwrap();
    let (web, backend) = (free_port(), free_port());
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    file(
        "static.yml",
        &format!(
            "entryPoints: {{web: {{address: \"127.0.0.1:{web}\"}}}}\nping: {{entryPoint: web}}\nmetrics: {{prometheus: {{entryPoint: web}}}}\n\
             accessLog: {{filePath: access.log, format: json}}\nproviders: {{file: {{filename: dynamic.yml}}}}\n"
        ),
    );
    file(
        "dynamic.yml",
        &format!(
            "http:\n  routers: {{app: {{rule: \"Host(`a.test`)\", service: app}}}}\n\
             \x20 services: {{app: {{loadBalancer: {{servers: [{{url: \"http://127.0.0.1:{backend}\"}}]}}}}}}\n"
        ),
    );
    let _backend = Process::start(baton().args(["whoami", "-listen", &format!("127.0.0.1:{backend}")]));
    let proxy = Process::start(baton().args(["proxy", "--configfile", "static.yml"]).current_dir(dir.path()));
    let url = |path: &str| format!("http://127.0.0.1:{web}{path}");
    let ask = |path: &str| curl(&["-f", "-H", "Host: a.test", &url(path)]);
    eventually("an answer", LIMIT, || ask("/first").map_err(|error| (error, proxy.output())));
    let log = dir.path().join("access.log");
    let logged = |path: &str| {
        eventually(&format!("{path} in the log"), LIMIT, || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines
                .into_iter()
                .find(|line| line["RequestPath"] == path && line["DownstreamStatus"] == 200)
                .ok_or(text.clone())
        })
    };
    let line = logged("/first");
    for (key, expected) in [("RouterName", "app@file"), ("ServiceName", "app@file"), ("entryPointName", "web")] {
        assert_eq!(line[key], expected, "{line}");
    }

    let moved = dir.path().join("access.log.1");
    fs::rename(&log, &moved).unwrap();
    proxy.signal(Signal::SIGUSR1);
    eventually("a new file", LIMIT, || if log.exists() { Ok(()) } else { Err(proxy.output()) });
    ask("/second").unwrap();
    logged("/second");
    assert!(!fs::read_to_string(&moved).unwrap().contains("/second"));
    assert!(!fs::read_to_string(&log).unwrap().contains("/ping"), "what the proxy answers itself is not logged");

    let page = curl(&["-f", &url("/metrics")]).unwrap();
    let value = |series: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} in\n{page}")).parse::<f64>().unwrap()
    };
    let labels = "method=\"GET\",protocol=\"http\"";
    assert!(value(&format!("traefik_service_requests_total{{code=\"200\",service=\"app@file\",{labels}}}")) >= 2.0);
    assert!(value(&format!("traefik_entrypoint_requests_total{{code=\"200\",entrypoint=\"web\",{labels}}}")) >= 2.0);
    let histogram = "traefik_service_request_duration_seconds";
    let all = value(&format!("{histogram}_bucket{{code=\"200\",service=\"app@file\",{labels},le=\"+Inf\"}}"));
    assert!((all - value(&format!("{histogram}_count{{code=\"200\",service=\"app@file\",{labels}}}"))).abs() < 0.5);
    assert!(
        (value(&format!("traefik_service_server_up{{service=\"app@file\",url=\"http://127.0.0.1:{backend}\"}}")) - 1.0)
            .abs()
            < 0.5
    );
    assert!(value("traefik_config_reloads_total") >= 1.0);
}
