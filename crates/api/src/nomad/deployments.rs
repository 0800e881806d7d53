//! `/v1/deployments`, `/v1/deployment/…`.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use baton_server::{DeploymentAnswer, Table, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, ApiResult};
use super::body::Body;
use super::query::ReadQuery;
use super::stub::{self, AllocExtras};
use super::{ApiState, schema, write};

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/deployments", get(list))
        .route("/v1/deployment/{id}", get(read))
        .route("/v1/deployment/allocations/{id}", get(allocations))
        .route("/v1/deployment/promote/{id}", write(promote))
        .route("/v1/deployment/fail/{id}", write(fail))
        .route("/v1/deployment/pause/{id}", write(pause))
        .route("/v1/deployment/allocation-health/{id}", write(health))
}

fn deployment_not_found() -> ApiError {
    ApiError::not_found("deployment not found")
}

async fn list(State(api): State<ApiState>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Deployments)).await?;
    let deployments = state.deployments().map(|one| (one.id.clone(), stub::value(one))).collect();
    query.page(deployments, &schema::DEPLOYMENT, index)
}

async fn read(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Value> {
    let index = |state: &baton_server::State| {
        state.deployment(&id).map_or_else(|| state.table_index(Table::Deployments), |one| one.modify_index)
    };
    let (state, index) = query.block(&api, index).await?;
    let deployment = state.deployment(&id).ok_or_else(deployment_not_found)?;
    Ok(query.answer(stub::value(deployment), index))
}

async fn allocations(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Allocs)).await?;
    let deployment = state.deployment(&id).ok_or_else(deployment_not_found)?;
    let allocs = state.allocs_of_deployment(deployment);
    Ok(query.answer(allocs.map(|alloc| stub::alloc(alloc, AllocExtras::default())).collect(), index))
}

fn changed(written: Written<DeploymentAnswer>) -> Answer<Value> {
    let Written { value, index } = written;
    let body = json!({
        "EvalID": value.eval_id,
        "EvalCreateIndex": value.eval_create_index,
        "DeploymentModifyIndex": value.deployment_modify_index,
        "RevertedJobVersion": value.reverted_job_version,
        "Index": index,
        "LastContact": 0,
        "KnownLeader": true,
    });
    Answer::new(body, index)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PromoteBody {
    all: bool,
    groups: Option<Vec<String>>,
}

async fn promote(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Body(body): Body<PromoteBody>,
) -> ApiResult<Value> {
    let groups = body.groups.unwrap_or_default();
    if body.all != groups.is_empty() {
        return Err(ApiError::bad("either all groups or a list of groups must be given, and not both"));
    }
    let groups = (!body.all).then_some(groups);
    Ok(changed(api.server.promote_deployment(id, groups).await?))
}

async fn fail(State(api): State<ApiState>, Path(id): Path<String>) -> ApiResult<Value> {
    Ok(changed(api.server.fail_deployment(id).await?))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PauseBody {
    pause: bool,
}

async fn pause(State(api): State<ApiState>, Path(id): Path<String>, Body(body): Body<PauseBody>) -> ApiResult<Value> {
    Ok(changed(api.server.pause_deployment(id, body.pause).await?))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HealthBody {
    #[serde(rename = "HealthyAllocationIDs")]
    healthy: Option<Vec<String>>,
    #[serde(rename = "UnhealthyAllocationIDs")]
    unhealthy: Option<Vec<String>>,
}

async fn health(State(api): State<ApiState>, Path(id): Path<String>, Body(body): Body<HealthBody>) -> ApiResult<Value> {
    let healthy = body.healthy.unwrap_or_default();
    let unhealthy = body.unhealthy.unwrap_or_default();
    Ok(changed(api.server.set_deployment_health(id, healthy, unhealthy).await?))
}
