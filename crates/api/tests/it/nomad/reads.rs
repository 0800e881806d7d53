//! The transport rules of reads: headers, waiting, pages, filters, errors, streams.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{FakeNode, LIMIT, World, list, service};

#[tokio::test]
async fn every_answer_says_how_fresh_it_is_and_no_list_is_null() {
    let world = World::new().await;
    for path in [
        "/v1/jobs",
        "/v1/nodes",
        "/v1/allocations",
        "/v1/evaluations",
        "/v1/deployments",
        "/v1/job/none/allocations",
        "/v1/job/none/evaluations",
        "/v1/job/none/deployments",
        "/v1/node/none/allocations",
        "/v1/namespaces",
        "/v1/node/pools",
        "/v1/volumes?type=csi",
        "/v1/regions",
        "/v1/status/peers",
        "/v1/agent/servers",
    ] {
        let reply = world.send(Method::GET, path, &[], String::new()).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
        assert!(reply.json().is_array(), "{path}: {}", reply.body);
        assert!(reply.index() >= 1);
        assert_eq!(reply.headers["x-nomad-knownleader"], "true");
        assert_eq!(reply.headers["x-nomad-lastcontact"], "0");
    }
    assert_eq!(world.get("/v1/job/none/deployment").await, Value::Null);
    world.close().await;
}

#[tokio::test]
async fn missing_things_are_missed_in_nomads_words() {
    let world = World::new().await;
    for (path, text) in [
        ("/v1/job/none", "job not found"),
        ("/v1/job/none/summary", "job not found"),
        ("/v1/allocation/none", "alloc not found"),
        ("/v1/node/none", "node not found"),
        ("/v1/evaluation/none", "eval not found"),
        ("/v1/deployment/none", "deployment not found"),
        ("/v1/client/allocation/none/stats", "Unknown allocation \"none\""),
    ] {
        let reply = world.send(Method::GET, path, &[], String::new()).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::NOT_FOUND, text), "{path}");
    }
    let reply = world.send(Method::DELETE, "/v1/jobs", &[], String::new()).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    let reply = world.send(Method::GET, "/v1/jobs?region=mars", &[], String::new()).await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    for path in ["/v1/jobs?index=x", "/v1/jobs?index=1&wait=soon", "/v1/jobs?filter=Nope%20%3D%3D%201"] {
        let reply = world.send(Method::GET, path, &[], String::new()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}: {}", reply.body);
    }
    world.close().await;
}

#[tokio::test]
async fn a_blocking_read_wakes_by_the_change_it_waits_for_only() {
    let world = World::new().await;
    let (_, index) = world.read("/v1/jobs").await;
    let started = Instant::now();
    let (_, same) = world.read(&format!("/v1/jobs?index={index}&wait=200ms")).await;
    assert_eq!(same, index);
    assert!(started.elapsed() >= Duration::from_millis(200));

    let path = format!("/v1/nodes?index={}&wait=300ms", world.read("/v1/nodes").await.1);
    let waiting = async {
        let started = Instant::now();
        world.read(&path).await;
        started.elapsed()
    };
    let (waited, _) = tokio::join!(waiting, world.run(service("web", 1, "serve")));
    assert!(waited >= Duration::from_millis(300), "a job woke a reader of nodes");

    let path = format!("/v1/jobs?index={}&wait=60s", world.read("/v1/jobs").await.1);
    let waiting = tokio::time::timeout(LIMIT, world.read(&path));
    let (read, _) = tokio::join!(waiting, world.run(service("api", 1, "serve")));
    assert!(list(&read.unwrap().0).iter().any(|job| job["ID"] == "api"));
    world.close().await;
}

