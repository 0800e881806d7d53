//! Registering, reading, planning, stopping.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::support::{FakeNode, World, list, service};

#[tokio::test]
async fn a_job_runs_and_its_deployment_succeeds() {
    let world = World::new().await;
    let node = FakeNode::join(&world, "edge-1").await;
    let answer = world.run(service("web", 2, "serve")).await;
    assert_eq!(answer["Warnings"], "");
    let eval = world.evaluated(&answer).await;
    assert_eq!(eval["Status"], "complete");
    assert_eq!(eval["TriggeredBy"], "job-register");
    let deployment = world.deployed("web", "successful").await;
    assert_eq!(eval["DeploymentID"], deployment["ID"]);
    assert_eq!(deployment["StatusDescription"], "Deployment completed successfully");
    assert_eq!(deployment["TaskGroups"]["web"]["HealthyAllocs"], 2);
    let allocs = world.running("web", 2).await;
    let mut names: Vec<_> = allocs.iter().map(|alloc| alloc["Name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["web.web[0]", "web.web[1]"]);
    assert!(allocs.iter().all(|alloc| alloc["NodeID"] == node.id.as_str()));
    let job = world.until("/v1/job/web", |job| (job["Stable"] == true).then(|| job.clone())).await;
    assert_eq!((&job["Status"], &job["Version"]), (&json!("running"), &json!(0)));
    let summary = world.get("/v1/job/web/summary").await;
    assert_eq!(summary["Summary"]["web"]["Running"], 2);
    let stubs = world.get("/v1/jobs?prefix=we").await;
    assert_eq!(list(&stubs)[0]["JobSummary"]["Summary"]["web"]["Running"], 2);
    world.close().await;
}

#[tokio::test]
async fn an_identical_job_gets_an_evaluation_and_no_new_version() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    let first = world.run(service("web", 1, "serve")).await;
    world.deployed("web", "successful").await;
    let again = world.run(service("web", 1, "serve")).await;
    assert_ne!(again["EvalID"], first["EvalID"]);
    assert_eq!(again["JobModifyIndex"], first["JobModifyIndex"]);
    world.evaluated(&again).await;
    assert_eq!(list(&world.get("/v1/job/web/versions").await["Versions"]).len(), 1);
    assert_eq!(list(&world.get("/v1/job/web/allocations").await).len(), 1);
    world.close().await;
}

#[tokio::test]
async fn the_index_that_a_caller_saw_is_enforced() {
    let world = World::new().await;
    let answer = world.run(service("web", 1, "serve")).await;
    let at = answer["JobModifyIndex"].as_u64().unwrap();
    let body = |index: u64| json!({ "Job": service("web", 2, "serve"), "EnforceIndex": true, "JobModifyIndex": index });
    let refused = world.send(Method::PUT, "/v1/jobs", &[], body(at + 1).to_string()).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    let text = format!("Enforcing job modify index {}: job exists with conflicting job modify index: {at}", at + 1);
    assert_eq!(refused.body, text);
    let refused = world.send(Method::PUT, "/v1/jobs", &[], body(0).to_string()).await;
    assert_eq!(refused.body, "Enforcing job modify index 0: job already exists");
    world.put("/v1/jobs", body(at)).await;
    world.close().await;
}

#[tokio::test]
async fn stop_then_run_continues_the_versions_and_purge_ends_them() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    world.run(service("web", 1, "serve")).await;
    let created = world.get("/v1/job/web").await["CreateIndex"].clone();
    world.running("web", 1).await;
    let stopped = world.send(Method::DELETE, "/v1/job/web", &[], String::new()).await;
    assert_eq!(stopped.status, StatusCode::OK);
    world.evaluated(&stopped.json()).await;
    world.running("web", 0).await;
    world.until("/v1/job/web", |job| (job["Status"] == "dead" && job["Stop"] == true).then_some(())).await;
    world.run(service("web", 1, "serve")).await;
    let job = world.get("/v1/job/web").await;
    assert_eq!((&job["Version"], &job["CreateIndex"]), (&json!(2), &created));
    world.running("web", 1).await;
    let purged = world.send(Method::DELETE, "/v1/job/web?purge=true", &[], String::new()).await;
    assert_eq!(purged.status, StatusCode::OK);
    let gone = world.send(Method::GET, "/v1/job/web", &[], String::new()).await;
    assert_eq!((gone.status, gone.body.as_str()), (StatusCode::NOT_FOUND, "job not found"));
    world.evaluated(&purged.json()).await;
    world
        .until("/v1/allocations", |allocs| {
            list(allocs).iter().all(|alloc| alloc["ClientStatus"] == "complete").then_some(())
        })
        .await;
    world.close().await;
}

