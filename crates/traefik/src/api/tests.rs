use baton_routing::{Implemented, RouteTable, compile};

use super::*;
use crate::{
    assemble,
    dynamic::{Context, parse_file},
    static_config::{Sources, load},
};

const FIXED: &str = "entryPoints:\n  web: {address: '127.0.0.1:80'}\n  udp: {address: ':53/udp'}\napi: {}\nping: {entryPoint: web}\naccessLog: {}\nproviders: {file: {directory: d}}\n";

const DYNAMIC: &str = r"
http:
  routers:
    path: {rule: 'Host(`p`) && Path(`/exact`)', service: wrr, entryPoints: [web], middlewares: [rs], tls: {}}
    wild: {rule: 'Host(`*.wild.test`)', service: wrr, entryPoints: [web], priority: 5}
    bad: {rule: 'Hots(`a`)', service: wrr}
  services:
    wrr: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1', weight: 3}, {url: 'http://127.0.0.1:2'}]}}
  middlewares:
    rs: {redirectScheme: {scheme: https}}
tcp:
  routers:
    any: {rule: 'HostSNI(`*`)', service: t, entryPoints: [web]}
  services:
    t: {loadBalancer: {servers: [{address: '127.0.0.1:3'}]}}
udp:
  routers:
    u: {entryPoints: [udp], service: u}
  services:
    u: {loadBalancer: {servers: [{address: '127.0.0.1:4'}]}}
";

struct Running {
    fixed: StaticConfig,
    table: RouteTable,
}

impl Running {
    fn new() -> Self {
        let fixed = load(Sources { file: Some(("s.yml", FIXED.as_bytes())), ..Sources::default() }).config;
        let file = parse_file("d.yml", DYNAMIC.as_bytes(), &Context::default()).unwrap();
        let table = compile(&assemble(&fixed, vec![("file".to_owned(), file.config)]), &Implemented::ALL);
        Self { fixed, table }
    }

    fn get(&self, path: &str, query: &str) -> (u16, Value, Option<String>) {
        let certificates = [CertificateInfo {
            name: "a.test".into(),
            cert_fingerprint: "ab".into(),
            status: "enabled".into(),
            ..Default::default()
        }];
        let view = RuntimeView {
            version: "0.1.0",
            start_date: "2026-01-01T00:00:00Z",
            fixed: &self.fixed,
            report: &self.table.report,
            server_up: &|_, url| url.ends_with('2').then_some(false),
            certificates: &certificates,
        };
        let response = handle("GET", path, query, &view);
        let next = response.headers.iter().find(|(n, _)| *n == "X-Next-Page").map(|(_, v)| v.clone());
        (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null), next)
    }

    fn object(&self, path: &str) -> Value {
        let (status, value, _) = self.get(path, "");
        assert_eq!(status, 200, "{path}");
        value
    }

    fn names(&self, path: &str, query: &str) -> Vec<String> {
        let (_, value, _) = self.get(path, query);
        value.as_array().into_iter().flatten().filter_map(|o| o["name"].as_str().map(str::to_owned)).collect()
    }
}