#[tokio::test]
async fn lists_come_in_pages_in_both_orders_and_filtered() {
    let world = World::new().await;
    for id in ["a", "b", "c", "d"] {
        world.run(service(id, 1, "serve")).await;
    }
    let names =
        |body: &Value| -> Vec<String> { list(body).iter().map(|job| job["ID"].as_str().unwrap().to_owned()).collect() };
    let page = world.send(Method::GET, "/v1/jobs?per_page=3", &[], String::new()).await;
    assert_eq!(names(&page.json()), ["a", "b", "c"]);
    let token = page.headers["x-nomad-nexttoken"].to_str().unwrap().to_owned();
    let rest = world.send(Method::GET, &format!("/v1/jobs?per_page=3&next_token={token}"), &[], String::new()).await;
    assert_eq!(names(&rest.json()), ["d"]);
    assert!(!rest.headers.contains_key("x-nomad-nexttoken"));
    assert_eq!(names(&world.get("/v1/jobs?reverse=True&per_page=2").await), ["d", "c"]);
    let filtered = world.get("/v1/jobs?filter=ID%20%3D%3D%20%22b%22%20or%20ID%20matches%20%22%5Ed%22").await;
    assert_eq!(names(&filtered), ["b", "d"]);
    assert_eq!(names(&world.get("/v1/jobs?prefix=c").await), ["c"]);
    world.close().await;
}

#[tokio::test]
async fn search_finds_by_the_beginning() {
    let world = World::new().await;
    let node = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 1, "serve")).await;
    let found = world.put("/v1/search", json!({ "Prefix": "we", "Context": "all" })).await;
    assert_eq!(found["Matches"]["jobs"], json!(["web"]));
    assert_eq!(found["Truncations"]["jobs"], false);
    let found = world.put("/v1/search", json!({ "Prefix": &node.id[..8], "Context": "nodes" })).await;
    assert_eq!(found["Matches"], json!({ "nodes": [node.id] }));
    let found = world.put("/v1/search/fuzzy", json!({ "Text": "dge-", "Context": "nodes" })).await;
    assert_eq!(found["Matches"]["nodes"][0]["ID"], node.id.as_str());
    world.close().await;
}

#[tokio::test]
async fn the_agent_tells_who_it_is() {
    let world = World::new().await;
    let about = world.get("/v1/agent/self").await;
    assert!(about["config"].is_object() && about["member"].is_object() && about["stats"].is_object());
    let members = world.get("/v1/agent/members").await;
    let member = &list(&members["Members"])[0];
    let leader = world.get("/v1/status/leader").await;
    let address = format!("{}:{}", member["Addr"].as_str().unwrap(), member["Tags"]["port"].as_str().unwrap());
    assert_eq!(leader, address.as_str());
    assert_eq!(world.get("/v1/agent/health").await["server"]["ok"], true);
    assert_eq!(world.get("/v1/operator/raft/configuration").await["Servers"][0]["Leader"], true);
    let metrics = world.send(Method::GET, "/v1/metrics?format=prometheus", &[], String::new()).await;
    assert!(metrics.body.contains("\nnomad_nomad_raft_appliedIndex "), "{}", metrics.body);
    assert!(list(&world.get("/v1/metrics").await["Gauges"]).iter().any(|gauge| gauge["Value"].is_number()));
    world.close().await;
}

#[tokio::test]
async fn the_event_stream_tells_what_happens_to_the_topics_asked_for() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = "GET /v1/event/stream?topic=Job:web&topic=Node HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = String::new();
    let mut chunk = [0; 64 * 1024];
    let mut read_until = async |told: &mut String, what: &str| {
        while !told.contains(what) {
            let read = tokio::time::timeout(LIMIT, stream.read(&mut chunk)).await.expect("an event");
            told.push_str(&String::from_utf8_lossy(&chunk[..read.unwrap()]));
        }
    };
    read_until(&mut told, "\r\n\r\n").await;
    world.run(service("api", 1, "serve")).await;
    world.run(service("web", 1, "serve")).await;
    read_until(&mut told, "\"Topic\":\"Job\"").await;
    assert!(told.contains("\"Type\":\"JobRegistered\"") && told.contains("\"Key\":\"web\""), "{told}");
    let _node = FakeNode::join(&world, "edge-1").await;
    read_until(&mut told, "\"Topic\":\"Node\"").await;
    assert!(!told.contains("\"Key\":\"api\"") && !told.contains("\"Topic\":\"Evaluation\""), "{told}");
    drop(stream);
    world.close().await;
}