#[tokio::test]
async fn a_plan_says_what_would_happen_and_changes_nothing() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    let plan = |job| json!({ "Job": job, "Diff": true });
    let new = world.put("/v1/job/web/plan", plan(service("web", 2, "serve"))).await;
    assert_eq!(new["JobModifyIndex"], 0);
    assert_eq!(new["Diff"]["Type"], "Added");
    assert_eq!(new["Annotations"]["DesiredTGUpdates"]["web"]["Place"], 2);
    assert_eq!(list(&world.get("/v1/jobs").await).len(), 0);

    let answer = world.run(service("web", 2, "serve")).await;
    world.deployed("web", "successful").await;
    let same = world.put("/v1/job/web/plan", plan(service("web", 2, "serve"))).await;
    assert_eq!(same["Diff"]["Type"], "None");
    assert_eq!(same["JobModifyIndex"], answer["JobModifyIndex"]);
    assert_eq!(same["Annotations"]["DesiredTGUpdates"]["web"]["Ignore"], 2);
    let edited = world.put("/v1/job/web/plan", plan(service("web", 2, "serve-2"))).await;
    assert_eq!(edited["Diff"]["Type"], "Edited");
    assert_eq!(edited["Annotations"]["DesiredTGUpdates"]["web"]["DestructiveUpdate"], 1);
    assert_eq!(list(&edited["Diff"]["TaskGroups"])[0]["Updates"]["create/destroy update"], 1);
    let huge = world.put("/v1/job/big/plan", plan(service("big", 100, "serve"))).await;
    assert!(huge["FailedTGAllocs"]["web"]["NodesExhausted"].as_u64().unwrap() > 0, "{huge:#}");
    assert_eq!(world.get("/v1/job/web").await["Version"], 0);
    world.close().await;
}

#[tokio::test]
async fn what_does_not_fit_waits_and_is_placed_when_there_is_room() {
    let world = World::new().await;
    let answer = world.run(service("web", 1, "serve")).await;
    let eval = world.evaluated(&answer).await;
    assert_eq!(eval["Status"], "complete");
    assert_eq!(eval["QueuedAllocations"]["web"], 1);
    let blocked = eval["BlockedEval"].as_str().unwrap();
    assert_eq!(world.get(&format!("/v1/evaluation/{blocked}")).await["Status"], "blocked");
    let related = world.get(&format!("/v1/evaluation/{}?related=true", eval["ID"].as_str().unwrap())).await;
    assert_eq!(list(&related["RelatedEvals"])[0]["ID"], blocked);
    // Its deployment goes on, so the job does.
    assert_eq!(world.get("/v1/job/web").await["Status"], "running");

    let again = world.run(service("web", 1, "serve")).await;
    world.evaluated(&again).await;
    let waiting = world.get("/v1/evaluations?status=blocked").await;
    assert_eq!(list(&waiting).len(), 1, "one blocked evaluation per job");

    let _node = FakeNode::join(&world, "edge-1").await;
    world.deployed("web", "successful").await;
    world.until("/v1/evaluations?status=blocked", |evals| list(evals).is_empty().then_some(())).await;
    world.close().await;
}

