//! Questions to the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_model::eval::EvalStatus;
use baton_model::{AllocClientStatus, Allocation, Deployment, Evaluation, Job, Node, Timestamp};
use serde::Serialize;

use super::{JobRecord, Map, Pairs, State};

impl State {
    pub fn job(&self, id: &str) -> Option<&Arc<Job>> {
        self.jobs.get(id).map(|record| &record.job)
    }

    pub fn job_record(&self, id: &str) -> Option<&Arc<JobRecord>> {
        self.jobs.get(id)
    }

    pub fn job_version(&self, id: &str, version: u64) -> Option<&Arc<Job>> {
        self.jobs.get(id)?.versions.iter().find(|job| job.version == version)
    }

    /// In the order of their ids.
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.values().map(|record| &record.job)
    }

    pub fn node(&self, id: &str) -> Option<&Arc<Node>> {
        self.nodes.get(id)
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    pub fn alloc(&self, id: &str) -> Option<&Arc<Allocation>> {
        self.allocs.get(id)
    }

    pub fn allocs(&self) -> impl Iterator<Item = &Arc<Allocation>> {
        self.allocs.values()
    }

    pub fn allocs_of_job<'a>(&'a self, job_id: &str) -> impl Iterator<Item = &'a Arc<Allocation>> + use<'a> {
        owned(&self.allocs_by_job, &self.allocs, job_id)
    }

    pub fn allocs_of_node<'a>(&'a self, node_id: &str) -> impl Iterator<Item = &'a Arc<Allocation>> + use<'a> {
        owned(&self.allocs_by_node, &self.allocs, node_id)
    }

    pub fn allocs_of_deployment<'a>(
        &'a self,
        deployment: &Deployment,
    ) -> impl Iterator<Item = &'a Arc<Allocation>> + use<'a> {
        let id = deployment.id.clone();
        self.allocs_of_job(&deployment.job_id).filter(move |alloc| alloc.deployment_id == id)
    }

    pub fn eval(&self, id: &str) -> Option<&Arc<Evaluation>> {
        self.evals.get(id)
    }

    pub fn evals(&self) -> impl Iterator<Item = &Arc<Evaluation>> {
        self.evals.values()
    }

    pub fn evals_of_job<'a>(&'a self, job_id: &str) -> impl Iterator<Item = &'a Arc<Evaluation>> + use<'a> {
        owned(&self.evals_by_job, &self.evals, job_id)
    }

    /// Evaluations that are pending or blocked.
    pub fn open_evals(&self) -> impl Iterator<Item = &Arc<Evaluation>> {
        self.open_evals.iter().filter_map(|id| self.evals.get(id))
    }

    pub fn deployment(&self, id: &str) -> Option<&Arc<Deployment>> {
        self.deployments.get(id)
    }

    pub fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.deployments.values()
    }

    pub fn deployments_of_job<'a>(&'a self, job_id: &str) -> impl Iterator<Item = &'a Arc<Deployment>> + use<'a> {
        owned(&self.deployments_by_job, &self.deployments, job_id)
    }

    /// Deployments that are neither finished nor failed.
    pub fn open_deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.open_deployments.iter().filter_map(|id| self.deployments.get(id))
    }

    pub fn latest_deployment(&self, job_id: &str) -> Option<&Arc<Deployment>> {
        self.deployments_of_job(job_id).max_by_key(|deployment| deployment.create_index)
    }

    /// The newest launch of a periodic job.
    pub(crate) fn launch(&self, job_id: &str) -> Timestamp {
        let seconds = self.launches.get(job_id).copied().unwrap_or(0);
        Timestamp(i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000))
    }

    /// When something among a node's allocations last changed.
    pub fn node_allocs_index(&self, node_id: &str) -> u64 {
        self.node_allocs_index.get(node_id).copied().unwrap_or(super::FIRST_INDEX)
    }

    /// How many allocations a job has in which condition.
    pub fn summary(&self, job: &Job) -> JobSummary {
        let mut summary = JobSummary {
            job_id: job.id.clone(),
            namespace: job.namespace.clone(),
            create_index: job.create_index,
            modify_index: job.modify_index,
            ..JobSummary::default()
        };
        for group in &job.task_groups {
            summary.summary.insert(group.name.clone(), GroupSummary::default());
        }
        for alloc in self.allocs_of_job(&job.id) {
            let group = summary.summary.entry(alloc.task_group.clone()).or_default();
            let counter = match alloc.client_status {
                AllocClientStatus::Pending => &mut group.starting,
                AllocClientStatus::Running => &mut group.running,
                AllocClientStatus::Complete => &mut group.complete,
                AllocClientStatus::Failed => &mut group.failed,
                AllocClientStatus::Lost => &mut group.lost,
                AllocClientStatus::Unknown => &mut group.unknown,
            };
            *counter += 1;
            summary.modify_index = summary.modify_index.max(alloc.modify_index);
        }
        let finished = self.evals_of_job(&job.id).filter(|eval| eval.status == EvalStatus::Complete);
        if let Some(eval) = finished.max_by_key(|eval| eval.modify_index) {
            for (name, queued) in &eval.queued_allocations {
                summary.summary.entry(name.clone()).or_default().queued = *queued;
            }
        }
        if job.is_periodic() || job.is_parameterized() {
            let children = summary.children.get_or_insert_default();
            for child in self.jobs().filter(|child| child.parent_id == job.id) {
                match child.status.as_str() {
                    "pending" => children.pending += 1,
                    "running" => children.running += 1,
                    _ => children.dead += 1,
                }
            }
        }
        summary
    }
}

/// The values of one owner, by way of an index of pairs.
fn owned<'a, V>(
    pairs: &'a Pairs,
    values: &'a Map<Arc<V>>,
    owner: &str,
) -> impl Iterator<Item = &'a Arc<V>> + use<'a, V> {
    let owner = owner.to_owned();
    pairs
        .range((owner.clone(), String::new())..)
        .take_while(move |(of, _)| *of == owner)
        .filter_map(|(_, id)| values.get(id))
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JobSummary {
    #[serde(rename = "JobID")]
    pub job_id: String,
    pub namespace: String,
    pub summary: BTreeMap<String, GroupSummary>,
    pub children: Option<ChildrenSummary>,
    pub create_index: u64,
    pub modify_index: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupSummary {
    pub queued: i64,
    pub complete: i64,
    pub failed: i64,
    pub running: i64,
    pub starting: i64,
    pub lost: i64,
    pub unknown: i64,
}

/// Runs of a periodic or parameterized job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChildrenSummary {
    pub pending: i64,
    pub running: i64,
    pub dead: i64,
}
