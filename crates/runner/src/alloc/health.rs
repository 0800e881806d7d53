//! Whether an allocation is healthy, as its deployment counts it.

use baton_model::JobType;
use baton_model::alloc::AllocDeploymentStatus;
use baton_model::task::event;
use baton_scheduler::health::{HealthParams, HealthTracker, Verdict};
use tokio::time::Instant;

use super::{LOOK_AGAIN, Runner};
use crate::task::{self, Command, events};

impl Runner {
    /// Looks at tasks and checks; when to look again.
    pub(super) async fn judge_health(&mut self) -> Instant {
        let later = Instant::now() + LOOK_AGAIN;
        let tracked = match self.job.job_type {
            JobType::Service => true,
            JobType::System => !self.alloc.deployment_id.is_empty(),
            JobType::Batch | JobType::Sysbatch => false,
        };
        if !tracked || self.killing || self.health.as_ref().is_some_and(|health| health.healthy.is_some()) {
            self.tracker = None;
            return later;
        }
        if self.is_trying() {
            // Nothing that is seen from outside is its own doing yet.
            return later;
        }
        let now = events::now();
        let params = HealthParams::of(&self.alloc, &self.group);
        let states = self.snapshots().into_iter().map(|(name, snapshot)| (name, snapshot.state)).collect();
        let good = self.shared.services.good(&self.scopes_with_checks());
        let tracker = self.tracker.get_or_insert_with(|| HealthTracker::new(params, now));
        let healthy = match tracker.observe(&self.group, &states, good, now) {
            Verdict::Waiting { until, .. } => {
                return (Instant::now() + until.since(now).to_std()).min(later);
            }
            Verdict::Healthy => true,
            Verdict::Unhealthy { reason } => {
                if self.predecessor().is_some() {
                    self.give_back(&reason, false).await;
                    return later;
                }
                for handle in self.tasks.values() {
                    handle.send(Command::Note(events::new(event::ALLOC_UNHEALTHY, reason.clone()))).await;
                }
                false
            }
        };
        self.tracker = None;
        self.set_health(healthy);
        later
    }

    pub(super) fn set_health(&mut self, healthy: bool) {
        self.health = Some(AllocDeploymentStatus {
            healthy: Some(healthy),
            timestamp: events::now(),
            canary: self.alloc.is_canary(),
            modify_index: 0,
        });
    }

    fn scopes_with_checks(&self) -> Vec<String> {
        let has =
            |services: &[baton_model::service::Service]| services.iter().any(|service| !service.checks.is_empty());
        let tasks = self.group.tasks.iter().filter(|task| has(&task.services));
        let mut scopes: Vec<String> = tasks.map(|task| task::key(&self.alloc.id, &task.name)).collect();
        if has(&self.group.services) {
            scopes.push(self.group_scope());
        }
        scopes
    }
}
