//! Everything the server knows, as one immutable value.
//!
//! The maps share their structure between versions: a copy costs a few pointers, so every reader holds its own
//! consistent [`State`] and the writer prepares the next one beside it. Only [`crate::draft::Draft`] changes it.

pub(crate) mod load;
mod query;
mod record;

use std::sync::Arc;

use baton_model::{Allocation, Deployment, Evaluation, Node, Timestamp};
use baton_scheduler::Algorithm;
use baton_store::Table;
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

pub use query::JobSummary;
pub(crate) use record::VERSIONS_KEPT;
pub use record::{JobRecord, Submission};

/// The first index; answers never carry 0.
pub(crate) const FIRST_INDEX: u64 = 1;

pub(crate) type Map<V> = RedBlackTreeMapSync<String, V>;
/// Pairs (owner, id), so that the ids of one owner stand together.
pub(crate) type Pairs = RedBlackTreeSetSync<(String, String)>;

#[derive(Clone, Debug)]
pub struct State {
    pub(crate) index: u64,
    /// Modify index of each table, in the order of [`Table::ALL`].
    pub(crate) table_index: [u64; Table::ALL.len()],
    pub(crate) jobs: Map<Arc<JobRecord>>,
    pub(crate) nodes: Map<Arc<Node>>,
    pub(crate) allocs: Map<Arc<Allocation>>,
    pub(crate) evals: Map<Arc<Evaluation>>,
    pub(crate) deployments: Map<Arc<Deployment>>,
    pub(crate) allocs_by_job: Pairs,
    pub(crate) allocs_by_node: Pairs,
    pub(crate) evals_by_job: Pairs,
    pub(crate) deployments_by_job: Pairs,
    /// Evaluations that are pending or blocked, with nothing in front.
    pub(crate) open_evals: RedBlackTreeSetSync<String>,
    /// Deployments that are still going on.
    pub(crate) open_deployments: RedBlackTreeSetSync<String>,
    /// When something among a node's allocations last changed. Not stored: it begins anew with the table's index.
    pub(crate) node_allocs_index: Map<u64>,
    /// Periodic job → seconds of its newest launch.
    pub(crate) launches: Map<u64>,
    /// How nodes are preferred.
    pub(crate) algorithm: Algorithm,
    /// Services, checks, keys and sessions. Copied when it changes while somebody reads it.
    pub(crate) catalog: Arc<baton_catalog::State>,
}

impl State {
    pub(crate) fn empty(catalog: baton_catalog::State) -> Self {
        Self {
            index: FIRST_INDEX,
            table_index: [FIRST_INDEX; Table::ALL.len()],
            jobs: Map::new_sync(),
            nodes: Map::new_sync(),
            allocs: Map::new_sync(),
            evals: Map::new_sync(),
            deployments: Map::new_sync(),
            allocs_by_job: Pairs::new_sync(),
            allocs_by_node: Pairs::new_sync(),
            evals_by_job: Pairs::new_sync(),
            deployments_by_job: Pairs::new_sync(),
            open_evals: RedBlackTreeSetSync::new_sync(),
            open_deployments: RedBlackTreeSetSync::new_sync(),
            node_allocs_index: Map::new_sync(),
            launches: Map::new_sync(),
            algorithm: Algorithm::default(),
            catalog: Arc::new(catalog),
        }
    }
}

impl State {
    /// The index of the newest change.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How nodes are preferred.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The latest time that anything here was changed at.
    pub(crate) fn newest_time(&self) -> Timestamp {
        let jobs = self.jobs.values().map(|record| record.job.submit_time);
        let allocs = self.allocs.values().map(|alloc| alloc.modify_time);
        let evals = self.evals.values().map(|eval| eval.modify_time);
        let deployments = self.deployments.values().map(|deployment| deployment.modify_time);
        jobs.chain(allocs).chain(evals).chain(deployments).max().unwrap_or(Timestamp::NEVER)
    }

    /// The index of the newest change in a table, removals included.
    pub fn table_index(&self, table: Table) -> u64 {
        self.table_index[position(table)]
    }
}

pub(crate) fn position(table: Table) -> usize {
    Table::ALL.iter().position(|other| *other == table).unwrap_or(0)
}
