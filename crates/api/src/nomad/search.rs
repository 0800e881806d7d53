//! `/v1/search`: what begins with these letters?

use axum::Router;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, ApiError, ApiResult};
use super::body::Body;
use super::{ApiState, write};

/// Shortest text of a fuzzy search.
const FUZZY_MIN: usize = 2;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/v1/search", write(prefix)).route("/v1/search/fuzzy", write(fuzzy))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SearchBody {
    prefix: String,
    text: String,
    context: String,
}

fn check(context: &str) -> Result<(), ApiError> {
    if context.is_empty() || context == "all" || baton_server::CONTEXTS.contains(&context) {
        return Ok(());
    }
    let known = baton_server::CONTEXTS.join(", ");
    Err(ApiError::bad(format!("context {context:?} cannot be searched; these can: all, {known}")))
}

async fn prefix(State(api): State<ApiState>, Body(body): Body<SearchBody>) -> ApiResult<Value> {
    check(&body.context)?;
    let state = api.server.state();
    let found = baton_server::search(&state, &body.prefix, &body.context, false);
    let answer = json!({ "Matches": found.matches, "Truncations": found.truncations });
    Ok(Answer::new(answer, state.index()))
}

async fn fuzzy(State(api): State<ApiState>, Body(body): Body<SearchBody>) -> ApiResult<Value> {
    check(&body.context)?;
    if body.text.len() < FUZZY_MIN {
        return Err(ApiError::bad(format!("fuzzy search query must be at least {FUZZY_MIN} characters")));
    }
    let state = api.server.state();
    let found = baton_server::search(&state, &body.text, &body.context, true);
    let with_scope = |ids: Vec<String>| ids.into_iter().map(|id| json!({ "ID": id, "Scope": ["default"] })).collect();
    let matches: Map<String, Value> = found.matches.into_iter().map(|(kind, ids)| (kind, with_scope(ids))).collect();
    Ok(Answer::new(json!({ "Matches": matches, "Truncations": found.truncations }), state.index()))
}
