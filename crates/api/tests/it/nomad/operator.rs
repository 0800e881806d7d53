//! What operators set and watch: the scheduler's settings, the stream of events.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{FakeNode, World, list, service};

#[tokio::test]
async fn the_event_stream_begins_where_it_is_asked_to() {
    let world = World::new().await;
    let first = world.run(service("web", 0, "serve")).await["JobModifyIndex"].as_u64().unwrap();
    world.run(service("api", 0, "serve")).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = format!(
        "GET /v1/event/stream?index={first}&topic=Job HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let mut piece = [0; 4096];
    while !(answer.contains("\"Key\":\"web\"") && answer.contains("\"Key\":\"api\"")) {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    let bad = world.send(Method::GET, "/v1/event/stream?index=x", &[], String::new()).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    world.close().await;
}

#[tokio::test]
async fn the_scheduler_can_be_told_to_spread() {
    let world = World::new().await;
    let _nodes = [FakeNode::join(&world, "edge-1").await, FakeNode::join(&world, "edge-2").await];
    let path = "/v1/operator/scheduler/configuration";
    assert_eq!(world.get(path).await["SchedulerConfig"]["SchedulerAlgorithm"], "binpack");
    let mut wanted = world.get(path).await["SchedulerConfig"].clone();
    wanted["SchedulerAlgorithm"] = json!("spread");
    assert_eq!(world.put(path, wanted.clone()).await["Updated"], true);
    assert_eq!(world.get(path).await["SchedulerConfig"]["SchedulerAlgorithm"], "spread");
    for id in ["a", "b"] {
        world.run(service(id, 1, "serve")).await;
        world.running(id, 1).await;
    }
    let allocs = world.get("/v1/allocations").await;
    let nodes: BTreeSet<_> = list(&allocs).iter().map(|alloc| alloc["NodeID"].to_string()).collect();
    assert_eq!(nodes.len(), 2, "{allocs:#}");
    for (key, value) in [("SchedulerAlgorithm", json!("best")), ("PauseEvalBroker", json!(true))] {
        let mut refused = wanted.clone();
        refused[key] = value;
        let reply = world.send(Method::PUT, path, &[], refused.to_string()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{key}");
    }
    world.close().await;
}
