//! The face by itself: limits, errors, headers.

use baton_api::consul::MAX_BODY;

use super::support::{Face, ask};

#[test]
fn errors_in_consuls_words() {
    let face = Face::start();
    let told = |method: &str, path: &str, body: &str| {
        let answer = ask(face.address, method, path, body);
        (answer.status, answer.body)
    };
    let text = |status: u16, text: &str| (status, text.to_owned());
    assert_eq!(told("GET", "/v1/nope", ""), text(404, ""));
    assert_eq!(told("GET", "/", ""), text(404, ""));
    assert_eq!(told("PUT", "/v1/session/create", "[1]").0, 400);
    assert_eq!(told("PUT", "/v1/agent/service/register", ""), text(400, "Request decode failed: EOF"));
    assert_eq!(told("GET", "/v1/snapshot", "").0, 501);
    assert_eq!(told("GET", "/v1/catalog/services?dc=other", ""), text(500, "No path to datacenter"));
    assert_eq!(told("PUT", "/v1/kv/%FF", "x"), text(400, "path is not UTF-8"));
}

#[test]
fn bodies_are_bounded() {
    let face = Face::start();
    let largest = "x".repeat(MAX_BODY);
    assert_eq!(ask(face.address, "PUT", "/v1/kv/big", &largest).status, 200);
    let answer = ask(face.address, "PUT", "/v1/kv/big", &format!("{largest}x"));
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("too large, max size: 524288 bytes"), "{}", answer.body);
    assert_eq!(ask(face.address, "GET", "/v1/kv/big?raw", "").body.len(), MAX_BODY);
}

#[test]
fn raw_values_cannot_run_in_a_browser() {
    let face = Face::start();
    ask(face.address, "PUT", "/v1/kv/page", "<script>");
    let answer = ask(face.address, "GET", "/v1/kv/page?raw", "");
    assert_eq!(answer.body, "<script>");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("content-security-policy"), Some("sandbox"));
}

#[test]
fn compact_unless_asked() {
    let face = Face::start();
    assert!(!ask(face.address, "GET", "/v1/catalog/nodes", "").body.contains('\n'));
    assert!(ask(face.address, "GET", "/v1/catalog/nodes?pretty", "").body.starts_with("[\n    {\n        \"ID\""));
}

#[test]
fn health_by_status_code() {
    let face = Face::start();
    let put = |path: &str, body: &str| assert_eq!(ask(face.address, "PUT", path, body).status, 200, "{path}");
    put("/v1/agent/service/register", r#"{"Name":"web","Check":{"TTL":"60s"}}"#);
    let health = || ask(face.address, "GET", "/v1/agent/health/service/name/web?format=text", "");
    assert_eq!((health().status, health().body.as_str()), (503, "critical"));
    put("/v1/agent/check/warn/service:web", "");
    assert_eq!((health().status, health().body.as_str()), (429, "warning"));
    put("/v1/agent/check/pass/service:web", "");
    assert_eq!((health().status, health().body.as_str()), (200, "passing"));
    put("/v1/agent/service/maintenance/web?enable=true", "");
    assert_eq!((health().status, health().body.as_str()), (503, "maintenance"));
}
