//! The next state, while a command prepares it.
//!
//! A [`Draft`] is the only way to change the [`State`]: what it changes in memory it also writes into the batch for the
//! store and into the event feed. A command that fails leaves no trace. Every command that changes something has its own
//! index.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use baton_model::{Allocation, Deployment, Evaluation, Job, Node, Timestamp};
use baton_scheduler::Algorithm;
use baton_store::{Batch, StoreError, Table, row};
use serde::Serialize;

use crate::error::ServerError;
use crate::event::{Event, Payload};
use crate::job::status;
use crate::state::load::{META_INDEX, META_SPREADS, catalog_key, launch_key, meta_table_key, version_key};
use crate::state::{JobRecord, State, Submission, VERSIONS_KEPT, position};
use crate::{deployment, drain, eval};

#[derive(Debug)]
pub(crate) struct Draft {
    region: Arc<str>,
    state: State,
    batch: Batch,
    events: Vec<Event>,
    /// The first row that could not be encoded; the command fails with it.
    failure: Option<StoreError>,
    /// Jobs whose derived status may have changed.
    touched: BTreeSet<String>,
    /// Room may have appeared: blocked evaluations are worth another look.
    pub(crate) capacity_changed: bool,
    /// The catalog changed in something that is neither stored nor wakes anybody.
    volatile: bool,
    /// The time of this command.
    pub(crate) now: Timestamp,
}

impl Deref for Draft {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl Draft {
    pub(crate) fn new(state: State, region: Arc<str>, now: Timestamp) -> Self {
        Self {
            region,
            state,
            batch: Batch::new(),
            events: Vec::new(),
            failure: None,
            touched: BTreeSet::new(),
            capacity_changed: false,
            volatile: false,
            now,
        }
    }

    /// Runs one command: all of it, or nothing.
    pub(crate) fn attempt<T>(
        &mut self,
        what: &'static str,
        now: Timestamp,
        command: impl FnOnce(&mut Self) -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        let before = self.state.clone();
        let (rows, events) = (self.batch.len(), self.events.len());
        self.now = now;
        self.state.index += 1;
        let run = AssertUnwindSafe(|| {
            let value = command(self)?;
            self.settle()?;
            Ok(value)
        });
        // A defect in one command must not end the control plane; the state from before it is still at hand.
        let mut outcome = catch_unwind(run).unwrap_or_else(|_| Err(ServerError::Internal(what.to_owned())));
        if let Some(failure) = self.failure.take() {
            outcome = Err(failure.into());
        }
        self.touched.clear();
        self.capacity_changed = false;
        let volatile = std::mem::take(&mut self.volatile);
        if outcome.is_err() {
            self.state = before;
            self.batch.truncate(rows);
            self.events.truncate(events);
        } else if self.batch.len() == rows {
            let catalog = volatile.then(|| Arc::clone(&self.state.catalog));
            self.state = before;
            if let Some(catalog) = catalog {
                self.state.catalog = catalog;
            }
        } else {
            self.put_row(Table::Meta, META_INDEX, &self.state.index.clone());
        }
        outcome
    }

    /// What follows from a command whatever it was: blocked evaluations may go on, deployments and drains move, jobs get
    /// the status that their parts give them.
    fn settle(&mut self) -> Result<(), ServerError> {
        let region = Arc::clone(&self.region);
        for id in self.touched.clone() {
            deployment::observe(self, &id, &region)?;
        }
        drain::advance(self);
        if self.capacity_changed {
            eval::unblock(self);
        }
        for id in std::mem::take(&mut self.touched) {
            status::derive(self, &id);
        }
        Ok(())
    }

    pub(crate) fn into_parts(self) -> (State, Batch, Vec<Event>) {
        (self.state, self.batch, self.events)
    }

    /// The catalog, to be changed at [`Draft::next_index`]; what became of it is told by [`Draft::catalog_changed`].
    pub(crate) fn catalog_mut(&mut self) -> &mut baton_catalog::State {
        Arc::make_mut(&mut self.state.catalog)
    }

