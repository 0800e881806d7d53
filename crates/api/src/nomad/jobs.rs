//! `/v1/jobs`, `/v1/job/…`: reading jobs and what belongs to them.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use baton_jobspec::diff::diff;
use baton_model::Job;
use baton_server::{JobSummary, Table};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult};
use super::query::ReadQuery;
use super::stub::{self, AllocExtras};
use super::{ApiState, job_writes, schema, write};

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/jobs", get(list).merge(write(job_writes::register)))
        .route("/v1/jobs/parse", write(job_writes::parse))
        .route("/v1/jobs/statuses", get(statuses).merge(write(statuses)))
        .route("/v1/validate/job", write(job_writes::validate))
        .route("/v1/job/{id}", get(read).merge(write(job_writes::update)).delete(job_writes::stop))
        .route("/v1/job/{id}/allocations", get(allocations))
        .route("/v1/job/{id}/evaluations", get(evaluations))
        .route("/v1/job/{id}/deployments", get(deployments))
        .route("/v1/job/{id}/deployment", get(deployment))
        .route("/v1/job/{id}/summary", get(summary))
        .route("/v1/job/{id}/versions", get(versions))
        .route("/v1/job/{id}/submission", get(submission))
        .route("/v1/job/{id}/scale", get(scale_status).merge(write(job_writes::scale)))
        .route("/v1/job/{id}/plan", write(job_writes::plan))
        .route("/v1/job/{id}/evaluate", write(job_writes::evaluate))
        .route("/v1/job/{id}/revert", write(job_writes::revert))
        .route("/v1/job/{id}/stable", write(job_writes::stable))
        .route("/v1/job/{id}/dispatch", write(job_writes::dispatch))
        .route("/v1/job/{id}/periodic/force", write(job_writes::periodic_force))
}

pub(crate) fn job_not_found() -> ApiError {
    ApiError::not_found("job not found")
}

/// The index of jobs and their allocations together: a summary moves with both.
fn summary_index(state: &baton_server::State) -> u64 {
    state.table_index(Table::Jobs).max(state.table_index(Table::Allocs)).max(state.table_index(Table::Evals))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListExtras {
    #[serde(deserialize_with = "super::query::flag")]
    meta: bool,
}

async fn list(
    State(api): State<ApiState>,
    query: ReadQuery,
    Query(extras): Query<ListExtras>,
) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, summary_index).await?;
    let jobs = state.jobs().map(|job| (job.id.clone(), stub::job(&state, job, extras.meta))).collect();
    query.page(jobs, &schema::JOB, index)
}

/// The list that the web interface shows: jobs with their newest allocations.
async fn statuses(State(api): State<ApiState>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, summary_index).await?;
    let jobs = state.jobs().map(|job| {
        let allocs: Vec<Value> = state
            .allocs_of_job(&job.id)
            .filter(|alloc| !alloc.terminal())
            .map(|alloc| {
                json!({
                    "ID": alloc.id,
                    "Group": alloc.task_group,
                    "ClientStatus": alloc.client_status,
                    "NodeID": alloc.node_id,
                    "JobVersion": alloc.job.as_ref().map_or(0, |job| job.version),
                    "FollowupEvalID": alloc.followup_eval_id,
                    "DeploymentStatus": { "Canary": alloc.is_canary(), "Healthy": alloc.deployment_health() },
                })
            })
            .collect();
        let deployment = state.latest_deployment(&job.id).filter(|deployment| deployment.status.is_active());
        let mut stub = stub::job(&state, job, false);
        stub["Allocs"] = Value::Array(allocs);
        stub["GroupCountSum"] = json!(job.task_groups.iter().map(|group| group.count).sum::<i64>());
        stub["LatestDeployment"] = deployment.map(stub::value).unwrap_or_default();
        (job.id.clone(), stub)
    });
    query.page(jobs.collect(), &schema::JOB, index)
}

