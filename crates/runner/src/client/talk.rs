//! The loops that talk with the server.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use baton_model::Allocation;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Shared;

/// How long a read of allocations waits for news.
const WAIT: Duration = Duration::from_secs(60);
/// After a server that did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// Between two heartbeats at least.
const HEARTBEAT_MIN: Duration = Duration::from_millis(500);
/// Statuses that come within this time go together.
const BATCH: Duration = Duration::from_millis(50);
/// Between two collections of ended allocations, as in Nomad.
const GC_PERIOD: Duration = Duration::from_secs(60);

pub(super) fn start(shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(heartbeats(shared.clone())),
        tokio::spawn(assignments(shared.clone())),
        tokio::spawn(statuses(shared.clone())),
        tokio::spawn(garbage(shared.clone())),
    ]
}

async fn heartbeats(shared: Arc<Shared>) {
    let link = &shared.config.link;
    let mut registered = false;
    let mut failing = false;
    loop {
        let lease = if registered {
            link.heartbeat(&shared.config.node.id).await
        } else {
            link.register(&shared.config.node).await
        };
        match lease {
            Ok(lease) => {
                if !std::mem::replace(&mut registered, true) || failing {
                    tracing::info!(node = %shared.config.node.name, "the server knows this node");
                }
                failing = false;
                // Twice within its time, so that one lost heartbeat costs nothing.
                sleep((lease.heartbeat_ttl.to_std() / 2).max(HEARTBEAT_MIN)).await;
            }
            Err(error) => {
                registered &= !error.is_unknown_node();
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "no heartbeat; what runs goes on");
                }
                sleep(RETRY).await;
            }
        }
    }
}

async fn assignments(shared: Arc<Shared>) {
    let mut index = 0;
    loop {
        let began = Instant::now();
        match shared.config.link.allocs(&shared.config.node.id, index, WAIT).await {
            Ok(assigned) => {
                // An index that goes back is another history of the server: read it from its start.
                index = if assigned.index < index { 0 } else { assigned.index };
                shared.assign(assigned.allocs).await;
            }
            Err(error) => {
                tracing::debug!(%error, "no allocations from the server");
                index = 0;
                sleep(RETRY.saturating_sub(began.elapsed())).await;
            }
        }
    }
}

async fn statuses(shared: Arc<Shared>) {
    loop {
        shared.wake.notified().await;
        sleep(BATCH).await;
        while !send(&shared).await {
            sleep(RETRY).await;
        }
    }
}

/// True when the server has everything.
pub(super) async fn send(shared: &Shared) -> bool {
    let changed = || shared.changed.lock().unwrap_or_else(PoisonError::into_inner);
    let report = |id: &String| Some(shared.alloc(id)?.report.borrow().alloc.clone());
    let sent: BTreeMap<String, Option<Allocation>> = changed().iter().map(|id| (id.clone(), report(id))).collect();
    let allocs: Vec<Allocation> = sent.values().flatten().cloned().collect();
    if !allocs.is_empty()
        && let Err(error) = shared.config.link.update(&shared.config.node.id, &allocs).await
    {
        tracing::debug!(%error, "the server does not take statuses now");
        return false;
    }
    // What moved meanwhile is still to be told.
    changed().retain(|id| sent.get(id).is_none_or(|sent| *sent != report(id)));
    true
}

async fn garbage(shared: Arc<Shared>) {
    loop {
        sleep(GC_PERIOD).await;
        shared.collect_garbage(shared.config.gc_max_allocs).await;
    }
}
