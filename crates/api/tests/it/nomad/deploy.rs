//! Updates: rolling, failing, reverted, promoted, scaled.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{FakeNode, World, list, service};

fn ids(allocs: &[Value]) -> BTreeSet<String> {
    allocs.iter().map(|alloc| alloc["ID"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_update_replaces_every_allocation_one_after_the_other() {
    let world = World::new().await;
    let _nodes = [FakeNode::join(&world, "edge-1").await, FakeNode::join(&world, "edge-2").await];
    world.run(service("web", 2, "serve")).await;
    world.deployed("web", "successful").await;
    let before = ids(&world.running("web", 2).await);
    world.run(service("web", 2, "serve-2")).await;
    world
        .until("/v1/job/web/deployment", |one| {
            // Never more than one placed that is not healthy yet.
            let group = &one["TaskGroups"]["web"];
            let open = group["PlacedAllocs"].as_i64()? - group["HealthyAllocs"].as_i64()?;
            assert!(one["JobVersion"] == 0 || open <= 1, "{one:#}");
            (one["JobVersion"] == 1 && one["Status"] == "successful").then_some(())
        })
        .await;
    let after = ids(&world.running("web", 2).await);
    assert!(before.is_disjoint(&after));
    for id in &before {
        let old = world.get(&format!("/v1/allocation/{id}")).await;
        assert_eq!(old["DesiredDescription"], "alloc is being updated due to job update");
        assert!(after.contains(old["NextAllocation"].as_str().unwrap()));
    }
    let history = world.get("/v1/job/web/versions?diffs=true").await;
    let versions: Vec<_> = list(&history["Versions"]).iter().map(|job| job["Version"].clone()).collect();
    assert_eq!(versions, [json!(1), json!(0)]);
    assert_eq!(list(&history["Diffs"])[0]["Type"], "Edited");
    world.close().await;
}

#[tokio::test]
async fn a_failed_update_goes_back_to_the_stable_version() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    let reverting = |command: &str| {
        let mut job = service("web", 1, command);
        job["Update"]["AutoRevert"] = json!(true);
        job
    };
    world.run(reverting("serve")).await;
    world.deployed("web", "successful").await;
    world.until("/v1/job/web", |job| (job["Stable"] == true).then_some(())).await;
    world.run(reverting("bad")).await;
    let job = world.until("/v1/job/web", |job| (job["Version"] == 2).then(|| job.clone())).await;
    assert_eq!(list(&job["TaskGroups"])[0]["Tasks"][0]["Config"]["command"], "serve");
    let deployments = world.get("/v1/job/web/deployments").await;
    let failed = list(&deployments).iter().find(|one| one["JobVersion"] == 1).unwrap();
    assert_eq!(failed["Status"], "failed");
    let text = "Failed due to unhealthy allocations - rolling back to job version 0";
    assert_eq!(failed["StatusDescription"], text);
    world.running("web", 1).await;
    world.close().await;
}

#[tokio::test]
async fn canaries_wait_for_their_promotion() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    let canary = |command: &str| {
        let mut job = service("web", 2, command);
        job["Update"]["Canary"] = json!(1);
        job
    };
    world.run(canary("serve")).await;
    world.deployed("web", "successful").await;
    world.run(canary("serve-2")).await;
    let deployment = world
        .until("/v1/job/web/deployment", |one| {
            let ready = one["JobVersion"] == 1 && one["TaskGroups"]["web"]["HealthyAllocs"] == 1;
            ready.then(|| one.clone())
        })
        .await;
    assert_eq!(deployment["StatusDescription"], "Deployment is running but requires manual promotion");
    assert_eq!(world.running("web", 3).await.len(), 3);
    let id = deployment["ID"].as_str().unwrap();
    let promoted = world.put(&format!("/v1/deployment/promote/{id}"), json!({ "DeploymentID": id, "All": true })).await;
    world.evaluated(&promoted).await;
    let done =
        world.until(&format!("/v1/deployment/{id}"), |one| (one["Status"] == "successful").then(|| one.clone())).await;
    assert_eq!(done["TaskGroups"]["web"]["Promoted"], true);
    world.running("web", 2).await;
    let path = format!("/v1/deployment/fail/{id}");
    let refused = world.send(Method::PUT, &path, &[], String::new()).await;
    assert_eq!((refused.status, refused.body.as_str()), (StatusCode::BAD_REQUEST, "can't fail terminal deployment"));
    world.close().await;
}

#[tokio::test]
async fn a_paused_deployment_places_nothing_until_it_is_resumed() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    let manual = |command: &str| {
        let mut job = service("web", 2, command);
        job["Update"]["Canary"] = json!(1);
        job
    };
    world.run(manual("serve")).await;
    world.deployed("web", "successful").await;
    world.run(manual("serve-2")).await;
    let deployment = world.until("/v1/job/web/deployment", |one| (one["JobVersion"] == 1).then(|| one.clone())).await;
    let id = deployment["ID"].as_str().unwrap();
    let path = format!("/v1/deployment/pause/{id}");
    world.put(&path, json!({ "DeploymentID": id, "Pause": true })).await;
    let paused = world.get(&format!("/v1/deployment/{id}")).await;
    assert_eq!((&paused["Status"], &paused["StatusDescription"]), (&json!("paused"), &json!("Deployment is paused")));
    world.put(&path, json!({ "DeploymentID": id, "Pause": false })).await;
    assert_eq!(world.get(&format!("/v1/deployment/{id}")).await["Status"], "running");
    let failed = world.put(&format!("/v1/deployment/fail/{id}"), json!({})).await;
    world.evaluated(&failed).await;
    let failed = world.get(&format!("/v1/deployment/{id}")).await;
    assert_eq!(failed["StatusDescription"], "Deployment marked as failed");
    world.close().await;
}

#[tokio::test]
async fn revert_and_scale_make_new_versions() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 1, "serve")).await;
    world.deployed("web", "successful").await;
    let body = json!({ "Count": 3, "Target": { "Group": "web" } });
    let scaled = world.put("/v1/job/web/scale", body).await;
    assert_eq!(world.evaluated(&scaled).await["TriggeredBy"], "job-scaling");
    world.running("web", 3).await;
    assert_eq!(world.get("/v1/job/web").await["Version"], 1);
    assert_eq!(world.get("/v1/job/web/scale").await["TaskGroups"]["web"]["Desired"], 3);
    let reverted = world.put("/v1/job/web/revert", json!({ "JobID": "web", "JobVersion": 0 })).await;
    world.evaluated(&reverted).await;
    assert_eq!(world.get("/v1/job/web").await["Version"], 2);
    world.running("web", 1).await;
    for (body, text) in [
        (json!({ "JobVersion": 2 }), "can't revert to current version"),
        (json!({ "JobVersion": 0, "EnforcePriorVersion": 1 }), "Current job has version 2; enforcing version 1"),
    ] {
        let refused = world.send(Method::PUT, "/v1/job/web/revert", &[], body.to_string()).await;
        assert_eq!(refused.body, text);
    }
    world.close().await;
}
