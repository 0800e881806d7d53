//! Nodes that come, vanish and return.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{FakeNode, World, describe, list, service};

#[tokio::test]
async fn what_ran_on_a_lost_node_runs_elsewhere_and_ends_there_when_it_returns() {
    let world = World::new().await;
    let first = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 1, "serve")).await;
    let old = world.running("web", 1).await.remove(0);
    let second = FakeNode::join(&world, "edge-2").await;
    first.vanish();
    world.until(&format!("/v1/node/{}", first.id), |node| (node["Status"] == "down").then_some(())).await;
    let on_second = |allocs: &Value| {
        let moved = |alloc: &&Value| alloc["NodeID"] == second.id.as_str() && alloc["ClientStatus"] == "running";
        list(allocs).iter().find(moved).map(|_| ())
    };
    world.until("/v1/job/web/allocations", on_second).await;
    let path = format!("/v1/allocation/{}", old["ID"].as_str().unwrap());
    let lost = world.get(&path).await;
    assert_eq!(lost["ClientStatus"], "lost");
    assert_eq!(lost["DesiredStatus"], "stop");
    assert_eq!(lost["DesiredDescription"], "alloc is lost since its node is down");
    first.come_back();
    world.until(&format!("/v1/node/{}", first.id), |node| (node["Status"] == "ready").then_some(())).await;
    assert_eq!(world.running("web", 1).await[0]["NodeID"], second.id.as_str());
    world.close().await;
}

#[tokio::test]
async fn a_node_that_was_only_silent_goes_on_with_what_its_job_says() {
    for (rule, original_stays) in [("keep_original", true), ("keep_replacement", false)] {
        let world = World::new().await;
        let first = FakeNode::join(&world, "edge-1").await;
        let mut job = service("web", 1, "serve");
        job["TaskGroups"][0]["Disconnect"] =
            json!({ "LostAfter": 3_600_000_000_000_i64, "Replace": true, "Reconcile": rule });
        world.run(job).await;
        world.deployed("web", "successful").await;
        let original = world.running("web", 1).await.remove(0);
        let second = FakeNode::join(&world, "edge-2").await;
        first.vanish();
        world.until(&format!("/v1/node/{}", first.id), |node| (node["Status"] == "disconnected").then_some(())).await;
        let kept = format!("/v1/allocation/{}", original["ID"].as_str().unwrap());
        let kept = world.until(&kept, |alloc| (alloc["ClientStatus"] == "unknown").then(|| alloc.clone())).await;
        assert_eq!(kept["DesiredStatus"], "run");
        let on_second = |allocs: &Value| {
            list(allocs)
                .iter()
                .find(|alloc| alloc["NodeID"] == second.id.as_str() && alloc["ClientStatus"] == "running")
                .cloned()
        };
        let replacement = world.until("/v1/job/web/allocations", on_second).await;
        first.come_back();
        let (stays, goes) = if original_stays { (&original, &replacement) } else { (&replacement, &original) };
        let gone = format!("/v1/allocation/{}", goes["ID"].as_str().unwrap());
        let gone = world.until(&gone, |alloc| (alloc["DesiredStatus"] == "stop").then(|| alloc.clone())).await;
        assert_eq!(gone["DesiredDescription"], "alloc not needed due to disconnected client reconnect", "{rule}");
        assert_eq!(world.running("web", 1).await[0]["ID"], stays["ID"], "{rule}");
        world.close().await;
    }
}

#[tokio::test]
async fn registering_again_keeps_what_operators_set() {
    let world = World::new().await;
    let node = describe("edge-1");
    let body = || serde_json::to_value(&node).unwrap();
    world.put("/v1/baton/node/register", body()).await;
    world.put(&format!("/v1/node/{}/eligibility", node.id), json!({ "Eligibility": "ineligible" })).await;
    let (before, index) = world.read(&format!("/v1/node/{}", node.id)).await;
    world.put("/v1/baton/node/register", body()).await;
    let (after, same) = world.read(&format!("/v1/node/{}", node.id)).await;
    assert_eq!((before, index), (after, same), "an unchanged node moves nothing");
    let mut changed = node.clone();
    changed.meta.insert("rack".to_owned(), "7".to_owned());
    world.put("/v1/baton/node/register", serde_json::to_value(&changed).unwrap()).await;
    let node = world.get(&format!("/v1/node/{}", node.id)).await;
    assert_eq!((&node["Meta"]["rack"], &node["SchedulingEligibility"]), (&json!("7"), &json!("ineligible")));
    world.close().await;
}

#[tokio::test]
async fn nodes_that_make_no_sense_are_refused() {
    let world = World::new().await;
    let beat = world.send(Method::PUT, "/v1/baton/node/none/heartbeat", &[], String::new()).await;
    assert_eq!((beat.status, beat.body.as_str()), (StatusCode::NOT_FOUND, "node not found"));
    let first = describe("edge-1");
    world.put("/v1/baton/node/register", serde_json::to_value(&first).unwrap()).await;
    for node in [describe(""), baton_model::Node { id: "x".into(), ..describe("edge-2") }, describe("edge-1")] {
        let body = serde_json::to_string(&node).unwrap();
        let refused = world.send(Method::PUT, "/v1/baton/node/register", &[], body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    }
    world.close().await;
}

#[tokio::test]
async fn a_stopped_allocation_is_replaced_and_a_finished_one_collected() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 1, "serve")).await;
    world.deployed("web", "successful").await;
    let old = world.running("web", 1).await.remove(0);
    let id = old["ID"].as_str().unwrap();
    let answer = world.put(&format!("/v1/allocation/{id}/stop"), json!({})).await;
    assert_eq!(world.evaluated(&answer).await["TriggeredBy"], "alloc-stop");
    let path = format!("/v1/allocation/{id}");
    world.until(&path, |alloc| (alloc["ClientStatus"] == "complete").then_some(())).await;
    let new = world.running("web", 1).await.remove(0);
    assert_eq!(new["Name"], old["Name"]);
    let stopped = world.send(Method::DELETE, "/v1/job/web", &[], String::new()).await.json();
    world.evaluated(&stopped).await;
    world
        .until("/v1/allocations", |allocs| {
            list(allocs).iter().all(|alloc| alloc["ClientStatus"] == "complete").then_some(())
        })
        .await;
    let (_, before) = world.read("/v1/allocations").await;
    world.put("/v1/system/gc", json!({})).await;
    let (allocs, after) = world.read("/v1/allocations").await;
    assert_eq!(list(&allocs).len(), 0);
    assert!(after > before, "removals move the index, too");
    assert_eq!(list(&world.get("/v1/jobs").await).len(), 0);
    assert_eq!(list(&world.get("/v1/evaluations").await).len(), 0);
    world.close().await;
}
