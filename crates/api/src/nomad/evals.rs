//! `/v1/evaluations`, `/v1/evaluation/…`.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use baton_model::Evaluation;
use baton_server::Table;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{ApiError, ApiResult};
use super::query::ReadQuery;
use super::stub::{self, AllocExtras};
use super::{ApiState, schema};

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/evaluations", get(list))
        .route("/v1/evaluations/count", get(count))
        .route("/v1/evaluation/{id}", get(read))
        .route("/v1/evaluation/{id}/allocations", get(allocations))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    job: String,
    status: String,
}

impl ListQuery {
    fn wants(&self, eval: &Evaluation) -> bool {
        (self.job.is_empty() || self.job == eval.job_id)
            && (self.status.is_empty() || self.status == eval.status.as_str())
    }
}

async fn list(State(api): State<ApiState>, query: ReadQuery, Query(wanted): Query<ListQuery>) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Evals)).await?;
    let evals = state.evals().filter(|eval| wanted.wants(eval));
    query.page(evals.map(|eval| (eval.id.clone(), stub::value(eval))).collect(), &schema::EVAL, index)
}

async fn count(State(api): State<ApiState>, query: ReadQuery, Query(wanted): Query<ListQuery>) -> ApiResult<Value> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Evals)).await?;
    let count = state.evals().filter(|eval| wanted.wants(eval)).count();
    Ok(query.answer(json!({ "Count": count }), index))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReadExtras {
    #[serde(deserialize_with = "super::query::flag")]
    related: bool,
}

async fn read(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    query: ReadQuery,
    Query(extras): Query<ReadExtras>,
) -> ApiResult<Value> {
    let index = |state: &baton_server::State| {
        state.eval(&id).map_or_else(|| state.table_index(Table::Evals), |eval| eval.modify_index)
    };
    let (state, index) = query.block(&api, index).await?;
    let eval = state.eval(&id).ok_or_else(|| ApiError::not_found("eval not found"))?;
    let mut body = stub::value(eval);
    if extras.related {
        body["RelatedEvals"] = related(&state, eval).into();
    }
    Ok(query.answer(body, index))
}

/// Evaluations before and after it, by any chain of references.
fn related(state: &baton_server::State, eval: &Evaluation) -> Vec<Value> {
    let mut found: Vec<&Evaluation> = Vec::new();
    let mut open = vec![eval];
    while let Some(one) = open.pop() {
        for id in [&one.next_eval, &one.previous_eval, &one.blocked_eval] {
            if let Some(next) = state.eval(id)
                && next.id != eval.id
                && !found.iter().any(|known| known.id == next.id)
            {
                found.push(next);
                open.push(next);
            }
        }
    }
    found.sort_by_key(|one| (one.create_index, one.id.clone()));
    found.into_iter().map(stub::eval).collect()
}

async fn allocations(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Allocs)).await?;
    let job_id = state.eval(&id).map(|eval| eval.job_id.clone()).unwrap_or_default();
    let allocs = state.allocs_of_job(&job_id).filter(|alloc| alloc.eval_id == id);
    Ok(query.answer(allocs.map(|alloc| stub::alloc(alloc, AllocExtras::default())).collect(), index))
}
