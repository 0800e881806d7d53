//! `/v1/allocations`, `/v1/allocation/…`: what the server knows about allocations.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use baton_server::{Table, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, ApiResult};
use super::query::ReadQuery;
use super::stub::{self, AllocExtras};
use super::{ApiState, schema, write};

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/allocations", get(list))
        .route("/v1/allocation/{id}", get(read))
        .route("/v1/allocation/{id}/stop", write(stop))
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct ListExtras {
    #[serde(deserialize_with = "super::query::flag")]
    resources: bool,
    #[serde(deserialize_with = "super::query::flag")]
    task_states: bool,
}

impl Default for ListExtras {
    fn default() -> Self {
        Self { resources: false, task_states: true }
    }
}

async fn list(
    State(api): State<ApiState>,
    query: ReadQuery,
    Query(extras): Query<ListExtras>,
) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Allocs)).await?;
    let extras = AllocExtras { resources: extras.resources, no_task_states: !extras.task_states };
    let allocs = state.allocs().map(|alloc| (alloc.id.clone(), stub::alloc(alloc, extras))).collect();
    query.page(allocs, &schema::ALLOC, index)
}

async fn read(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Value> {
    let index = |state: &baton_server::State| {
        state.alloc(&id).map_or_else(|| state.table_index(Table::Allocs), |alloc| alloc.modify_index)
    };
    let (state, index) = query.block(&api, index).await?;
    let alloc = state.alloc(&id).ok_or_else(|| ApiError::not_found("alloc not found"))?;
    Ok(query.answer(stub::value(alloc), index))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StopQuery {
    #[serde(deserialize_with = "super::query::flag")]
    no_shutdown_delay: bool,
}

async fn stop(State(api): State<ApiState>, Path(id): Path<String>, Query(how): Query<StopQuery>) -> ApiResult<Value> {
    let Written { value: eval, index } = api.server.stop_alloc(id, how.no_shutdown_delay).await?;
    Ok(Answer::new(json!({ "EvalID": eval.id, "Index": index }), index))
}
