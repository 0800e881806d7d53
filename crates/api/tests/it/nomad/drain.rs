//! Drains and eligibility.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::support::{FakeNode, World, list, service};

#[tokio::test]
async fn a_drained_node_hands_its_allocations_to_others() {
    let world = World::new().await;
    let first = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 2, "serve")).await;
    world.deployed("web", "successful").await;
    let second = FakeNode::join(&world, "edge-2").await;
    let path = format!("/v1/node/{}/drain", first.id);
    let hour = 3_600_000_000_000_i64;
    let body = json!({ "NodeID": first.id, "DrainSpec": { "Deadline": hour, "IgnoreSystemJobs": false } });
    let answer = world.put(&path, body).await;
    assert_eq!(list(&answer["EvalIDs"]).len(), 1);
    world
        .until(&format!("/v1/node/{}", first.id), |node| {
            let done = node["DrainStrategy"].is_null();
            assert_eq!(node["SchedulingEligibility"], "ineligible");
            done.then_some(())
        })
        .await;
    let left = world.get(&format!("/v1/node/{}/allocations", first.id)).await;
    for alloc in list(&left) {
        assert_eq!(alloc["ClientStatus"], "complete");
        assert_eq!(alloc["DesiredDescription"], "alloc is being migrated");
        assert_eq!(alloc["Job"]["Type"], "service");
    }
    let allocs = world.running("web", 2).await;
    assert!(allocs.iter().all(|alloc| alloc["NodeID"] == second.id.as_str()));
    let node = world.get(&format!("/v1/node/{}", first.id)).await;
    assert_eq!(node["LastDrain"]["Status"], "complete");

    world.put(&path, json!({ "NodeID": first.id, "DrainSpec": null, "MarkEligible": true })).await;
    let stub = world.get("/v1/nodes").await;
    let stub = list(&stub).iter().find(|node| node["ID"] == first.id.as_str()).unwrap();
    assert_eq!((&stub["Drain"], &stub["SchedulingEligibility"]), (&json!(false), &json!("eligible")));
    world.close().await;
}

#[tokio::test]
async fn a_drain_without_a_place_to_go_waits_and_its_deadline_ends_it() {
    let world = World::new().await;
    let node = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 1, "serve")).await;
    world.deployed("web", "successful").await;
    let path = format!("/v1/node/{}/drain", node.id);
    let soon = 300_000_000;
    world.put(&path, json!({ "NodeID": node.id, "DrainSpec": { "Deadline": soon } })).await;
    world.until(&format!("/v1/node/{}", node.id), |node| node["DrainStrategy"].is_null().then_some(())).await;
    world.running("web", 0).await;
    let blocked = world.until("/v1/evaluations?status=blocked", |evals| list(evals).first().cloned()).await;
    assert_eq!(blocked["JobID"], "web");
    world.put(&format!("/v1/node/{}/eligibility", node.id), json!({ "Eligibility": "eligible" })).await;
    world.running("web", 1).await;
    world.close().await;
}

#[tokio::test]
async fn an_ineligible_node_keeps_what_it_has_and_gets_nothing_new() {
    let world = World::new().await;
    let node = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 1, "serve")).await;
    world.running("web", 1).await;
    let path = format!("/v1/node/{}/eligibility", node.id);
    world.put(&path, json!({ "Eligibility": "ineligible" })).await;
    let answer = world.run(service("api", 1, "serve")).await;
    assert_ne!(world.evaluated(&answer).await["BlockedEval"], "");
    world.running("web", 1).await;
    world.put(&path, json!({ "Eligibility": "eligible" })).await;
    world.running("api", 1).await;
    let refused = world.send(Method::PUT, &path, &[], json!({ "Eligibility": "maybe" }).to_string()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let refused = world.send(Method::PUT, "/v1/node/none/drain", &[], "{}".to_owned()).await;
    assert_eq!((refused.status, refused.body.as_str()), (StatusCode::NOT_FOUND, "node not found"));
    world.close().await;
}