    /// `moved`: the command used its index, even where it left no row (a user event).
    pub(crate) fn catalog_changed(&mut self, rows: Vec<baton_catalog::Row>, moved: bool) {
        self.volatile = true;
        if !moved {
            return;
        }
        for changed in rows {
            let key = catalog_key(changed.table, &changed.key);
            match changed.value {
                Some(value) => self.batch.put_bytes(Table::Catalog, key, row::wrap(&value)),
                None => self.batch.remove(Table::Catalog, key),
            }
        }
        self.move_table(Table::Catalog);
    }

    /// The index of this command.
    pub(crate) fn next_index(&self) -> u64 {
        self.state.index
    }

    pub(crate) fn touch_job(&mut self, id: &str) {
        if !id.is_empty() {
            self.touched.insert(id.to_owned());
        }
    }

    fn put_row<T: Serialize>(&mut self, table: Table, key: impl Into<Vec<u8>>, value: &T) {
        if let Err(error) = self.batch.put(table, key, value) {
            self.failure.get_or_insert(error);
        }
    }

    fn move_table(&mut self, table: Table) {
        let index = self.state.index;
        self.state.table_index[position(table)] = index;
        self.put_row(Table::Meta, meta_table_key(table), &index);
    }

    fn tell(&mut self, topic: &'static str, kind: &'static str, key: &str, filter_keys: Vec<String>, payload: Payload) {
        let index = self.state.index;
        self.events.push(Event { topic, kind, key: key.to_owned(), filter_keys, index, payload });
    }

    /// A new version of a job becomes the current one.
    pub(crate) fn put_job_version(&mut self, job: Job, submission: Option<Submission>, kind: &'static str) {
        let job = Arc::new(job);
        let old = self.state.jobs.get(&job.id).cloned();
        let (mut versions, mut submissions) =
            old.map_or_else(Default::default, |record| (record.versions.clone(), record.submissions.clone()));
        versions.insert(0, Arc::clone(&job));
        while versions.len() > VERSIONS_KEPT {
            // A stable version stays as long as there is another one to forget: it is what a failed update returns to.
            let newest_stable = versions.iter().position(|job| job.stable);
            let last = versions.len() - 1;
            let forgotten = if newest_stable == Some(last) { last - 1 } else { last };
            let gone = versions.remove(forgotten);
            submissions.remove(&gone.version);
            let key = version_key(&gone.id, gone.version);
            self.batch.remove(Table::JobVersions, key.clone());
            self.batch.remove(Table::JobSubmissions, key);
        }
        if let Some(submission) = submission {
            self.put_row(Table::JobSubmissions, version_key(&job.id, job.version), &submission);
            submissions.insert(job.version, Arc::new(submission));
        }
        self.put_row(Table::JobVersions, version_key(&job.id, job.version), &job);
        self.store_record(JobRecord { job, versions, submissions }, kind);
    }

    /// The current version changes in something that is not its specification.
    pub(crate) fn put_job(&mut self, mut job: Job, kind: &'static str) {
        job.modify_index = self.state.index;
        let job = Arc::new(job);
        let Some(old) = self.state.jobs.get(&job.id).cloned() else { return };
        let mut versions = old.versions.clone();
        if let Some(current) = versions.iter_mut().find(|other| other.version == job.version) {
            *current = Arc::clone(&job);
        }
        self.put_row(Table::JobVersions, version_key(&job.id, job.version), &job);
        self.store_record(JobRecord { job, versions, submissions: old.submissions.clone() }, kind);
    }

    /// Marks a version that may be an older one.
    pub(crate) fn set_stable(&mut self, id: &str, version: u64, stable: bool) -> bool {
        let Some(record) = self.state.jobs.get(id).cloned() else { return false };
        let Some(job) = record.versions.iter().find(|job| job.version == version) else { return false };
        if job.stable == stable {
            return true;
        }
        let job = Job { stable, modify_index: self.state.index, ..(**job).clone() };
        if record.job.version == version {
            self.put_job(job, "JobStable");
            return true;
        }
        let job = Arc::new(job);
        self.put_row(Table::JobVersions, version_key(id, version), &job);
        let mut record = (*record).clone();
        if let Some(slot) = record.versions.iter_mut().find(|other| other.version == version) {
            *slot = job;
        }
        self.store_record(record, "JobStable");
        true
    }

