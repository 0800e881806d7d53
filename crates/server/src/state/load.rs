//! The state as the store has it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use baton_model::{Allocation, Deployment, Evaluation, Job, Node};
use baton_scheduler::Algorithm;
use baton_store::{Store, StoreError, Table, row};
use serde::de::DeserializeOwned;

use crate::error::ServerError;

use super::{FIRST_INDEX, JobRecord, State, Submission, position};

/// Key of the index in the meta table; the others are `table/<name>`.
pub(crate) const META_INDEX: &str = "index";

/// 1 where nodes are filled evenly; the key is missing or 0 where they are filled one by one.
pub(crate) const META_SPREADS: &str = "scheduler/spreads";

pub(crate) fn meta_table_key(table: Table) -> String {
    format!("table/{}", table.name())
}

/// Job id and version as a key; ids hold no NUL.
pub(crate) fn version_key(job_id: &str, version: u64) -> Vec<u8> {
    let mut key = job_id.as_bytes().to_vec();
    key.push(0);
    key.extend(version.to_be_bytes());
    key
}

/// Name of the catalog's table and the key in it.
pub(crate) fn catalog_key(table: &str, key: &str) -> Vec<u8> {
    format!("{table}/{key}").into_bytes()
}

/// Key of a periodic job's newest launch in the meta table.
pub(crate) fn launch_key(job_id: &str) -> String {
    format!("{LAUNCH}{job_id}")
}

const LAUNCH: &str = "launch/";

fn split_version_key(key: &[u8]) -> Option<(String, u64)> {
    let (id, version) = key.split_at_checked(key.len().checked_sub(8)?)?;
    let id = id.strip_suffix(&[0])?;
    Some((String::from_utf8(id.to_vec()).ok()?, u64::from_be_bytes(version.try_into().ok()?)))
}

impl State {
    /// Reads everything. The store is only read.
    pub(crate) fn load(store: &dyn Store, datacenter: &str, now: baton_catalog::Now) -> Result<Self, ServerError> {
        let mut state = Self::empty(load_catalog(store, datacenter, now)?);
        let meta: BTreeMap<String, u64> =
            rows(store, Table::Meta)?.into_iter().map(|(key, n)| (text(key), n)).collect();
        state.index = meta.get(META_INDEX).copied().unwrap_or(FIRST_INDEX);
        for table in Table::ALL {
            state.table_index[position(table)] = meta.get(&meta_table_key(table)).copied().unwrap_or(FIRST_INDEX);
        }
        if meta.get(META_SPREADS) == Some(&1) {
            state.algorithm = Algorithm::Spread;
        }
        for (key, seconds) in &meta {
            if let Some(job_id) = key.strip_prefix(LAUNCH) {
                state.launches.insert_mut(job_id.to_owned(), *seconds);
            }
        }

        let mut shared: HashMap<(String, u64, u64), Arc<Job>> = HashMap::new();
        let mut share = |job: Job| {
            let known = shared.entry((job.id.clone(), job.version, job.modify_index)).or_insert_with(|| Arc::new(job));
            Arc::clone(known)
        };
        let mut versions: BTreeMap<String, Vec<Arc<Job>>> = BTreeMap::new();
        for (_, job) in rows::<Job>(store, Table::JobVersions)? {
            versions.entry(job.id.clone()).or_default().push(share(job));
        }
        let mut submissions: BTreeMap<String, BTreeMap<u64, Arc<Submission>>> = BTreeMap::new();
        for (key, submission) in rows::<Submission>(store, Table::JobSubmissions)? {
            if let Some((id, version)) = split_version_key(&key) {
                submissions.entry(id).or_default().insert(version, Arc::new(submission));
            }
        }
        for (_, job) in rows::<Job>(store, Table::Jobs)? {
            let job = share(job);
            let mut versions = versions.remove(&job.id).unwrap_or_else(|| vec![Arc::clone(&job)]);
            versions.sort_by_key(|job| std::cmp::Reverse(job.version));
            let submissions = submissions.remove(&job.id).unwrap_or_default();
            state.jobs.insert_mut(job.id.clone(), Arc::new(JobRecord { job, versions, submissions }));
        }
        for (_, node) in rows::<Node>(store, Table::Nodes)? {
            state.nodes.insert_mut(node.id.clone(), Arc::new(node));
        }
        let mut alloc_jobs: HashMap<Vec<u8>, Arc<Job>> = HashMap::new();
        for (key, job) in rows::<Job>(store, Table::AllocJobs)? {
            alloc_jobs.insert(key, share(job));
        }
        let allocs_index = state.table_index(Table::Allocs);
        for (key, mut alloc) in rows::<Allocation>(store, Table::Allocs)? {
            alloc.job = alloc_jobs.remove(&key);
            state.node_allocs_index.insert_mut(alloc.node_id.clone(), allocs_index);
            state.insert_alloc(Arc::new(alloc));
        }
        for (_, eval) in rows::<Evaluation>(store, Table::Evals)? {
            state.insert_eval(Arc::new(eval));
        }
        for (_, deployment) in rows::<Deployment>(store, Table::Deployments)? {
            state.insert_deployment(Arc::new(deployment));
        }
        Ok(state)
    }

