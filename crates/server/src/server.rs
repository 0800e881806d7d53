//! The handle to the control plane.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use baton_model::eval::trigger;
use baton_model::node::Eligibility;
use baton_model::{Evaluation, Job, Node, Timestamp};
use baton_scheduler::Algorithm;
use baton_store::{Store, StoreError};
use rand::RngExt;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alloc::{self, AllocReport};
use crate::clock::Clock;
use crate::config::{Config, GcThresholds};
use crate::deployment::{self, DeploymentAnswer};
use crate::draft::Draft;
use crate::drain::{self, DrainRequest};
use crate::error::ServerError;
use crate::event::{EventGroup, Feed};
use crate::gc::{self, GcAnswer};
use crate::job::{
    self, DispatchAnswer, DispatchRequest, JobPlan, RegisterAnswer, RegisterRequest, ScaleRequest, StopRequest,
};
use crate::node::{self, NodeAnswer};
use crate::state::State;
use crate::writer::{Load, Writer, Written};
use crate::{duty, eval};

/// A cheap handle; all clones are the same server. Every write returns once it is on the disk.
#[derive(Clone, Debug)]
pub struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    clock: Clock,
    started: Instant,
    state: watch::Receiver<Arc<State>>,
    events: Arc<Feed>,
    writer: Writer,
    /// Until when each node is believed to be alive. A node without an entry has until `after_start`.
    heartbeats: Mutex<HashMap<String, Instant>>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Reads the state and starts the duties; must be called within a tokio runtime.
    pub fn open(config: Config, store: Box<dyn Store>) -> Result<Self, ServerError> {
        let state = State::load(store.as_ref(), &config.datacenter, Duration::ZERO)?;
        let clock = Clock::starting_at(state.newest_time());
        let (publish, state) = watch::channel(Arc::new(state));
        let events = Arc::new(Feed::new());
        let (datacenter, time) = (config.datacenter.clone(), clock.clone());
        let load: Load = Box::new(move |store| State::load(store, &datacenter, time.since_start()));
        let writer =
            Writer::start(store, load, config.region.as_str().into(), publish, Arc::clone(&events), clock.clone())
                .map_err(|error| ServerError::Internal(format!("starting the writer thread ({error})")))?;
        let server = Self(Arc::new(Inner {
            config,
            clock,
            started: Instant::now(),
            state,
            events,
            writer,
            heartbeats: Mutex::default(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }));
        duty::start(&server);
        Ok(server)
    }

    /// Ends the duties, writes what is queued and closes the store. Later writes fail with [`ServerError::Stopped`].
    pub async fn shutdown(&self) {
        self.0.cancel.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.writer.stop().await;
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The newest state; it does not change under the reader.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.0.state.borrow())
    }

    /// Wakes at every change.
    pub fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.0.state.clone()
    }

    /// What is remembered of what happened at `index` and later (nothing without an index), and everything that happens
    /// from now on. A listener more than [`EVENT_BACKLOG`](crate::EVENT_BACKLOG) groups behind misses some.
    pub fn events(&self, index: Option<u64>) -> (Vec<EventGroup>, broadcast::Receiver<EventGroup>) {
        self.0.events.listen(index)
    }

    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The server's time; it never goes back.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn spawn(&self, duty: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.0.cancel.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = duty => {}
            }
        });
    }

    pub(crate) async fn write<T, F>(&self, what: &'static str, command: F) -> Result<Written<T>, ServerError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Draft) -> Result<T, ServerError> + Send + 'static,
    {
        self.0.writer.write(what, command).await
    }

    fn region(&self) -> String {
        self.0.config.region.clone()
    }
}

/// Jobs.
impl Server {
    /// Registers a canonical, valid job.
    pub async fn register_job(&self, request: RegisterRequest) -> Result<Written<RegisterAnswer>, ServerError> {
        let region = self.region();
        self.write("registering a job", move |draft| {
            job::register::register(draft, request, &region, trigger::JOB_REGISTER)
        })
        .await
    }

    /// What registering `job` would do.
    pub fn plan_job(&self, job: Job) -> Result<JobPlan, ServerError> {
        job::plan::plan(&self.state(), job, &self.0.config.region, self.now())
    }

    pub async fn stop_job(&self, request: StopRequest) -> Result<Written<RegisterAnswer>, ServerError> {
        self.write("stopping a job", move |draft| job::stop::stop(draft, &request)).await
    }

    pub async fn dispatch_job(&self, request: DispatchRequest) -> Result<Written<DispatchAnswer>, ServerError> {
        self.write("dispatching a job", move |draft| job::dispatch::dispatch(draft, request)).await
    }

    pub async fn revert_job(
        &self,
        job_id: String,
        version: u64,
        enforce_prior: Option<u64>,
    ) -> Result<Written<RegisterAnswer>, ServerError> {
        let region = self.region();
        self.write("reverting a job", move |draft| job::revert::revert(draft, &job_id, version, enforce_prior, &region))
            .await
    }

    pub async fn set_job_stable(&self, job_id: String, version: u64, stable: bool) -> Result<Written<()>, ServerError> {
        self.write("marking a job version", move |draft| job::revert::stable(draft, &job_id, version, stable)).await
    }

    pub async fn scale_job(&self, request: ScaleRequest) -> Result<Written<RegisterAnswer>, ServerError> {
        let region = self.region();
        self.write("scaling a job", move |draft| job::scale::scale(draft, &request, &region)).await
    }

    /// Runs a periodic job now.
    pub async fn force_periodic(&self, job_id: String) -> Result<Written<DispatchAnswer>, ServerError> {
        self.write("launching a periodic job", move |draft| job::periodic::force(draft, &job_id)).await
    }

