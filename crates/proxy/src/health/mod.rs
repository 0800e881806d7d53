//! Active health checks: each server of a service that asks for it is probed, once for all workers.
//!
//! Input is what an engine serves, output the health of its servers, which balancers read. Runs on the runtime that calls
//! [`Probes::follow`], never on a worker. Invariants: a service that stays the same goes on being probed by the same tasks
//! when others change; a server is probed as soon as it is new, and then by its interval; no more than [`PROBES_MAX`]
//! probes run at a time, and none longer than its timeout.

mod grpc;
mod probe;
mod url;

use crate::balance::{Balancer, Server};
use crate::engine::{EngineHandle, Shared};
use crate::service::Kind;
use baton_routing::config::HealthCheck;
use probe::Probe;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Probes that run at the same time.
const PROBES_MAX: usize = 256;
/// Shortest pause between two probes of a server.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// A server that is down from the start may be starting itself: for one interval it is asked this often.
const NEWCOMER_PAUSE: Duration = Duration::from_secs(1);
/// What zero means for an interval, and for a timeout.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(5);

/// The probes of a process. Dropping it ends them.
#[derive(Debug)]
pub struct Probes {
    services: HashMap<Arc<str>, Probed>,
    turns: Arc<Semaphore>,
}

/// A service that is probed.
#[derive(Debug)]
struct Probed {
    balancer: Arc<Balancer>,
    _tasks: JoinSet<()>,
}

/// When a server is probed.
#[derive(Debug, Clone, Copy)]
struct Rhythm {
    up: Duration,
    down: Duration,
    timeout: Duration,
}

impl Default for Probes {
    fn default() -> Self {
        Self { services: HashMap::new(), turns: Arc::new(Semaphore::new(PROBES_MAX)) }
    }
}

impl Probes {
    /// Probes what the engine's configuration asks for from now on, and nothing else. Called within a runtime.
    pub fn follow(&mut self, engine: &EngineHandle) {
        let snapshot = engine.snapshot();
        let wanted = |name: &str| match &snapshot.services.get(name)?.kind {
            Kind::Balancer(balancer) => Some(balancer),
            _ => None,
        };
        self.services
            .retain(|name, probed| wanted(name).is_some_and(|balancer| Arc::ptr_eq(balancer, &probed.balancer)));
        for (name, service) in &snapshot.services {
            if let Kind::Balancer(balancer) = &service.kind
                && let Some(check) = &balancer.config.health_check
                && !self.services.contains_key(name)
            {
                let probed =
                    Probed { balancer: balancer.clone(), _tasks: self.start(name, check, balancer, engine.shared()) };
                self.services.insert(name.clone(), probed);
            }
        }
    }

    fn start(&self, name: &Arc<str>, check: &HealthCheck, balancer: &Balancer, shared: &Arc<Shared>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for server in &balancer.servers {
            let probe = Probe::new(check, server, shared);
            tasks.spawn(keep_probing(name.clone(), server.clone(), probe, Rhythm::of(check), self.turns.clone()));
        }
        tasks
    }
}

impl Rhythm {
    fn of(check: &HealthCheck) -> Self {
        let or = |span: Duration, default| if span.is_zero() { default } else { span };
        let up = or(*check.interval, INTERVAL);
        let down = check.unhealthy_interval.map_or(up, |span| or(*span, INTERVAL));
        Self { up, down, timeout: or(*check.timeout, TIMEOUT) }
    }
}

/// Probes one server for as long as the task lives.
async fn keep_probing(
    service: Arc<str>,
    server: Arc<Server>,
    probe: Result<Probe, String>,
    rhythm: Rhythm,
    turns: Arc<Semaphore>,
) {
    let (first, mut known) = (Instant::now(), false);
    loop {
        let started = Instant::now();
        let verdict = {
            let Ok(_turn) = turns.acquire().await else { return };
            match &probe {
                Err(reason) => Err(reason.clone()),
                Ok(probe) => match tokio::time::timeout(rhythm.timeout, probe.run()).await {
                    Ok(verdict) => verdict.map_err(|fault| fault.to_string()),
                    Err(_) => Err(format!("no answer within {:?}", rhythm.timeout)),
                },
            }
        };
        if server.set_healthy(verdict.is_ok()) {
            match &verdict {
                Ok(()) => tracing::info!(%service, server = %server.url, "server is up"),
                Err(reason) => tracing::warn!(%service, server = %server.url, "server is down: {reason}"),
            }
        }
        known |= verdict.is_ok();
        let pause = match verdict {
            Ok(()) => rhythm.up,
            Err(_) if !known && first.elapsed() < rhythm.down => rhythm.down.min(NEWCOMER_PAUSE),
            Err(_) => rhythm.down,
        };
        tokio::time::sleep_until((started + pause).max(Instant::now() + PAUSE_MIN)).await;
    }
}