    pub(crate) fn insert_alloc(&mut self, alloc: Arc<Allocation>) {
        self.allocs_by_job.insert_mut((alloc.job_id.clone(), alloc.id.clone()));
        self.allocs_by_node.insert_mut((alloc.node_id.clone(), alloc.id.clone()));
        self.allocs.insert_mut(alloc.id.clone(), alloc);
    }

    pub(crate) fn insert_eval(&mut self, eval: Arc<Evaluation>) {
        self.evals_by_job.insert_mut((eval.job_id.clone(), eval.id.clone()));
        if eval.status.is_terminal() {
            self.open_evals.remove_mut(&eval.id);
        } else {
            self.open_evals.insert_mut(eval.id.clone());
        }
        self.evals.insert_mut(eval.id.clone(), eval);
    }

    pub(crate) fn insert_deployment(&mut self, deployment: Arc<Deployment>) {
        self.deployments_by_job.insert_mut((deployment.job_id.clone(), deployment.id.clone()));
        if deployment.status.is_active() {
            self.open_deployments.insert_mut(deployment.id.clone());
        } else {
            self.open_deployments.remove_mut(&deployment.id);
        }
        self.deployments.insert_mut(deployment.id.clone(), deployment);
    }
}

fn load_catalog(
    store: &dyn Store,
    datacenter: &str,
    now: baton_catalog::Now,
) -> Result<baton_catalog::State, ServerError> {
    let mut rows = Vec::new();
    for (key, bytes) in store.scan(Table::Catalog)? {
        let value = row::unwrap(&bytes).map_err(|source| StoreError::row(Table::Catalog, &key, source))?.to_vec();
        let key = text(key);
        let (table, key) = key.split_once('/').unwrap_or((&key, ""));
        rows.push((table.to_owned(), key.to_owned(), value));
    }
    let rows = rows.iter().map(|(table, key, value)| (table.as_str(), key.as_str(), value.as_slice()));
    baton_catalog::State::restore(datacenter, rows, now)
        .map_err(|error| StoreError::Read(format!("catalog: {error}")).into())
}

fn rows<T: DeserializeOwned>(store: &dyn Store, table: Table) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
    let decode = |(key, bytes): (Vec<u8>, Vec<u8>)| match row::decode(&bytes) {
        Ok(value) => Ok((key, value)),
        Err(source) => Err(StoreError::row(table, &key, source)),
    };
    store.scan(table)?.into_iter().map(decode).collect()
}

fn text(key: Vec<u8>) -> String {
    String::from_utf8_lossy(&key).into_owned()
}
