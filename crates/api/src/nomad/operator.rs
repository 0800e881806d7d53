//! `/v1/system/…`, `/v1/operator/…`, and the lists that are always empty here.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, get};
use baton_server::Algorithm;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, ApiResult};
use super::query::ReadQuery;
use super::{ApiState, write};

/// The names of the scheduler's algorithms.
const BINPACK: &str = "binpack";
const SPREAD: &str = "spread";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/system/gc", write(collect_garbage))
        .route("/v1/system/reconcile/summaries", write(reconcile_summaries))
        .route("/v1/operator/raft/configuration", get(raft))
        .route("/v1/operator/autopilot/configuration", get(autopilot))
        .route("/v1/operator/autopilot/health", get(autopilot_health))
        .route("/v1/operator/scheduler/configuration", get(scheduler).merge(write(configure_scheduler)))
        .route("/v1/operator/snapshot", get(snapshot))
        .route("/v1/namespaces", get(namespaces))
        .route("/v1/namespace/{name}", get(namespace))
        .route("/v1/node/pools", get(node_pools))
        .route("/v1/volumes", get(nothing))
        .route("/v1/plugins", get(nothing))
        .route("/v1/vars", get(nothing))
        .route("/v1/scaling/policies", get(nothing))
        .route("/v1/acl/{*rest}", any(no_acl))
        .route("/v1/var/{*path}", any(no_variables))
}

async fn collect_garbage(State(api): State<ApiState>) -> ApiResult<Value> {
    let written = api.server.collect_garbage().await?;
    Ok(Answer::new(json!({}), written.index))
}

/// Summaries are counted anew at every read, so there is nothing to set right.
async fn reconcile_summaries(State(api): State<ApiState>) -> ApiResult<Value> {
    Ok(Answer::new(json!({}), api.server.state().index()))
}

async fn raft(State(api): State<ApiState>) -> ApiResult<Value> {
    let index = api.server.state().index();
    let config = api.server.config();
    let server = json!({
        "ID": config.name,
        "Node": format!("{}.{}", config.name, config.region),
        "Address": api.agent.advertise.to_string(),
        "Leader": true,
        "Voter": true,
        "RaftProtocol": "3",
    });
    Ok(Answer::new(json!({ "Index": index, "Servers": [server] }), index))
}

async fn autopilot(State(api): State<ApiState>) -> ApiResult<Value> {
    let body = json!({ "CleanupDeadServers": false, "CreateIndex": 0, "ModifyIndex": 0 });
    Ok(Answer::new(body, api.server.state().index()))
}

async fn autopilot_health(State(api): State<ApiState>) -> ApiResult<Value> {
    let state = api.server.state();
    let config = api.server.config();
    let server = json!({
        "ID": config.name,
        "Name": format!("{}.{}", config.name, config.region),
        "Address": api.agent.advertise.to_string(),
        "SerfStatus": "alive",
        "Version": api.agent.nomad_version,
        "Leader": true,
        "LastContact": "0s",
        "LastIndex": state.index(),
        "Healthy": true,
        "Voter": true,
    });
    Ok(Answer::new(json!({ "Healthy": true, "FailureTolerance": 0, "Servers": [server] }), state.index()))
}

async fn scheduler(State(api): State<ApiState>) -> ApiResult<Value> {
    let state = api.server.state();
    let index = state.index();
    let algorithm = match state.algorithm() {
        Algorithm::Binpack => BINPACK,
        Algorithm::Spread => SPREAD,
    };
    let body = json!({
        "SchedulerConfig": {
            "SchedulerAlgorithm": algorithm,
            "PreemptionConfig": {
                "SystemSchedulerEnabled": false,
                "SysBatchSchedulerEnabled": false,
                "BatchSchedulerEnabled": false,
                "ServiceSchedulerEnabled": false,
            },
            "MemoryOversubscriptionEnabled": false,
            "RejectJobRegistration": false,
            "PauseEvalBroker": false,
            "CreateIndex": 0,
            "ModifyIndex": 0,
        },
        "Index": index,
        "LastContact": 0,
        "KnownLeader": true,
    });
    Ok(Answer::new(body, index))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SchedulerBody {
    scheduler_algorithm: String,
    preemption_config: BTreeMap<String, bool>,
    memory_oversubscription_enabled: bool,
    reject_job_registration: bool,
    pause_eval_broker: bool,
}

/// The algorithm can be chosen; what else Nomad has there is refused by name, not ignored.
async fn configure_scheduler(State(api): State<ApiState>, body: super::body::Body<SchedulerBody>) -> ApiResult<Value> {
    let wanted = body.0;
    let preempts = wanted.preemption_config.iter().find(|(_, on)| **on).map(|(name, _)| name.as_str());
    let refused = preempts
        .or(wanted.memory_oversubscription_enabled.then_some("MemoryOversubscriptionEnabled"))
        .or(wanted.reject_job_registration.then_some("RejectJobRegistration"))
        .or(wanted.pause_eval_broker.then_some("PauseEvalBroker"));
    if let Some(name) = refused {
        return Err(ApiError::bad(format!("{name} is not supported")));
    }
    let algorithm = match wanted.scheduler_algorithm.as_str() {
        BINPACK => Algorithm::Binpack,
        SPREAD => Algorithm::Spread,
        other => {
            return Err(ApiError::bad(format!("scheduler algorithm {other:?} is unknown: {BINPACK} or {SPREAD}")));
        }
    };
    let written = api.server.set_algorithm(algorithm).await?;
    Ok(Answer::new(json!({ "Updated": true, "Index": written.index }), written.index))
}

async fn snapshot(State(api): State<ApiState>) -> Result<Response, ApiError> {
    let copy = api.server.snapshot().await?;
    let mut response = Response::new(Body::from(copy));
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn default_namespace() -> Value {
    json!({ "Name": baton_server::NAMESPACE, "Description": "the only namespace", "CreateIndex": 1, "ModifyIndex": 1 })
}

async fn namespaces(State(api): State<ApiState>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (_, index) = query.block(&api, |state| state.index()).await?;
    Ok(query.answer(vec![default_namespace()], index))
}

async fn namespace(
    State(api): State<ApiState>,
    axum::extract::Path(name): axum::extract::Path<String>,
) -> ApiResult<Value> {
    if name != baton_server::NAMESPACE {
        return Err(ApiError::not_found("Namespace not found"));
    }
    Ok(Answer::new(default_namespace(), api.server.state().index()))
}

async fn node_pools(State(api): State<ApiState>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(baton_server::Table::Nodes)).await?;
    let mut pools: Vec<String> = vec!["all".to_owned(), "default".to_owned()];
    pools.extend(state.nodes().map(|node| node.node_pool.clone()));
    pools.sort();
    pools.dedup();
    let pools = pools.into_iter().map(|name| json!({ "Name": name, "Description": "", "Meta": {} }));
    Ok(query.answer(pools.collect(), index))
}

/// Kinds of things that this server never has; an empty list keeps clients going.
async fn nothing(State(api): State<ApiState>) -> ApiResult<Vec<Value>> {
    Ok(Answer::new(Vec::new(), api.server.state().index()))
}

async fn no_acl() -> ApiError {
    ApiError::bad("ACL support disabled")
}

async fn no_variables() -> ApiError {
    ApiError::new(StatusCode::NOT_IMPLEMENTED, "variables are not supported: use the keys of the catalog (/v1/kv)")
}
