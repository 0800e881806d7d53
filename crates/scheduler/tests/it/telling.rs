//! How a story says what came of a step.

use baton_model::Timestamp;
use baton_model::eval::EvalStatus;
use baton_model::plan::Plan;
use baton_scheduler::drain;

use crate::story::Story;

impl Story {
    fn label(&self, id: &str) -> String {
        self.numbers.get(id).map_or_else(|| format!("?{id}"), |number| format!("#{number}"))
    }

    pub(crate) fn say_plan(&mut self, plan: &Plan) {
        for placed in &plan.placements {
            let next = self.numbers.len() + 1;
            self.numbers.insert(placed.id.clone(), next);
        }
        for stop in &plan.stops {
            let alloc = self.world.alloc_mut(&stop.alloc_id);
            let (name, node, description) = (alloc.name.clone(), alloc.node_name.clone(), &stop.description);
            let mut line = format!("stop {} {name} on {node}: {description}", self.label(&stop.alloc_id));
            if let Some(status) = stop.client_status {
                line.push_str(&format!(" [{}]", status.as_str()));
            }
            if let Some(after) = &stop.after {
                line.push_str(&format!(" [after {}]", self.label(after)));
            }
            self.out.push(line);
        }
        for placed in &plan.placements {
            let mut line = format!("place {} {} on {}", self.label(&placed.id), placed.name, placed.node_name);
            let resources = &placed.allocated_resources;
            let task_ports = resources.tasks.values().flat_map(|task| &task.networks).flat_map(|n| n.ports());
            for port in task_ports {
                line.push_str(&format!(" {}={}", port.label, port.value));
            }
            for port in &resources.shared.ports {
                line.push_str(&format!(" {}={}", port.label, port.value));
            }
            if placed.is_canary() {
                line.push_str(" canary");
            }
            if !placed.succeeds.is_empty() {
                line.push_str(&format!(" succeeds {}", self.label(&placed.succeeds)));
            } else if !placed.previous_allocation.is_empty() {
                line.push_str(&format!(" replaces {}", self.label(&placed.previous_allocation)));
            }
            if let Some(event) = placed.reschedule_tracker.as_ref().and_then(|tracker| tracker.events.last()) {
                line.push_str(&format!(" (reschedule delay {})", event.delay));
            }
            self.out.push(line);
        }
        for updated in &plan.in_place {
            let line = format!("update {} {}: {}", self.label(&updated.id), updated.name, updated.desired_description);
            self.out.push(line);
        }
        for alloc in &plan.annotations {
            self.out.push(format!("note {} {} {}", self.label(&alloc.id), alloc.name, alloc.client_status.as_str()));
        }
        if let Some(deployment) = &plan.deployment {
            let totals: Vec<String> =
                deployment.task_groups.iter().map(|(name, state)| format!("{name}={}", state.desired_total)).collect();
            self.out.push(format!("deployment for {}: {}", totals.join(" "), deployment.status_description));
        }
        for update in &plan.deployment_updates {
            self.out.push(format!("deployment {}: {}", update.status.as_str(), update.status_description));
        }
        for (group, metrics) in &plan.failed {
            let mut reasons: Vec<String> = Vec::new();
            let all = metrics.constraint_filtered.iter().chain(&metrics.dimension_exhausted);
            reasons.extend(all.map(|(reason, count)| format!("{count}× {reason}")));
            let queued = plan.queued.get(group).copied().unwrap_or(0);
            let evaluated = metrics.nodes_evaluated;
            self.out.push(format!("no place for {queued} of {group}: {evaluated} nodes seen; {}", reasons.join("; ")));
        }
        for eval in &plan.follow_ups {
            self.out.push(match eval.status {
                EvalStatus::Blocked => "blocked evaluation".to_owned(),
                _ => format!("look again at {}s: {}", self.seconds(eval.wait_until), eval.triggered_by),
            });
        }
        if plan.eval_outcome.status == EvalStatus::Blocked {
            self.out.push("still blocked".to_owned());
        }
        if plan.is_no_op() && plan.failed.is_empty() && plan.follow_ups.is_empty() {
            self.out.push("nothing to do".to_owned());
        }
    }

    fn seconds(&self, time: Timestamp) -> i64 {
        self.world.since_start(time)
    }

    pub(crate) fn say_drained(&mut self, step: &drain::DrainStep) {
        for node in step.nodes.iter().filter(|node| node.done) {
            let forced = if node.forced { " by its deadline" } else { "" };
            self.out.push(format!("drain of {} complete{forced}", node.node_id.trim_start_matches("n-")));
        }
    }

    pub(crate) fn say_drain(&mut self, step: &drain::DrainStep) {
        for node in &step.nodes {
            let name = node.node_id.trim_start_matches("n-");
            for waiting in &node.waiting {
                self.out.push(format!("drain of {name} waits for {}: {}", waiting.alloc_name, waiting.reason));
            }
        }
    }
}
