//! python-nomad against our face.

use std::process::Command;

use baton_testkit::peers;

use super::support::{FakeNode, World, service};

const STORY: &str = r#"
import sys, json, nomad
from nomad.api.exceptions import URLNotFoundNomadException
n = nomad.Nomad(host="127.0.0.1", port=int(sys.argv[1]), timeout=10)
job = json.loads(sys.argv[2])
assert len(n.jobs) == 0
answer = n.jobs.register_job({"Job": job})
assert answer["EvalID"] and answer["JobModifyIndex"] > 0
assert "web" in n.jobs and n.job["web"]["Status"] in ("pending", "running")
assert "job-register" in [e["TriggeredBy"] for e in n.job.get_evaluations("web")]
assert n.evaluation.get_evaluation(answer["EvalID"])["JobID"] == "web"
import time
for _ in range(200):
    deployment = n.job.get_deployment("web")
    if deployment and deployment["Status"] == "successful": break
    time.sleep(0.05)
assert deployment["Status"] == "successful", deployment
assert n.job.get_summary("web")["Summary"]["web"]["Running"] == 1
allocation = n.job.get_allocations("web")[0]
assert allocation["ClientStatus"] == "running"
assert n.allocation[allocation["ID"]]["Job"]["ID"] == "web"
assert any(a["ID"] == allocation["ID"] for a in n.allocations.get_allocations())
assert n.deployments.get_deployments()[0]["JobID"] == "web"
assert n.deployment.get_deployment(deployment["ID"])["Status"] == "successful"
plan = n.job.plan_job("web", {"Job": job, "Diff": True})
assert plan["Annotations"]["DesiredTGUpdates"]["web"]["Ignore"] == 1 and plan["Diff"]["Type"] == "None"
assert n.job.get_versions("web")["Versions"][0]["Version"] == 0
assert n.job.evaluate_job("web")["EvalID"]
assert n.validate.validate_job({"Job": job}).json()["ValidationErrors"] == []
parsed = n.jobs.parse('job "x" {\n group "g" {\n task "t" {\n driver = "raw_exec"\n config { command = "x" }\n }\n }\n}')
assert parsed["ID"] == "x"
node = n.nodes.get_nodes()[0]
assert n.node.get_node(node["ID"])["Name"] == "edge-1"
assert len(n.node.get_allocations(node["ID"])) == 1
assert n.node.eligible_node(node["ID"], ineligible=True)["NodeModifyIndex"] > 0
assert n.node.eligible_node(node["ID"], eligible=True)["NodeModifyIndex"] > 0
assert n.node.drain_node(node["ID"], enable=False)["NodeModifyIndex"] > 0
assert n.agent.get_agent()["member"]["Status"] == "alive"
assert n.agent.get_members()["Members"]
assert n.status.leader and n.status.peers
assert n.regions.get_regions() == ["global"]
assert n.namespaces.get_namespaces()[0]["Name"] == "default"
assert n.search.search("we", "jobs")["Matches"]["jobs"] == ["web"]
assert n.metrics.get_metrics()["Gauges"]
assert n.operator.get_configuration()["Servers"]
assert n.job.deregister_job("web")["EvalID"]
assert n.job["web"]["Stop"] is True
assert n.system.initiate_garbage_collection() is not None
try:
    n.job["none"]
    raise SystemExit("a job that is not there was found")
except KeyError:
    pass
print("done")
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story() {
    let Some(modules) = peers::python("nomad") else { return };
    let world = World::new().await;
    let _node = FakeNode::join(&world, "edge-1").await;
    let job = service("web", 1, "serve").to_string();
    let port = world.address.port().to_string();
    let run = move || Command::new("python3").args(["-c", STORY, &port, &job]).env("PYTHONPATH", modules).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().expect("python starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("done"), "{text}");
    world.close().await;
}
