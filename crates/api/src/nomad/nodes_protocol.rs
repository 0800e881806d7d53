//! `/v1/baton/node/…`: how a client node speaks to its server. Reading its allocations is Nomad's own
//! `GET /v1/node/{id}/allocations`.

use axum::Router;
use axum::extract::{Path, State};
use baton_model::{Nanos, Node};
use baton_server::{AllocReport, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, ApiResult};
use super::body::Body;
use super::{ApiState, write};

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/baton/node/register", write(register))
        .route("/v1/baton/node/{id}/heartbeat", write(heartbeat))
        .route("/v1/baton/node/{id}/allocations", write(report))
}

/// The body is the node itself.
async fn register(State(api): State<ApiState>, Body(node): Body<Node>) -> ApiResult<Value> {
    let id = node.id.to_ascii_lowercase();
    let Written { value: ttl, index } = api.server.register_node(node).await?;
    let modified = api.server.state().node(&id).map_or(index, |node| node.modify_index);
    Ok(Answer::new(json!({ "HeartbeatTTL": Nanos::from_std(ttl), "NodeModifyIndex": modified }), index))
}

/// 404 tells a client to register again.
async fn heartbeat(State(api): State<ApiState>, Path(id): Path<String>) -> ApiResult<Value> {
    let Written { value: ttl, index } = api.server.heartbeat(&id).await?;
    Ok(Answer::new(json!({ "HeartbeatTTL": Nanos::from_std(ttl) }), index))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ReportBody {
    allocs: Vec<AllocReport>,
}

async fn report(State(api): State<ApiState>, Path(id): Path<String>, Body(body): Body<ReportBody>) -> ApiResult<Value> {
    if body.allocs.iter().any(|report| report.id.is_empty()) {
        return Err(ApiError::bad("an allocation report has no ID"));
    }
    let written = api.server.report_allocs(id, body.allocs).await?;
    Ok(Answer::new(json!({ "Index": written.index }), written.index))
}
