//! Events as they happen, one line each, on standard error.

use std::sync::Arc;

use baton_model::{AllocClientStatus, id};
use baton_server::{Event, Payload, Server};
use tokio::sync::broadcast::error::RecvError;

use super::last_words::LastWords;
use crate::agent::clients::Clients;
use crate::cli::times;

/// Tells what happens until the server ends; what failed tasks wrote last is read through `clients`.
pub async fn tell(server: Server, clients: Arc<Clients>) {
    let (_, mut events) = server.events(None);
    let mut last = std::collections::HashMap::new();
    let mut words = LastWords::new(clients);
    loop {
        match events.recv().await {
            Ok(batch) => {
                for event in batch.iter() {
                    let mut lines = Vec::from_iter(line(event, &mut last));
                    if let Payload::Allocation(alloc) = &event.payload {
                        lines.extend(words.of(alloc).await);
                    }
                    for line in lines {
                        eprintln!("{}  {line}", times::date(times::now()));
                    }
                }
            }
            Err(RecvError::Lagged(missed)) => eprintln!("({missed} batches of events were missed)"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// What is worth a line: nodes coming and going, allocations and deployments changing their state.
fn line(event: &Event, last: &mut std::collections::HashMap<String, String>) -> Option<String> {
    let (state, text) = match &event.payload {
        Payload::Job(job) => (
            format!("{} {}", job.status, job.version),
            format!("job {} version {}: {}", job.id, job.version, job.status),
        ),
        Payload::Node(node) => {
            let drain = if node.drain_strategy.is_some() { ", draining" } else { "" };
            let state = format!("{}, {}{drain}", node.status.as_str(), node.scheduling_eligibility.as_str());
            (state.clone(), format!("node {}: {state}", node.name))
        }
        Payload::Allocation(alloc) => {
            let mut state = format!("{}, {}", alloc.desired_status.as_str(), alloc.client_status.as_str());
            match alloc.deployment_health() {
                Some(true) => state += ", healthy",
                Some(false) => state += ", unhealthy",
                None => {}
            }
            let why = match alloc.client_status {
                AllocClientStatus::Failed => why(alloc).map(|why| format!(" ({why})")),
                _ => None,
            };
            let text = format!("{} {} on {}: {state}", alloc.name, id::short(&alloc.id), alloc.node_name);
            (state, text + &why.unwrap_or_default())
        }
        Payload::Deployment(deployment) => {
            let text = format!(
                "deployment {} of {}: {}",
                id::short(&deployment.id),
                deployment.job_id,
                deployment.status_description
            );
            (deployment.status_description.clone(), text)
        }
        Payload::Evaluation(eval) => {
            let failed = eval.failed_tg_allocs.keys().cloned().collect::<Vec<_>>().join(", ");
            if failed.is_empty() {
                return None;
            }
            (
                failed.clone(),
                format!("job {}: no room for {failed} (baton eval status {})", eval.job_id, id::short(&eval.id)),
            )
        }
    };
    let key = format!("{} {}", event.topic, event.key);
    (last.insert(key, state.clone()) != Some(state)).then_some(text)
}

/// The last thing that went wrong with an allocation.
fn why(alloc: &baton_model::Allocation) -> Option<String> {
    let events = alloc.task_states.values().flat_map(|state| &state.events);
    let last = events.filter(|event| !event.display_message.is_empty()).max_by_key(|event| event.time)?;
    Some(last.display_message.clone())
}
