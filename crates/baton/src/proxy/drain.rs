//! Telling the catalog how many requests still run at instances that are about to stop.
//!
//! The runner marks such an instance in the catalog; nothing new is sent to it, and its runner stops it once every proxy that
//! tells has nothing running there any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use baton_consul::Client;
use baton_proxy::EngineHandle;
use baton_proxy::service::Kind;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two looks at the counts.
const LOOK: Duration = Duration::from_millis(50);
/// An unchanged count is told again after this time: the catalog forgets it.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// An instance of the catalog that drains: its id and the authority of its URL.
pub type Draining = Vec<(String, String)>;

/// Tells until it is dropped.
#[derive(Default)]
pub struct Drains {
    draining: Draining,
    telling: Option<tokio::task::JoinHandle<()>>,
}

impl Drains {
    /// These drain now.
    pub fn set(&mut self, draining: Draining, engine: &Arc<EngineHandle>, client: Option<&Client>, name: &str) {
        if draining == self.draining {
            return;
        }
        self.stop();
        self.draining.clone_from(&draining);
        if let Some(client) = client.filter(|_| !draining.is_empty()) {
            let engine = Arc::downgrade(engine);
            let (client, name) = (client.clone(), name.to_owned());
            self.telling = Some(tokio::spawn(async move {
                let mut ticks = interval(LOOK);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut told: HashMap<String, (u64, Instant)> = HashMap::new();
                loop {
                    ticks.tick().await;
                    for (id, authority) in &draining {
                        // Only for the look: whoever ends the engine waits until nobody else holds it.
                        let Some(count) = engine.upgrade().map(|engine| running(&engine, authority)) else { return };
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

    pub fn stop(&mut self) {
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
fn running(engine: &EngineHandle, authority: &str) -> u64 {
    let snapshot = engine.snapshot();
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
