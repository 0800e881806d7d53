//! Following an evaluation and its deployment to the end, as `run` and `stop` do.
//!
//! Talk goes to standard error; the exit code tells the outcome: 0 done, 1 the deployment failed, 2 something could not
//! be placed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use baton_model::alloc::AllocMetric;
use baton_model::deployment::DeploymentStatus;
use baton_model::eval::EvalStatus;
use baton_model::{Allocation, Deployment, Evaluation, id};

use super::api::Api;
use super::times;

/// How long one blocking read waits.
const WAIT: &str = "30000ms";
/// Between two looks at an evaluation.
const EVAL_INTERVAL: Duration = Duration::from_millis(100);

/// Exit code for "placed, but not everything".
pub const PLACEMENT_FAILURE: u8 = 2;

/// Follows the evaluation, then its deployment.
pub async fn evaluation(api: &Api, eval_id: &str, detach: bool) -> Result<u8> {
    if detach {
        super::outln(&format!("Evaluation ID: {eval_id}"))?;
        return Ok(0);
    }
    say(&format!("==> {}: Monitoring evaluation \"{}\"", stamp(), id::short(eval_id)));
    let mut seen = BTreeSet::new();
    let mut triggered = false;
    let eval = loop {
        let eval: Evaluation = api.get(&format!("/v1/evaluation/{eval_id}")).await?;
        if !triggered {
            say(&format!("    {}: Evaluation triggered by job \"{}\"", stamp(), eval.job_id));
            triggered = true;
        }
        let allocs: Vec<Allocation> = api.get(&format!("/v1/evaluation/{eval_id}/allocations")).await?;
        for alloc in allocs.iter().filter(|alloc| seen.insert(alloc.id.clone())) {
            let verb = if alloc.eval_id == eval.id { "created" } else { "modified" };
            say(&format!(
                "    {}: Allocation \"{}\" {verb}: node \"{}\", group \"{}\"",
                stamp(),
                id::short(&alloc.id),
                id::short(&alloc.node_id),
                alloc.task_group
            ));
        }
        if eval.status.is_terminal() {
            break eval;
        }
        tokio::time::sleep(EVAL_INTERVAL).await;
    };
    say(&format!(
        "==> {}: Evaluation \"{}\" finished with status \"{}\"",
        stamp(),
        id::short(&eval.id),
        eval.status.as_str()
    ));
    if !eval.failed_tg_allocs.is_empty() {
        say("Some placements could not be made:");
        for (group, metric) in &eval.failed_tg_allocs {
            say(&placement_failure(group, metric));
        }
        if !eval.blocked_eval.is_empty() {
            say(&format!("Evaluation \"{}\" waits for room to place the rest", id::short(&eval.blocked_eval)));
        }
    }
    if eval.status != EvalStatus::Complete {
        say(&eval.status_description);
        return Ok(1);
    }
    let failed = !eval.failed_tg_allocs.is_empty();
    if eval.deployment_id.is_empty() {
        return Ok(if failed { PLACEMENT_FAILURE } else { 0 });
    }
    let code = deployment(api, &eval.deployment_id).await?;
    Ok(if failed && code == 0 { PLACEMENT_FAILURE } else { code })
}

/// Follows a deployment to its end.
pub async fn deployment(api: &Api, deployment_id: &str) -> Result<u8> {
    say(&format!("==> {}: Monitoring deployment \"{}\"", stamp(), id::short(deployment_id)));
    let mut index = 0;
    let mut last = String::new();
    loop {
        let path = format!("/v1/deployment/{deployment_id}?index={index}&wait={WAIT}");
        let answer = api.get_indexed::<Deployment>(&path).await?;
        index = answer.index.max(1);
        let deployment = answer.value;
        let state = progress(&deployment);
        if state != last {
            say(&format!("    {}: {state}", stamp()));
            last = state;
        }
        if deployment.requires_promotion() && !deployment.has_auto_promote() && canaries_healthy(&deployment) {
            say(&format!("    Canaries are healthy; promote with: baton job promote {}", deployment.job_id));
            return Ok(0);
        }
        if !deployment.status.is_active() {
            say(&format!(
                "==> {}: Deployment \"{}\" {}",
                stamp(),
                id::short(&deployment.id),
                deployment.status.as_str()
            ));
            return Ok(u8::from(deployment.status != DeploymentStatus::Successful));
        }
    }
}

fn canaries_healthy(deployment: &Deployment) -> bool {
    deployment.task_groups.values().all(|group| group.healthy_allocs >= group.desired_canaries)
}

fn progress(deployment: &Deployment) -> String {
    let groups: Vec<_> = deployment
        .task_groups
        .iter()
        .map(|(name, group)| {
            format!(
                "{name}: {} placed, {} of {} healthy, {} unhealthy",
                group.placed_allocs, group.healthy_allocs, group.desired_total, group.unhealthy_allocs
            )
        })
        .collect();
    format!("{} ({})", deployment.status_description, groups.join("; "))
}

/// Why a group could not be placed, one reason a line.
pub fn placement_failure(group: &str, metric: &AllocMetric) -> String {
    let more = if metric.coalesced_failures > 0 {
        format!(" (and {} more)", metric.coalesced_failures)
    } else {
        String::new()
    };
    let mut lines = vec![format!("    Task Group \"{group}\" (failed to place 1 allocation{more}):")];
    if metric.nodes_evaluated == 0 {
        lines.push("      * No nodes were eligible for evaluation".to_owned());
    }
    for (datacenter, count) in &metric.nodes_available {
        if *count == 0 {
            lines.push(format!("      * No nodes are available in datacenter \"{datacenter}\""));
        }
    }
    for (constraint, count) in &metric.constraint_filtered {
        lines.push(format!("      * Constraint \"{constraint}\": {count} nodes excluded by filter"));
    }
    if metric.nodes_exhausted > 0 {
        lines.push(format!("      * Resources exhausted on {} nodes", metric.nodes_exhausted));
    }
    for (dimension, count) in &metric.dimension_exhausted {
        lines.push(format!("      * Dimension \"{dimension}\" exhausted on {count} nodes"));
    }
    lines.join("\n")
}

fn stamp() -> String {
    times::date(times::now())
}

fn say(line: &str) {
    eprintln!("{line}");
}
