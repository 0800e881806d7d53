//! `/v1/baton/catalog…`: how an agent without a server follows the server's catalog, and how its writes get here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Extension, Router};
use baton_catalog::{Command, Feed, Forwarded};
use baton_model::Nanos;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::answer::{Answer, ApiError, ApiResult};
use super::body::Body;
use super::{ApiState, write};

/// Longest wait of a follower for news.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// One run of the server. Indexes of another run may stand for another history.
#[derive(Clone)]
struct Epoch(Arc<str>);

pub(crate) fn routes() -> Router<ApiState> {
    let epoch = Epoch(Uuid::new_v4().to_string().into());
    Router::new()
        .route("/v1/baton/catalog", get(follow).layer(Extension(epoch)))
        .route("/v1/baton/catalog/command", write(command))
}

/// Where the follower stands, and how long it waits for more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Position {
    epoch: String,
    index: u64,
    wait: String,
}

/// A [`Feed`] with the run of the server that it belongs to.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CatalogFeed {
    pub epoch: String,
    pub feed: Feed,
}

async fn follow(
    State(api): State<ApiState>,
    Extension(epoch): Extension<Epoch>,
    Query(position): Query<Position>,
) -> ApiResult<CatalogFeed> {
    let wait: Nanos = match position.wait.as_str() {
        "" => Nanos::ZERO,
        text => text.parse().map_err(|_| ApiError::bad("Invalid wait time"))?,
    };
    let deadline = Instant::now() + wait.to_std().min(WAIT_MAX);
    let since = (position.epoch == *epoch.0).then_some(position.index);
    let mut states = api.server.watch();
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        let index = state.catalog().index();
        if since != Some(index) || !matches!(timeout_at(deadline, states.changed()).await, Ok(Ok(()))) {
            let feed = state.catalog().feed(since);
            return Ok(Answer::new(CatalogFeed { epoch: epoch.0.to_string(), feed }, index));
        }
    }
}

async fn command(State(api): State<ApiState>, Body(command): Body<Command>) -> ApiResult<Forwarded> {
    let result = api.server.catalog_apply(command).await?.value.map(|applied| applied.outcome);
    let index = api.server.state().catalog().index();
    Ok(Answer::new(Forwarded { result, index }, index))
}