    fn store_record(&mut self, record: JobRecord, kind: &'static str) {
        let job = Arc::clone(&record.job);
        self.put_row(Table::Jobs, job.id.as_str(), &job);
        self.state.jobs.insert_mut(job.id.clone(), Arc::new(record));
        self.move_table(Table::Jobs);
        self.touch_job(&job.id);
        self.touch_job(&job.parent_id.clone());
        self.tell("Job", kind, &job.id.clone(), Vec::new(), Payload::Job(job));
    }

    pub(crate) fn set_launch(&mut self, job_id: &str, at: Timestamp) {
        let seconds = u64::try_from(at.0 / 1_000_000_000).unwrap_or(0);
        self.put_row(Table::Meta, launch_key(job_id), &seconds);
        self.state.launches.insert_mut(job_id.to_owned(), seconds);
    }

    pub(crate) fn set_algorithm(&mut self, algorithm: Algorithm) {
        self.put_row(Table::Meta, META_SPREADS, &u64::from(algorithm == Algorithm::Spread));
        self.state.algorithm = algorithm;
    }

    pub(crate) fn remove_job(&mut self, id: &str) {
        let Some(record) = self.state.jobs.get(id).cloned() else { return };
        self.state.jobs.remove_mut(id);
        self.batch.remove(Table::Jobs, id);
        for job in &record.versions {
            let key = version_key(id, job.version);
            self.batch.remove(Table::JobVersions, key.clone());
            self.batch.remove(Table::JobSubmissions, key);
        }
        if self.state.launches.remove_mut(id) {
            self.batch.remove(Table::Meta, launch_key(id));
        }
        self.move_table(Table::Jobs);
        self.tell("Job", "JobDeregistered", id, Vec::new(), Payload::Job(Arc::clone(&record.job)));
    }

    pub(crate) fn put_node(&mut self, mut node: Node, kind: &'static str) {
        node.modify_index = self.state.index;
        if node.create_index == 0 {
            node.create_index = node.modify_index;
        }
        let node = Arc::new(node);
        self.put_row(Table::Nodes, node.id.as_str(), &node);
        self.state.nodes.insert_mut(node.id.clone(), Arc::clone(&node));
        self.move_table(Table::Nodes);
        self.tell("Node", kind, &node.id.clone(), Vec::new(), Payload::Node(node));
    }

    pub(crate) fn remove_node(&mut self, id: &str) {
        let Some(node) = self.state.nodes.get(id).cloned() else { return };
        self.state.nodes.remove_mut(id);
        self.batch.remove(Table::Nodes, id);
        self.move_table(Table::Nodes);
        self.tell("Node", "NodeDeregistration", id, Vec::new(), Payload::Node(node));
    }

