//! A successor is looked at alone before it accepts a connection, then it accepts in place of the old one.
//!
//! Over the shared address a check would reach the old process half of the time. A program in standby says under which
//! addresses of its own it answers as it would (`X-BATON-PRIVATE`): there its checks have to pass. A program that knows nothing
//! of this has proven what it can with `READY=1`.

use std::net::SocketAddr;
use std::time::Duration;

use baton_keeper::protocol::{GO_ON, STAND_BY, TaskInfo};
use baton_model::service::Service;
use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::{Runner, events};
use crate::service::{self, CheckSpec, Probe};

/// How long its checks may take to pass where the job's update says nothing, as Nomad's `healthy_deadline`.
const LOOK_LIMIT: Duration = Duration::from_secs(5 * 60);
/// Between two looks at most, whatever the check's interval.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a task may take to accept once it is told to.
const ACCEPT_LIMIT: Duration = Duration::from_secs(10);
/// The event of a task that took over.
const TOOK_OVER: &str = "Took Over";

/// Whose sockets a task takes over, and whom to tell how that went.
pub(crate) struct Inherit {
    /// The keeper's key of the old task.
    pub(crate) from: String,
    pub(crate) tell: oneshot::Sender<Result<(), NotTaken>>,
}

/// Why a task has not taken over.
#[derive(Debug)]
pub(crate) struct NotTaken {
    pub(crate) reason: String,
    /// Nothing shows that the program is able to.
    pub(crate) unable: bool,
}

/// What it was proven by, or why it was not.
pub(super) type Looking = BoxFuture<'static, Result<String, String>>;

/// Where a task that takes over stands.
pub(super) enum Takeover {
    /// Nothing to do now.
    Settled,
    Look(Looking),
    /// It accepts, by all that can be known.
    Taken,
    Failed(NotTaken),
}

impl Runner {
    /// What follows from what the task says.
    pub(super) fn takeover(&self, info: &TaskInfo) -> Takeover {
        if self.inherit.is_none() || !info.ready {
            return Takeover::Settled;
        }
        if info.stored.is_empty() {
            let reason = "it is ready and has not taken the sockets over".to_owned();
            return Takeover::Failed(NotTaken { reason, unable: true });
        }
        if info.private.is_empty() {
            return Takeover::Taken;
        }
        Takeover::Look(self.look_alone(&info.private))
    }

    /// How long a successor has until it must have shown that it can serve.
    pub(super) fn look_limit(&self) -> Duration {
        let deadline = self.setup.group.update.as_ref().map(|update| update.healthy_deadline.to_std());
        deadline.filter(|deadline| !deadline.is_zero()).unwrap_or(LOOK_LIMIT)
    }

    /// Its checks, at the addresses where only this process answers.
    fn look_alone(&self, private: &[(u16, SocketAddr)]) -> Looking {
        let limit = self.look_limit();
        let checks =
            self.checks().map(|checks| checks.iter().filter_map(|check| check.at(private)).collect::<Vec<_>>());
        async move {
            let deadline = Instant::now() + limit;
            let mut passed = Vec::new();
            for check in checks? {
                let name = check.name.clone();
                passed.push(format!("{name:?} at {}", check.target()));
                until_passing(check, deadline).await.map_err(|said| {
                    format!("check {name:?} did not pass within {limit:?} while it was looked at alone: {said}")
                })?;
            }
            Ok(passed.join(", "))
        }
        .boxed()
    }

    /// All checks of the task's services, and of the group's where they are about this task.
    fn checks(&self) -> Result<Vec<CheckSpec>, String> {
        let group = &self.setup.group;
        let first =
            group.tasks.iter().find(|task| task.lifecycle.is_none()).is_some_and(|t| t.name == self.setup.task.name);
        let about =
            |service: &&Service| service.task_name == self.setup.task.name || (service.task_name.is_empty() && first);
        let of_group: Vec<Service> = group.services.iter().filter(about).cloned().collect();
        let mut wanted = self.registrations(&self.setup.task.services)?;
        wanted.extend(service::registrations(&service::Owner { task: None, ..self.owner(&self.env()) }, &of_group)?);
        Ok(wanted.into_iter().flat_map(|wanted| wanted.registration.checks).collect())
    }

    /// Lets a task that was in standby accept, and the old one stand by.
    pub(super) async fn take_over(&mut self, proof: &str) -> Result<(), NotTaken> {
        self.go_on().await?;
        let Some(Inherit { from, tell }) = self.inherit.take() else { return Ok(()) };
        // One that does not know the signal goes on accepting, and is stopped soon anyway.
        if let Err(error) = self.shared.keeper.signal_group(&from, STAND_BY).await {
            tracing::debug!(task = %self.key, %error, "the old task cannot be told to stand by");
        }
        let by = if proof.is_empty() { String::new() } else { format!("; proven alone by {proof}") };
        let text = format!("Accepts connections in place of {}{by}", from.split('/').next().unwrap_or(&from));
        self.event(events::new(TOOK_OVER, text));
        let _ = tell.send(Ok(()));
        Ok(())
    }

    pub(super) async fn go_on(&mut self) -> Result<(), NotTaken> {
        let failed = |reason: String| NotTaken { reason, unable: false };
        let accepts =
            |info: &Option<TaskInfo>| info.as_ref().is_none_or(|info| info.private.is_empty() || info.exit().is_some());
        if accepts(&self.known.borrow()) {
            return Ok(());
        }
        let told = self.shared.keeper.signal_group(&self.key, GO_ON).await;
        told.map_err(|error| failed(format!("it cannot be told to accept: {error}")))?;
        match timeout(ACCEPT_LIMIT, self.known.wait_for(accepts)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(failed(format!("it does not accept connections {ACCEPT_LIMIT:?} after it was told to"))),
        }
    }
}

async fn until_passing(check: CheckSpec, deadline: Instant) -> Result<(), String> {
    let pause = Some(check.interval.to_std()).filter(|pause| !pause.is_zero()).unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
    let mut probe = Probe::new(check, true)?;
    loop {
        let report = probe.run().await;
        if report.status == baton_consul::wire::Status::Passing {
            return Ok(());
        }
        if Instant::now() + pause >= deadline {
            return Err(report.output);
        }
        sleep(pause).await;
    }
}