#[tokio::test]
async fn an_invalid_job_is_refused_with_all_its_mistakes() {
    let world = World::new().await;
    let mut job = service("web", 1, "serve");
    job["Priority"] = json!(1000);
    job["TaskGroups"][0]["Count"] = json!(-1);
    let refused = world.send(Method::PUT, "/v1/jobs", &[], json!({ "Job": job }).to_string()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.contains("errors occurred") && refused.body.contains("riority"), "{}", refused.body);
    assert!(refused.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let verdict = world.put("/v1/validate/job", json!({ "Job": job })).await;
    assert!(list(&verdict["ValidationErrors"]).len() >= 2, "{verdict:#}");
    assert_ne!(verdict["Error"], "");
    let verdict = world.put("/v1/validate/job", json!({ "Job": service("web", 1, "serve") })).await;
    assert_eq!((&verdict["ValidationErrors"], &verdict["Error"]), (&json!([]), &json!("")));
    for body in ["", "{}", "[]", "{\"Job\": 7}", "{", "{\"Job\":{\"ID\":[]}}"] {
        let refused = world.send(Method::PUT, "/v1/jobs", &[], body.to_owned()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}: {}", refused.body);
    }
    assert_eq!(list(&world.get("/v1/jobs").await).len(), 0);
    world.close().await;
}

#[tokio::test]
async fn job_files_are_parsed_and_ids_with_slashes_are_found() {
    let world = World::new().await;
    let hcl = r#"job "team/web" {
        datacenters = ["dc1"]
        group "web" {
            task "server" {
                driver = "raw_exec"
                config { command = "serve" }
            }
        }
    }"#;
    let job = world.put("/v1/jobs/parse", json!({ "JobHCL": hcl, "Canonicalize": true })).await;
    assert_eq!(job["ID"], "team/web");
    let submission = json!({ "Source": hcl, "Format": "hcl2", "VariableFlags": null, "Variables": "" });
    world.put("/v1/jobs", json!({ "Job": job, "Submission": submission })).await;
    assert_eq!(world.get("/v1/job/team%2Fweb").await["Name"], "team/web");
    assert_eq!(world.get("/v1/job/team%2Fweb/submission").await["Source"], hcl);
    let bad = json!({ "JobHCL": "job \"x\" {" }).to_string();
    let refused = world.send(Method::PUT, "/v1/jobs/parse", &[], bad).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.starts_with("Failed to parse job: "), "{}", refused.body);
    world.close().await;
}

#[tokio::test]
async fn parameterized_and_periodic_jobs_run_through_children() {
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    let mut job = service("import", 1, "done");
    job["Type"] = json!("batch");
    job["Update"] = json!(null);
    job["ParameterizedJob"] = json!({ "Payload": "optional", "MetaRequired": ["file"] });
    let answer = world.run(job.clone()).await;
    assert_eq!(answer["EvalID"], "");
    assert_eq!(world.get("/v1/job/import").await["Status"], "running");
    let refused = world.send(Method::PUT, "/v1/job/import/dispatch", &[], "{}".to_owned()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let dispatched = world.put("/v1/job/import/dispatch", json!({ "Meta": { "file": "a" }, "Payload": "aGk=" })).await;
    let child = dispatched["DispatchedJobID"].as_str().unwrap().replace('/', "%2F");
    let done = world.until(&format!("/v1/job/{child}"), |job| (job["Status"] == "dead").then(|| job.clone())).await;
    assert_eq!((&done["ParentID"], &done["Meta"]["file"]), (&json!("import"), &json!("a")));
    assert_eq!(world.get("/v1/job/import/summary").await["Children"]["Dead"], 1);

    let mut job = service("nightly", 1, "done");
    job["Type"] = json!("batch");
    job["Update"] = json!(null);
    job["Periodic"] = json!({ "Enabled": true, "Spec": "0 3 * * *", "SpecType": "cron", "TimeZone": "UTC" });
    let plan = world.put("/v1/job/nightly/plan", json!({ "Job": job, "Diff": true })).await;
    assert!(plan["NextPeriodicLaunch"].as_str().unwrap().ends_with("T03:00:00Z"), "{plan:#}");
    world.run(job).await;
    let forced = world.put("/v1/job/nightly/periodic/force", json!({})).await;
    world.evaluated(&forced).await;
    let children = world.get("/v1/jobs?prefix=nightly/periodic-").await;
    assert_eq!(list(&children).len(), 1);
    world.close().await;
}