    pub async fn evaluate_job(&self, job_id: String, force: bool) -> Result<Written<Evaluation>, ServerError> {
        self.write("evaluating a job", move |draft| eval::request(draft, &job_id, force)).await
    }
}

/// Nodes.
impl Server {
    /// A client says what it is and that it lives. Returns until when it has to say so again.
    pub async fn register_node(&self, node: Node) -> Result<Written<Duration>, ServerError> {
        let id = node.id.to_ascii_lowercase();
        let ttl = self.grant(&id);
        match self.write("registering a node", move |draft| node::register(draft, node)).await {
            Ok(written) => Ok(Written { value: ttl, index: written.index }),
            Err(error) => {
                if self.state().node(&id).is_none() {
                    self.forget(&id);
                }
                Err(error)
            }
        }
    }

    /// A client lives. Only the first sign of life after a silence writes anything.
    pub async fn heartbeat(&self, node_id: &str) -> Result<Written<Duration>, ServerError> {
        let state = self.state();
        let node = state.node(node_id).ok_or_else(|| ServerError::not_found("node not found"))?;
        let ttl = self.grant(node_id);
        let mut index = state.index();
        if node.status != baton_model::node::NodeStatus::Ready {
            let id = node_id.to_owned();
            index = self.write("reviving a node", move |draft| node::revive(draft, &id)).await?.index;
        }
        Ok(Written { value: ttl, index })
    }

    fn grant(&self, node_id: &str) -> Duration {
        let rules = self.0.config.heartbeat;
        let ttl = rules.ttl + rules.ttl.mul_f64(rand::rng().random_range(0.0..1.0));
        let mut heartbeats = self.0.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        heartbeats.insert(node_id.to_owned(), Instant::now() + ttl + rules.grace);
        ttl
    }

    fn forget(&self, node_id: &str) {
        self.0.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).remove(node_id);
    }

    pub(crate) fn heartbeat_deadline(&self, node_id: &str) -> Instant {
        let heartbeats = self.0.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        heartbeats.get(node_id).copied().unwrap_or(self.0.started + self.0.config.heartbeat.after_start)
    }

    pub async fn drain_node(&self, request: DrainRequest) -> Result<Written<NodeAnswer>, ServerError> {
        self.write("draining a node", move |draft| drain::set(draft, &request)).await
    }

    pub async fn set_eligibility(
        &self,
        node_id: String,
        wanted: Eligibility,
    ) -> Result<Written<NodeAnswer>, ServerError> {
        self.write("changing a node's eligibility", move |draft| node::set_eligibility(draft, &node_id, wanted)).await
    }

    pub async fn evaluate_node(&self, node_id: String) -> Result<Written<NodeAnswer>, ServerError> {
        self.write("evaluating a node", move |draft| node::evaluate(draft, &node_id)).await
    }

    pub async fn purge_node(&self, node_id: String) -> Result<Written<NodeAnswer>, ServerError> {
        let id = node_id.clone();
        let written = self.write("forgetting a node", move |draft| node::purge(draft, &node_id)).await?;
        self.forget(&id);
        Ok(written)
    }

    /// What a client says about its allocations.
    pub async fn report_allocs(&self, node_id: String, reports: Vec<AllocReport>) -> Result<Written<()>, ServerError> {
        self.write("taking allocation reports", move |draft| alloc::report(draft, &node_id, reports)).await
    }
}

/// Allocations and deployments.
impl Server {
    pub async fn stop_alloc(
        &self,
        alloc_id: String,
        no_shutdown_delay: bool,
    ) -> Result<Written<Evaluation>, ServerError> {
        self.write("stopping an allocation", move |draft| alloc::stop(draft, &alloc_id, no_shutdown_delay)).await
    }

    /// `groups: None` promotes all.
    pub async fn promote_deployment(
        &self,
        id: String,
        groups: Option<Vec<String>>,
    ) -> Result<Written<DeploymentAnswer>, ServerError> {
        let region = self.region();
        self.write("promoting a deployment", move |draft| deployment::promote(draft, &id, groups.as_deref(), &region))
            .await
    }

    pub async fn fail_deployment(&self, id: String) -> Result<Written<DeploymentAnswer>, ServerError> {
        let region = self.region();
        self.write("failing a deployment", move |draft| deployment::fail(draft, &id, &region)).await
    }

    pub async fn pause_deployment(&self, id: String, pause: bool) -> Result<Written<DeploymentAnswer>, ServerError> {
        self.write("pausing a deployment", move |draft| deployment::pause(draft, &id, pause)).await
    }

    pub async fn set_deployment_health(
        &self,
        id: String,
        healthy: Vec<String>,
        unhealthy: Vec<String>,
    ) -> Result<Written<DeploymentAnswer>, ServerError> {
        self.write("setting allocation health", move |draft| deployment::set_health(draft, &id, &healthy, &unhealthy))
            .await
    }

    /// Forgets everything that is finished.
    pub async fn collect_garbage(&self) -> Result<Written<GcAnswer>, ServerError> {
        self.write("collecting garbage", |draft| gc::collect(draft, &GcThresholds::everything())).await
    }

    /// How nodes are preferred from now on. What is placed stays where it is.
    pub async fn set_algorithm(&self, algorithm: Algorithm) -> Result<Written<()>, ServerError> {
        self.write("configuring the scheduler", move |draft| {
            draft.set_algorithm(algorithm);
            Ok(())
        })
        .await
    }

    /// A copy of the whole store.
    pub async fn snapshot(&self) -> Result<Vec<u8>, ServerError> {
        let copy = |store: &dyn Store| {
            let mut bytes = Vec::new();
            store.snapshot(&mut bytes as &mut dyn Write)?;
            Ok::<_, StoreError>(bytes)
        };
        Ok(self.0.writer.look(copy).await??)
    }
}
