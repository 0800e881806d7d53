//! The server ends and comes back from its store.

use axum::http::Method;
use serde_json::Value;

use super::support::{FakeNode, World, service};

const READS: [&str; 9] = [
    "/v1/jobs",
    "/v1/job/web",
    "/v1/job/web/versions?diffs=true",
    "/v1/job/web/deployments",
    "/v1/job/web/summary",
    "/v1/allocations",
    "/v1/evaluations",
    "/v1/deployments",
    "/v1/nodes",
];

async fn answers(world: &World) -> Vec<(Value, u64)> {
    let mut answers = Vec::new();
    for path in READS {
        answers.push(world.read(path).await);
    }
    answers
}

#[tokio::test]
async fn a_restarted_server_gives_the_same_answers_and_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::on_disk(dir.path()).await;
    let node = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 2, "serve")).await;
    world.deployed("web", "successful").await;
    world.run(service("web", 2, "serve-2")).await;
    world
        .until("/v1/job/web/deployment", |one| (one["JobVersion"] == 1 && one["Status"] == "successful").then_some(()))
        .await;
    let allocs = world.running("web", 2).await;
    // Everything that moves by itself is done once nothing is pending and the old allocations have ended.
    world.until("/v1/evaluations?status=pending", |evals| (evals.as_array()?.is_empty()).then_some(())).await;
    world
        .until("/v1/allocations", |all| {
            let ended = all.as_array()?.iter().filter(|alloc| alloc["ClientStatus"] == "complete").count();
            (ended == 2).then_some(())
        })
        .await;
    drop(node);
    let before = answers(&world).await;
    let index = world.server.state().index();
    world.close().await;

    let world = World::on_disk(dir.path()).await;
    let after = answers(&world).await;
    for ((path, before), after) in READS.iter().zip(&before).zip(&after) {
        assert_eq!(before, after, "{path}");
    }
    let id = allocs[0]["ID"].as_str().unwrap();
    let alloc = world.get(&format!("/v1/allocation/{id}")).await;
    assert_eq!(alloc["Job"]["Version"], 1);
    assert!(world.server.state().index() >= index);
    world.run(service("api", 1, "serve")).await;
    assert!(world.server.state().index() > index);
    world.close().await;
}

#[tokio::test]
async fn a_stopped_server_takes_no_more_writes_and_frees_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::on_disk(dir.path()).await;
    let busy = baton_store::RedbStore::open(dir.path()).unwrap_err().to_string();
    assert!(busy.contains(&format!("process {}", std::process::id())), "{busy}");
    world.server.shutdown().await;
    let body = serde_json::json!({ "Job": service("web", 1, "serve") }).to_string();
    let reply = world.send(Method::PUT, "/v1/jobs", &[], body).await;
    assert_eq!(reply.status, axum::http::StatusCode::SERVICE_UNAVAILABLE);
    baton_store::RedbStore::open(dir.path()).expect("the directory is free");
    world.close().await;
}