#[test]
fn objects_have_the_known_shape() {
    let running = Running::new();
    let router = running.object("/api/http/routers/path%40file");
    assert_eq!(
        router,
        json!({
            "entryPoints": ["web"], "middlewares": ["rs"], "service": "wrr", "rule": "Host(`p`) && Path(`/exact`)",
            "priority": 27, "priorityStr": "27", "tls": {"options": "default"}, "status": "enabled", "using": ["web"],
            "name": "path@file", "provider": "file",
            "observability": {"accessLogs": true, "metrics": true, "tracing": true, "traceVerbosity": "minimal"},
        })
    );
    let service = running.object("/api/http/services/wrr@file");
    assert_eq!(service["type"], "loadbalancer");
    assert_eq!(service["usedBy"], json!(["path@file", "wild@file", "bad@file"]));
    assert_eq!(service["serverStatus"], json!({"http://127.0.0.1:1": "UP", "http://127.0.0.1:2": "DOWN"}));
    assert_eq!(service["loadBalancer"]["servers"][0], json!({"url": "http://127.0.0.1:1", "weight": 3}));
    let middleware = running.object("/api/http/middlewares/rs@file");
    assert_eq!((&middleware["type"], &middleware["usedBy"]), (&json!("redirectscheme"), &json!(["path@file"])));
    assert_eq!(middleware["redirectScheme"], json!({"scheme": "https"}));
    let bad = running.object("/api/http/routers/bad@file");
    assert_eq!(bad["status"], "disabled");
    assert!(bad["error"][0].as_str().unwrap().contains("unsupported function: Hots"));
    assert_eq!(running.object("/api/tcp/routers/any@file")["priority"], -1);
    assert_eq!(running.object("/api/udp/services/u@file")["type"], "loadbalancer");
    assert_eq!(running.object("/api/http/services/api@internal")["status"], "enabled");
}

#[test]
fn entry_points_show_their_options() {
    let running = Running::new();
    let web = running.object("/api/entrypoints/web");
    assert_eq!((&web["name"], &web["address"]), (&json!("web"), &json!("127.0.0.1:80")));
    assert_eq!(web["transport"]["respondingTimeouts"]["readTimeout"], "1m0s");
    assert_eq!(running.names("/api/entrypoints", ""), ["udp", "web"]);
}

#[test]
fn lists_are_filtered_ordered_and_paged() {
    let running = Running::new();
    let routers = "/api/http/routers";
    assert_eq!(running.names(routers, "search=wild"), ["wild@file"]);
    assert_eq!(running.names(routers, "status=disabled&per_page=100"), ["bad@file"]);
    assert_eq!(running.names(routers, "middlewareName=rs%40file"), ["path@file"]);
    assert_eq!(running.names(routers, "serviceName=wrr@file&sortBy=priority&direction=desc")[0], "path@file");
    let (status, page, next) = running.get(routers, "per_page=2&page=1");
    assert_eq!((status, page.as_array().map(Vec::len), next.as_deref()), (200, Some(2), Some("2")));
    let (_, _, next) = running.get(routers, "per_page=2&page=2");
    assert_eq!(next.as_deref(), Some("1"));
    for bad in ["page=9999", "page=0", "page=x", "per_page=0"] {
        assert_eq!(running.get(routers, bad).0, 400, "{bad}");
    }
}

#[test]
fn overview_version_and_raw_data() {
    let running = Running::new();
    let overview = running.object("/api/overview");
    assert_eq!(overview["http"]["routers"], json!({"total": 4, "warnings": 0, "errors": 1}));
    assert_eq!(overview["providers"], json!(["File"]));
    assert_eq!(overview["features"], json!({"tracing": "", "metrics": "", "accessLog": true}));
    assert_eq!(running.object("/api/version")["Version"], "0.1.0");
    let raw = running.object("/api/rawdata");
    for key in ["routers", "middlewares", "services", "tcpRouters", "tcpServices", "udpRouters", "udpServices"] {
        assert!(raw[key].is_object(), "{key}");
    }
    assert_eq!(raw["routers"]["path@file"]["using"], json!(["web"]));
    assert_eq!(running.names("/api/certificates", ""), ["a.test"]);
    assert_eq!(running.object("/api/certificates/AB")["name"], "a.test");
}

#[test]
fn what_is_not_there_is_said() {
    let running = Running::new();
    let (status, body, _) = running.get("/api/http/routers/x@file", "");
    assert_eq!((status, &body["message"]), (404, &json!("router not found: x@file")));
    assert_eq!(running.get("/api/http/nothing", "").0, 404);
    assert_eq!(running.get("/apis", "").0, 404);
    let view = RuntimeView {
        version: "",
        start_date: "",
        fixed: &running.fixed,
        report: &running.table.report,
        server_up: &|_, _| None,
        certificates: &[],
    };
    assert_eq!(handle("POST", "/api/http/routers", "", &view).status, 405);
}
