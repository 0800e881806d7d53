//! `/v1/nodes`, `/v1/node/…`.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use baton_model::Nanos;
use baton_model::node::Eligibility;
use baton_server::{DrainRequest, DrainSpec, NodeAnswer, Table, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, ApiResult};
use super::body::Body;
use super::query::{ReadQuery, parse_flag};
use super::stub::{self, NodeExtras};
use super::{ApiState, schema, write};

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/nodes", get(list))
        .route("/v1/node/{id}", get(read))
        .route("/v1/node/{id}/allocations", get(allocations))
        .route("/v1/node/{id}/evaluate", write(evaluate))
        .route("/v1/node/{id}/drain", write(drain))
        .route("/v1/node/{id}/eligibility", write(eligibility))
        .route("/v1/node/{id}/purge", write(purge))
}

fn node_not_found() -> ApiError {
    ApiError::not_found("node not found")
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListExtras {
    #[serde(deserialize_with = "super::query::flag")]
    os: bool,
    #[serde(deserialize_with = "super::query::flag")]
    resources: bool,
}

async fn list(
    State(api): State<ApiState>,
    query: ReadQuery,
    Query(extras): Query<ListExtras>,
) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Nodes)).await?;
    let extras = NodeExtras { os: extras.os, resources: extras.resources };
    let nodes = state.nodes().map(|node| (node.id.clone(), stub::node(node, extras))).collect();
    query.page(nodes, &schema::NODE, index)
}

async fn read(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Value> {
    let index = |state: &baton_server::State| {
        state.node(&id).map_or_else(|| state.table_index(Table::Nodes), |node| node.modify_index)
    };
    let (state, index) = query.block(&api, index).await?;
    let node = state.node(&id).ok_or_else(node_not_found)?;
    Ok(query.answer(stub::value(node), index))
}

/// Whole allocations with their jobs: what a client runs by, and what `node drain` watches.
async fn allocations(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.node_allocs_index(&id)).await?;
    let allocs = state.allocs_of_node(&id).map(stub::value).collect();
    Ok(query.answer(allocs, index))
}

fn changed(written: Written<NodeAnswer>) -> Answer<Value> {
    let Written { value, index } = written;
    let body = json!({
        "NodeModifyIndex": value.node_modify_index,
        "EvalIDs": value.eval_ids,
        "EvalCreateIndex": value.eval_create_index,
        "Index": index,
        "LastContact": 0,
        "KnownLeader": true,
    });
    Answer::new(body, index)
}

async fn evaluate(State(api): State<ApiState>, Path(id): Path<String>) -> ApiResult<Value> {
    Ok(changed(api.server.evaluate_node(id).await?))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DrainBody {
    drain_spec: Option<DrainSpecBody>,
    mark_eligible: bool,
    meta: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DrainSpecBody {
    deadline: Nanos,
    ignore_system_jobs: bool,
}

/// The old form of the request: everything in the query.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DrainQuery {
    enable: Option<String>,
}

async fn drain(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Query(old): Query<DrainQuery>,
    Body(body): Body<DrainBody>,
) -> ApiResult<Value> {
    let enable = match &old.enable {
        Some(text) => Some(parse_flag(text).ok_or_else(|| ApiError::bad(format!("enable {text:?} is not a boolean")))?),
        None => None,
    };
    let spec = match enable {
        Some(true) => Some(DrainSpec::default()),
        Some(false) => None,
        None => body
            .drain_spec
            .map(|spec| DrainSpec { deadline: spec.deadline, ignore_system_jobs: spec.ignore_system_jobs }),
    };
    let request = DrainRequest {
        node_id: id,
        spec,
        mark_eligible: body.mark_eligible || enable == Some(false),
        meta: body.meta.unwrap_or_default(),
    };
    Ok(changed(api.server.drain_node(request).await?))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EligibilityBody {
    eligibility: String,
}

async fn eligibility(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Body(body): Body<EligibilityBody>,
) -> ApiResult<Value> {
    let wanted = match body.eligibility.as_str() {
        "eligible" => Eligibility::Eligible,
        "ineligible" => Eligibility::Ineligible,
        other => return Err(ApiError::bad(format!("invalid scheduling eligibility {other:?}"))),
    };
    Ok(changed(api.server.set_eligibility(id, wanted).await?))
}

async fn purge(State(api): State<ApiState>, Path(id): Path<String>) -> ApiResult<Value> {
    Ok(changed(api.server.purge_node(id).await?))
}
