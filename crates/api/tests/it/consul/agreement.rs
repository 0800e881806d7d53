//! The same calls to a real Consul and to our face: status codes, texts and the shape of every answer agree.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use super::support::{Answer, Face, RealAgent, ask};

/// What is done before looking, with the status both must answer. `BACKEND` is an address that accepts connections.
const WRITES: &[(&str, &str, &str)] = &[
    (
        "PUT",
        "/v1/agent/service/register",
        r#"{"ID":"web-1","Name":"web","Tags":["a","b"],"Port":80,"Address":"127.0.0.9","Meta":{"k":"v"},"Checks":[{"TCP":"BACKEND","Interval":"1h","Status":"passing"},{"TTL":"1h","Name":"alive"}]}"#,
    ),
    ("PUT", "/v1/agent/service/register", r#"{"name":"plain","check":{"ttl":"1h","status":"passing"}}"#),
    ("PUT", "/v1/agent/service/register", "{}"),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Bogus":1}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Check":{"Name":"q"}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Check":{"TTL":"10s","Status":"zzz"}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Check":{"HTTP":"http://x"}}"#),
    ("PUT", "/v1/agent/check/register", r#"{"Name":"node-ttl","TTL":"1h"}"#),
    ("PUT", "/v1/agent/check/register", "{}"),
    ("PUT", "/v1/agent/check/register", r#"{"Name":"z"}"#),
    ("PUT", "/v1/agent/check/register", r#"{"Name":"z","TTL":"10s","ServiceID":"nope"}"#),
    ("PUT", "/v1/agent/check/pass/node-ttl?note=yes", ""),
    ("PUT", "/v1/agent/check/pass/nope", ""),
    ("PUT", "/v1/agent/check/pass/service:web-1:1", ""),
    ("PUT", "/v1/agent/check/update/service:web-1:2", r#"{"Status":"bad"}"#),
    ("PUT", "/v1/agent/check/update/service:web-1:2", r#"{"Status":"warning","Output":"hm"}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"tok","Token":"abc","Check":{}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"native","Connect":{"Native":true}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"heavy","Weights":{"Passing":3}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Weights":{"Passing":0,"Warning":1}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Weights":{"Passing":1,"Warning":-1}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Address":"0.0.0.0"}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Address":"::"}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Meta":{"bad key":"x"}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Meta":{"consul-x":"x"}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Meta":{"":"x"}}"#),
    ("PUT", "/v1/agent/service/register", r#"{"Name":"x","Check":{"TCP":"a:1","TTL":"1s","Interval":"1s"}}"#),
    ("PUT", "/v1/agent/check/register", r#"{"Name":"x","TTL":"1h","Interval":"1h"}"#),
    ("PUT", "/v1/agent/check/deregister/serfHealth", ""),
    ("PUT", "/v1/agent/check/fail/serfHealth", ""),
    ("PUT", "/v1/agent/service/deregister/nope", ""),
    ("PUT", "/v1/agent/check/deregister/nope", ""),
    ("PUT", "/v1/agent/service/maintenance/web-1", ""),
    ("PUT", "/v1/agent/service/maintenance/web-1?enable=x", ""),
    ("PUT", "/v1/agent/service/maintenance/nope?enable=true", ""),
    ("PUT", "/v1/agent/service/maintenance/web-1?enable=true&reason=r", ""),
    ("PUT", "/v1/agent/maintenance?enable=true", ""),
    ("PUT", "/v1/agent/maintenance?enable=false", ""),
    ("PUT", "/v1/agent/force-leave/nobody", ""),
    ("PUT", "/v1/session/create", r#"{"Name":"s","TTL":"1h"}"#),
    ("PUT", "/v1/session/create", r#"{"Name":"odd","Bogus":1,"ID":"mine","LockDelay":1.5}"#),
    ("PUT", "/v1/session/create", r#"{"TTL":"5s"}"#),
    ("PUT", "/v1/session/create", r#"{"Behavior":"x"}"#),
    ("PUT", "/v1/session/create", r#"{"Node":"zz"}"#),
    ("PUT", "/v1/session/create", r#"{"NodeChecks":["zz"]}"#),
    ("PUT", "/v1/session/renew/00000000-0000-0000-0000-000000000000", ""),
    ("PUT", "/v1/session/destroy/00000000-0000-0000-0000-000000000000", ""),
    ("PUT", "/v1/session/destroy/", ""),
    ("PUT", "/v1/kv/a/b?flags=42", "hello"),
    ("PUT", "/v1/kv/a/d/e", ""),
    ("PUT", "/v1/kv/a/b?cas=0", "x"),
    ("PUT", "/v1/kv/a/b?cas=x", "x"),
    ("PUT", "/v1/kv/a/b?flags=x", "x"),
    ("PUT", "/v1/kv/a/b?cas=1&acquire=x&recurse", "x"),
    ("PUT", "/v1/kv/l?acquire=00000000-0000-0000-0000-000000000000", "x"),
    ("PUT", "/v1/kv/l?acquire=", "x"),
    ("PUT", "/v1/kv/l?acquire", "x"),
    ("PUT", "/v1/kv/", "x"),
    ("DELETE", "/v1/kv/", ""),
    ("DELETE", "/v1/kv/a/b?cas=1", ""),
    ("DELETE", "/v1/kv/none", ""),
    ("HEAD", "/v1/kv/a/b", ""),
    ("POST", "/v1/catalog/services", ""),
    ("OPTIONS", "/v1/kv/a", ""),
    ("PUT", "/v1/txn", "[]"),
    ("PUT", "/v1/txn", r#"[{"X":1}]"#),
    ("PUT", "/v1/txn", "[{}]"),
    ("PUT", "/v1/txn", r#"[{"KV":null}]"#),
    ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"set","Key":""}},{"KV":{"Verb":"get"}}]"#),
    ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"get","Key":"none"}},{"KV":{"Verb":"get-tree","Key":"none/"}}]"#),
    ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"lock","Key":"t/l"}}]"#),
    ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"set","Key":"t/1","Value":"aGk="}},{"KV":{"Verb":"get-tree","Key":"t/"}}]"#),
    ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"get","Key":"t/1"}}]"#),
    (
        "PUT",
        "/v1/txn",
        r#"[{"KV":{"Verb":"check-session","Key":"a/b","Session":"x"}},{"KV":{"Verb":"unlock","Key":"a/b","Session":"x"}},{"KV":{"Verb":"delete-cas","Key":"a/b","Index":1}},{"KV":{"Verb":"check-index","Key":"none","Index":1}},{"KV":{"Verb":"bogus","Key":"a"}}]"#,
    ),
    (
        "PUT",
        "/v1/txn",
        r#"[{"Node":{"Verb":"get","Node":{"Node":"test-1"}}},{"Service":{"Verb":"get","Node":"test-1","Service":{"ID":"web-1"}}},{"Check":{"Verb":"get","Check":{"Node":"test-1","CheckID":"node-ttl"}}}]"#,
    ),
    (
        "PUT",
        "/v1/txn",
        r#"[{"Node":{"Verb":"get","Node":{"Node":"zz"}}},{"Service":{"Verb":"get","Node":"test-1","Service":{"ID":"zz"}}},{"Check":{"Verb":"get","Check":{"Node":"test-1","CheckID":"zz"}}},{"Node":{"Verb":"zz","Node":{"Node":"zz"}}},{"Node":{"Verb":"cas","Node":{"Node":"test-1","ModifyIndex":1}}}]"#,
    ),
    ("PUT", "/v1/catalog/register", "{}"),
    (
        "PUT",
        "/v1/catalog/register",
        r#"{"Node":"ext","Address":"10.0.0.1","NodeMeta":{"external":"true"},"Service":{"Service":"ext","Port":5},"Check":{"Name":"hc","Status":"passing"}}"#,
    ),
    ("PUT", "/v1/catalog/register", r#"{"Node":"gone","Address":"10.0.0.2"}"#),
    ("PUT", "/v1/catalog/deregister", r#"{"Node":"gone"}"#),
    ("PUT", "/v1/catalog/register", r#"{"Node":"ext","Address":"10.0.0.1","Check":{"Node":"other","Name":"q"}}"#),
    (
        "PUT",
        "/v1/catalog/register",
        r#"{"Node":"before","ID":"6a2e6bb8-0000-4000-8000-000000000001","Address":"10.0.0.3","Service":{"Service":"moved","Weights":{"Passing":0,"Warning":0}}}"#,
    ),
    (
        "PUT",
        "/v1/catalog/register",
        r#"{"Node":"after","ID":"6a2e6bb8-0000-4000-8000-000000000001","Address":"10.0.0.4"}"#,
    ),
    ("PUT", "/v1/catalog/deregister", "{}"),
    ("PUT", "/v1/event/fire/deploy?service=web", "abc"),
];

/// What is looked at.
const READS: &[&str] = &[
    "/v1/agent/members",
    "/v1/agent/members?segment=_all",
    "/v1/agent/services",
    "/v1/agent/services?filter=Service==web",
    "/v1/agent/checks",
    "/v1/agent/checks?filter=Status==passing",
    "/v1/agent/service/web-1",
    "/v1/agent/service/nope",
    "/v1/agent/health/service/id/plain",
    "/v1/agent/health/service/id/nope",
    "/v1/agent/health/service/name/web",
    "/v1/agent/health/service/name/nope",
    "/v1/agent/health/service/name/nope?format=text",
    "/v1/catalog/datacenters",
    "/v1/catalog/nodes",
    "/v1/catalog/nodes?node-meta=external:true",
    "/v1/catalog/nodes?filter=Meta.external==true",
    "/v1/catalog/nodes?filter=Node+like+b",
    "/v1/catalog/node/test-1",
    "/v1/catalog/node/nobody",
    "/v1/catalog/node/ext",
    "/v1/catalog/node-services/ext",
    "/v1/catalog/services",
    "/v1/catalog/services?node-meta=external:true",
    "/v1/catalog/services?index=x",
    "/v1/catalog/services?index=5&wait=x",
    "/v1/catalog/services?stale&consistent",
    "/v1/catalog/services?stale",
    "/v1/catalog/services?consistent",
    "/v1/catalog/services?dc=zz",
    "/v1/catalog/service/web",
    "/v1/catalog/service/web?tag=A",
    "/v1/catalog/service/web?tag=nope",
    "/v1/catalog/service/web?cached&consistent",
    "/v1/catalog/service/native",
    "/v1/catalog/service/heavy",
    "/v1/catalog/service/moved",
    "/v1/catalog/node/before",
    "/v1/catalog/node/after",
    "/v1/agent/service/native",
    "/v1/health/service/web?passing=x",
    "/v1/health/service/web?passing=false",
    "/v1/health/service/web?passing=0",
    "/v1/catalog/service/web?filter=Bogus==1",
    "/v1/catalog/service/web?filter=ServiceTags+contains+a",
    "/v1/catalog/service/web?filter=ServiceMeta.k==v",
    "/v1/catalog/service/nope",
    "/v1/catalog/service/",
    "/v1/health/service/",
    "/v1/health/service/web",
    "/v1/health/service/web?passing",
    "/v1/health/service/plain?passing=1",
    "/v1/health/service/web?tag=a&tag=b",
    "/v1/health/service/web?filter=Checks.Status==warning",
    "/v1/health/service/nope",
    "/v1/health/checks/web",
    "/v1/health/node/test-1",
    "/v1/health/node/nobody",
    "/v1/health/state/any",
    "/v1/health/state/critical",
    "/v1/health/state/bogus",
    "/v1/health/connect/web",
    "/v1/catalog/connect/web",
    "/v1/kv/a/b",
    "/v1/kv/a/b?raw",
    "/v1/kv/a/?recurse",
    "/v1/kv/a/?keys&separator=/",
    "/v1/kv/a?keys",
    "/v1/kv/none",
    "/v1/kv/none?recurse",
    "/v1/kv/none?keys",
    "/v1/kv/",
    "/v1/session/list",
    "/v1/session/node/test-1",
    "/v1/session/info/00000000-0000-0000-0000-000000000000",
    "/v1/session/info/",
    "/v1/status/leader",
    "/v1/status/peers",
    "/v1/operator/raft/configuration",
    "/v1/event/list",
    "/v1/event/list?name=other",
    "/v1/coordinate/datacenters",
    "/v1/query",
    "/v1/config/service-defaults",
    "/v1/acl/tokens",
    "/v1/nope",
];

#[test]
fn with_a_real_agent() {
    let Some(real) = RealAgent::start() else { return };
    let face = Face::start();
    let backend = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let backend = backend.local_addr().map(|address| (backend, address.to_string())).expect("a bound socket");
    let mut differences = Vec::new();
    for (method, path, body) in WRITES {
        compare(&mut differences, method, path, &body.replace("BACKEND", &backend.1), real.address, face.address);
    }
    for path in READS {
        compare(&mut differences, "GET", path, "", real.address, face.address);
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

fn compare(differences: &mut Vec<String>, method: &str, path: &str, body: &str, real: SocketAddr, ours: SocketAddr) {
    let (real, ours) = (ask(real, method, path, body), ask(ours, method, path, body));
    let mut tell = |what: String| differences.push(format!("{method} {path} {body}: {what}"));
    if real.status != ours.status {
        tell(format!("status {} ({}) became {} ({})", real.status, real.body, ours.status, ours.body));
        return;
    }
    for header in
        ["x-consul-index", "x-consul-knownleader", "x-consul-effective-consistency", "x-consul-reason", "allow"]
    {
        // An error says nothing about freshness; the real one leaves an index of a query that never ran.
        let freshness = header.starts_with("x-consul") && real.status >= 500;
        let same = if header == "x-consul-index" {
            real.header(header).is_some() == ours.header(header).is_some()
        } else {
            real.header(header) == ours.header(header)
        };
        if !same && !freshness {
            tell(format!("header {header}: {:?} became {:?}", real.header(header), ours.header(header)));
        }
    }
    match (parsed(&real), parsed(&ours)) {
        (Some(real), Some(ours)) => {
            let (mut theirs, mut mine) = (BTreeSet::new(), BTreeSet::new());
            shape("", &real, &mut theirs);
            shape("", &ours, &mut mine);
            for missing in theirs.difference(&mine).filter(|place| !excused(place)) {
                tell(format!("lacks {missing}"));
            }
            for extra in mine.difference(&theirs).filter(|place| !excused(place)) {
                tell(format!("adds {extra}"));
            }
        }
        // How a syntax error goes on is Go's wording, but where it happens is the same.
        (None, None) if same_text(&real.body, &ours.body) => {}
        _ => tell(format!("body {:?} became {:?}", real.body, ours.body)),
    }
}

fn parsed(answer: &Answer) -> Option<Value> {
    serde_json::from_str(&answer.body).ok()
}

fn same_text(real: &str, ours: &str) -> bool {
    let start = |text: &str| text.split("expected:").next().unwrap_or_default().trim().to_owned();
    start(real) == start(ours)
}

/// Collects every path of keys with the type at its end; list elements are merged. Statuses, errors, flags and lists of
/// plain values also show their values, so that answers with few words are compared in full.
fn shape(at: &str, value: &Value, into: &mut BTreeSet<String>) {
    let telling = at.ends_with("Status") || at.ends_with("What") || (at.ends_with("[]") && !at.contains("Tags"));
    let seen = match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| shape(&format!("{at}.{key}"), value, into));
            format!("{at}: object")
        }
        Value::Array(items) => {
            items.iter().for_each(|item| shape(&format!("{at}[]"), item, into));
            format!("{at}: list")
        }
        Value::String(text) if telling => format!("{at} = {text}"),
        Value::String(_) => format!("{at}: text"),
        Value::Number(_) => format!("{at}: number"),
        Value::Bool(flag) => format!("{at} = {flag}"),
        Value::Null => format!("{at}: null"),
    };
    into.insert(seen);
}

/// Known differences, each with its reason.
fn excused(place: &str) -> bool {
    const REASONS: &[(&str, &str)] = &[
        // The real agent is a service of its own catalog; ours is nobody's backend.
        (".consul", "the service consul"),
        ("non_voter", "raft's metadata"),
        ("raft_version", "raft's metadata"),
        ("serf_protocol", "gossip's metadata"),
        ("Meta.version", "raft's metadata"),
        ("consul-network-segment", "an edition we are not"),
        ("lan_ipv4", "tagged addresses of nodes"),
        ("wan_ipv4", "tagged addresses of nodes"),
        // Members carry what gossip needs.
        (".Tags.", "gossip's tags"),
        // Free ports differ.
        ("127.0.0.1:", "the server's address"),
        // Where Consul has null for an empty list or map, ours has the empty one: better for Python's clients.
        ("Meta: ", "null or empty"),
        ("Tags: ", "null or empty"),
        ("Addresses: ", "null or empty"),
        // Agent-side health shows empty definitions in full.
        ("Definition", "definitions"),
    ];
    REASONS.iter().any(|(part, _)| place.contains(part))
}
