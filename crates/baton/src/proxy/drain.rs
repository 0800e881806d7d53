//! Telling the catalog how many requests still run at instances that are about to stop.
//!
//! The runner marks such an instance in the catalog; nothing new is sent to it, and its runner stops it once every proxy that
//! tells has nothing running there any more.

use std::collections::HashMap;
use std::time::Duration;

use baton_consul::Client;
use baton_proxy::engine::Snapshots;
use baton_proxy::service::Kind;
use baton_proxy::snapshot::Snapshot;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two looks at the counts.
const LOOK: Duration = Duration::from_millis(50);
/// An unchanged count is told again after this time: the catalog forgets it.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// How long the end of a proxy waits until the catalog has heard of it.
const LAST_WORD: Duration = Duration::from_secs(1);

/// An instance of the catalog that drains: its id and the authority of its URL.
pub type Draining = Vec<(String, String)>;

/// Tells until it is dropped.
pub struct Drains {
    /// Whose requests are counted.
    snapshots: Snapshots,
    /// Under which name they are told.
    name: String,
    draining: Draining,
    telling: Option<tokio::task::JoinHandle<()>>,
}

impl Drains {
    pub fn new(snapshots: Snapshots, name: String) -> Self {
        Self { snapshots, name, draining: Vec::new(), telling: None }
    }

    /// These drain now.
    pub fn set(&mut self, draining: Draining, client: Option<&Client>) {
        if draining == self.draining {
            return;
        }
        self.stop();
        self.draining.clone_from(&draining);
        if let Some(client) = client.filter(|_| !draining.is_empty()) {
            let (snapshots, client, name) = (self.snapshots.clone(), client.clone(), self.name.clone());
            self.telling = Some(tokio::spawn(async move {
                let mut ticks = interval(LOOK);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut told: HashMap<String, (u64, Instant)> = HashMap::new();
                loop {
                    ticks.tick().await;
                    for (id, authority) in &draining {
                        let count = running(&snapshots.now(), authority);
                        let fresh = |(last, at): &(u64, Instant)| *last == count && at.elapsed() < TELL_AGAIN;
                        if told.get(id).is_some_and(fresh) {
                            continue;
                        }
                        // A catalog that is no Baton's does not know this; its runner does not ask either.
                        if let Err(error) = client.report_drain(id, &name, count).await {
                            tracing::debug!(%error, "what still runs at a draining instance cannot be told");
                        }
                        told.insert(id.clone(), (count, Instant::now()));
                    }
                }
            }));
        }
    }

    /// Tells what is left at the end of this proxy: nobody is to wait until the catalog forgets the last count.
    pub async fn finish(mut self, client: Option<&Client>) {
        self.stop();
        let Some(client) = client else { return };
        let snapshot = self.snapshots.now();
        let told = self.draining.iter().map(|(id, authority)| {
            let count = running(&snapshot, authority);
            client.report_drain(id, &self.name, count)
        });
        let _ = tokio::time::timeout(LAST_WORD, futures::future::join_all(told)).await;
    }

    fn stop(&mut self) {
        if let Some(telling) = self.telling.take() {
            telling.abort();
        }
    }
}

impl Drop for Drains {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Requests and tunnels at the servers with this authority, whichever services they belong to.
fn running(snapshot: &Snapshot, authority: &str) -> u64 {
    let mut seen = Vec::new();
    let mut sum = 0;
    for service in snapshot.services.values() {
        let Kind::Balancer(balancer) = &service.kind else { continue };
        for server in balancer.servers.iter().filter(|server| *server.authority == *authority) {
            if !seen.contains(&server.id) {
                seen.push(server.id);
                sum += u64::try_from(server.in_flight()).unwrap_or(0);
            }
        }
    }
    sum
}