async fn read(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Value> {
    let index = |state: &baton_server::State| {
        state.job(&id).map_or_else(|| state.table_index(Table::Jobs), |job| job.modify_index)
    };
    let (state, index) = query.block(&api, index).await?;
    let job = state.job(&id).ok_or_else(job_not_found)?;
    Ok(query.answer(stub::value(job), index))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AllocationsQuery {
    #[serde(deserialize_with = "super::query::flag")]
    all: bool,
    #[serde(deserialize_with = "super::query::flag")]
    resources: bool,
}

async fn allocations(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    query: ReadQuery,
    Query(wanted): Query<AllocationsQuery>,
) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Allocs)).await?;
    // A job that was purged and registered again is another job, unless all are asked for.
    let born = state.job(&id).map_or(0, |job| job.create_index);
    let extras = AllocExtras { resources: wanted.resources, ..AllocExtras::default() };
    let mut allocs: Vec<_> = state
        .allocs_of_job(&id)
        .filter(|alloc| wanted.all || alloc.job.as_ref().is_none_or(|job| job.create_index >= born))
        .collect();
    allocs.sort_by_key(|alloc| std::cmp::Reverse(alloc.create_index));
    let allocs = allocs.into_iter().map(|alloc| stub::alloc(alloc, extras)).collect();
    Ok(query.answer(allocs, index))
}

async fn evaluations(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Evals)).await?;
    let mut evals: Vec<_> = state.evals_of_job(&id).collect();
    evals.sort_by_key(|eval| std::cmp::Reverse(eval.create_index));
    Ok(query.answer(evals.into_iter().map(stub::value).collect(), index))
}

async fn deployments(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Deployments)).await?;
    let mut deployments: Vec<_> = state.deployments_of_job(&id).collect();
    deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.create_index));
    Ok(query.answer(deployments.into_iter().map(stub::value).collect(), index))
}

async fn deployment(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Value> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Deployments)).await?;
    // `null` when there is none.
    let latest = state.latest_deployment(&id).map(stub::value).unwrap_or_default();
    Ok(query.answer(latest, index))
}

async fn summary(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<JobSummary> {
    let (state, index) = query.block(&api, summary_index).await?;
    let job = state.job(&id).ok_or_else(job_not_found)?;
    Ok(query.answer(state.summary(job), index))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VersionsQuery {
    #[serde(deserialize_with = "super::query::flag")]
    diffs: bool,
    diff_version: Option<u64>,
}

async fn versions(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    query: ReadQuery,
    Query(wanted): Query<VersionsQuery>,
) -> ApiResult<Value> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Jobs)).await?;
    let record = state.job_record(&id).ok_or_else(job_not_found)?;
    let mut diffs: Vec<Value> = Vec::new();
    if wanted.diffs {
        let against = wanted.diff_version.map(|version| {
            state
                .job_version(&id, version)
                .ok_or_else(|| ApiError::not_found(format!("job {id:?} has no version {version} to compare with")))
        });
        let against = against.transpose()?;
        for pair in record.versions.windows(2) {
            let old: &Job = against.unwrap_or(&pair[1]);
            diffs.push(stub::value(&diff(Some(old), Some(&pair[0]), true)));
        }
    }
    Ok(query.answer(json!({ "Versions": record.versions, "Diffs": diffs }), index))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SubmissionQuery {
    version: Option<u64>,
}

async fn submission(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    query: ReadQuery,
    Query(wanted): Query<SubmissionQuery>,
) -> ApiResult<Value> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Jobs)).await?;
    let record = state.job_record(&id).ok_or_else(job_not_found)?;
    let version = wanted.version.unwrap_or(record.job.version);
    let submission = record.submissions.get(&version).ok_or_else(|| ApiError::not_found("job source not found"))?;
    Ok(query.answer(stub::value(submission), index))
}

async fn scale_status(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Value> {
    let (state, index) = query.block(&api, summary_index).await?;
    let job = state.job(&id).ok_or_else(job_not_found)?;
    let mut groups = BTreeMap::new();
    for group in &job.task_groups {
        let of_group = || state.allocs_of_job(&id).filter(|alloc| alloc.task_group == group.name && !alloc.terminal());
        let running = of_group().filter(|alloc| alloc.client_status.as_str() == "running").count();
        let health = |wanted| of_group().filter(|alloc| alloc.deployment_health() == Some(wanted)).count();
        groups.insert(
            group.name.clone(),
            json!({
                "Desired": group.count,
                "Placed": of_group().count(),
                "Running": running,
                "Healthy": health(true),
                "Unhealthy": health(false),
                "Events": [],
            }),
        );
    }
    let status = json!({
        "JobID": job.id,
        "Namespace": job.namespace,
        "JobCreateIndex": job.create_index,
        "JobModifyIndex": job.job_modify_index,
        "JobStopped": job.stop,
        "TaskGroups": groups,
    });
    Ok(query.answer(status, index))
}