    /// Stores an allocation and keeps its deployment's counters.
    pub(crate) fn put_alloc(&mut self, mut alloc: Allocation, kind: &'static str) {
        let old = self.state.allocs.get(&alloc.id).cloned();
        alloc.modify_index = self.state.index;
        alloc.modify_time = self.now;
        if alloc.create_index == 0 {
            alloc.create_index = alloc.modify_index;
            alloc.create_time = self.now;
        }
        if let Some(status) = &mut alloc.deployment_status
            && old.as_ref().and_then(|old| old.deployment_status.as_ref()) != Some(status)
        {
            status.modify_index = self.state.index;
        }
        let job_moved = match (old.as_ref().and_then(|old| old.job.as_ref()), alloc.job.as_ref()) {
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if job_moved && let Some(job) = &alloc.job {
            self.put_row(Table::AllocJobs, alloc.id.as_str(), &Arc::clone(job));
        }
        if old.as_ref().is_some_and(|old| !old.terminal()) && alloc.terminal()
            || old.as_ref().is_some_and(|old| !old.client_terminal()) && alloc.client_terminal()
        {
            self.capacity_changed = true;
        }
        let job = alloc.job.take();
        self.put_row(Table::Allocs, alloc.id.as_str(), &alloc);
        alloc.job = job;
        let index = self.state.index;
        self.state.node_allocs_index.insert_mut(alloc.node_id.clone(), index);
        self.touch_job(&alloc.job_id.clone());
        self.move_table(Table::Allocs);
        let alloc = Arc::new(alloc);
        self.state.insert_alloc(Arc::clone(&alloc));
        let keys = vec![alloc.job_id.clone(), alloc.deployment_id.clone(), alloc.node_id.clone()];
        self.tell("Allocation", kind, &alloc.id.clone(), keys, Payload::Allocation(alloc));
    }

    pub(crate) fn remove_alloc(&mut self, id: &str) {
        let Some(alloc) = self.state.allocs.get(id).cloned() else { return };
        self.state.allocs.remove_mut(id);
        self.state.allocs_by_job.remove_mut(&(alloc.job_id.clone(), alloc.id.clone()));
        self.state.allocs_by_node.remove_mut(&(alloc.node_id.clone(), alloc.id.clone()));
        let index = self.state.index;
        self.state.node_allocs_index.insert_mut(alloc.node_id.clone(), index);
        self.batch.remove(Table::Allocs, id);
        self.batch.remove(Table::AllocJobs, id);
        self.move_table(Table::Allocs);
        self.touch_job(&alloc.job_id.clone());
    }

    pub(crate) fn put_eval(&mut self, mut eval: Evaluation) {
        eval.modify_index = self.state.index;
        eval.modify_time = self.now;
        if eval.create_index == 0 {
            eval.create_index = eval.modify_index;
            eval.create_time = self.now;
        }
        self.put_row(Table::Evals, eval.id.as_str(), &eval);
        self.touch_job(&eval.job_id.clone());
        self.move_table(Table::Evals);
        let eval = Arc::new(eval);
        self.state.insert_eval(Arc::clone(&eval));
        let keys = vec![eval.job_id.clone(), eval.deployment_id.clone()];
        self.tell("Evaluation", "EvaluationUpdated", &eval.id.clone(), keys, Payload::Evaluation(eval));
    }

    pub(crate) fn remove_eval(&mut self, id: &str) {
        let Some(eval) = self.state.evals.get(id).cloned() else { return };
        self.state.evals.remove_mut(id);
        self.state.open_evals.remove_mut(id);
        self.state.evals_by_job.remove_mut(&(eval.job_id.clone(), eval.id.clone()));
        self.batch.remove(Table::Evals, id);
        self.move_table(Table::Evals);
        self.touch_job(&eval.job_id.clone());
    }

    pub(crate) fn put_deployment(&mut self, mut deployment: Deployment, kind: &'static str) {
        deployment.modify_index = self.state.index;
        deployment.modify_time = self.now;
        if deployment.create_index == 0 {
            deployment.create_index = deployment.modify_index;
            deployment.create_time = self.now;
        }
        self.put_row(Table::Deployments, deployment.id.as_str(), &deployment);
        self.touch_job(&deployment.job_id.clone());
        self.move_table(Table::Deployments);
        let deployment = Arc::new(deployment);
        self.state.insert_deployment(Arc::clone(&deployment));
        let keys = vec![deployment.job_id.clone()];
        self.tell("Deployment", kind, &deployment.id.clone(), keys, Payload::Deployment(deployment));
    }

    pub(crate) fn remove_deployment(&mut self, id: &str) {
        let Some(deployment) = self.state.deployments.get(id).cloned() else { return };
        self.state.deployments.remove_mut(id);
        self.state.open_deployments.remove_mut(id);
        self.state.deployments_by_job.remove_mut(&(deployment.job_id.clone(), deployment.id.clone()));
        self.batch.remove(Table::Deployments, id);
        self.move_table(Table::Deployments);
        self.touch_job(&deployment.job_id.clone());
    }
}
