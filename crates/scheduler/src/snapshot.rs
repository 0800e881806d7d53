//! What the scheduler is told: one consistent view of the cluster, taken by the server.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use baton_model::{Allocation, Deployment, Evaluation, Job, Node, Timestamp};

/// Everything one evaluation depends on. Nothing else has any influence on the plan.
pub struct Snapshot<'a> {
    /// The job as registered; `None` (or `stop`) means that all its allocations go.
    pub job: Option<&'a Job>,
    pub job_id: &'a str,
    /// All allocations of this job, terminal ones included.
    pub allocs: &'a [Allocation],
    /// The whole cluster.
    pub nodes: &'a [Node],
    /// All allocations of all jobs that hold resources: those whose client is not done with them. Allocations of this job
    /// may be in both lists.
    pub node_allocs: &'a [Allocation],
    /// The versions of this job that are kept, newest first; the present one may be among them.
    pub versions: &'a [Arc<Job>],
    /// The job's latest deployment.
    pub deployment: Option<&'a Deployment>,
    /// All deployments of the job that are on record.
    pub deployments: &'a [Arc<Deployment>],
    pub eval: &'a Evaluation,
    pub now: Timestamp,
    pub config: &'a SchedulerConfig,
    /// The nodes behind a failover address: they are updated and drained last.
    pub holds: &'a BTreeSet<String>,
    /// Gives a new unique id at each call.
    pub ids: &'a mut dyn FnMut() -> String,
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("job_id", &self.job_id)
            .field("eval", &self.eval.id)
            .field("allocs", &self.allocs.len())
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Snapshot<'a> {
    /// The job, unless it is stopped.
    pub(crate) fn active_job(&self) -> Option<&'a Job> {
        self.job.filter(|job| !job.stop)
    }

    pub(crate) fn node(&self, id: &str) -> Option<&'a Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

/// The operator's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedulerConfig {
    pub algorithm: Algorithm,
}

/// How nodes that fit are preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Fill nodes.
    #[default]
    Binpack,
    /// Use the emptiest node.
    Spread,
}
