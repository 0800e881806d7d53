//! Nomad's HTTP API over the server's state and the clients' allocations.
//!
//! Reads take one state and answer from it; blocking reads wait for a newer one. Writes are commands of the server. What
//! only a client knows (logs, files, statistics) is asked of the client that runs the allocation, wherever it is.
//! Every answer carries Nomad's index headers; errors are plain text with Nomad's words.

mod access;
mod agent;
mod allocs;
mod annotate;
mod answer;
mod asked;
mod body;
mod catalog_protocol;
pub mod client;
mod client_routes;
mod deployments;
mod evals;
mod events;
mod intake;
mod job_writes;
mod jobs;
mod metrics;
mod nodes;
mod nodes_protocol;
mod operator;
mod query;
mod relay;
mod schema;
mod search;
mod services;
mod stub;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodRouter, put};
use baton_server::Server;

pub use access::needs_token;
pub use agent::AgentInfo;
pub use catalog_protocol::CatalogFeed;
use client::ClientRoutes;

/// Largest request body, in bytes.
pub const BODY_MAX: usize = 8 << 20;

/// What the handlers work with.
#[derive(Clone)]
pub struct ApiState {
    pub server: Server,
    /// Leads to the clients that run allocations.
    pub clients: Arc<dyn ClientRoutes>,
    pub agent: Arc<AgentInfo>,
}

/// Everything below `/v1` that speaks Nomad's language.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .merge(jobs::routes())
        .merge(nodes::routes())
        .merge(allocs::routes())
        .merge(evals::routes())
        .merge(deployments::routes())
        .merge(nodes_protocol::routes())
        .merge(catalog_protocol::routes())
        .merge(client_routes::routes())
        .merge(agent::routes())
        .merge(operator::routes())
        .merge(search::routes())
        .merge(services::routes())
        .merge(events::routes())
        .merge(metrics::routes())
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(state)
}

/// Writes are PUT or POST: clients disagree, and both mean the same.
fn write<H, T>(handler: H) -> MethodRouter<ApiState>
where
    H: Handler<T, ApiState>,
    T: 'static,
{
    put(handler.clone()).post(handler)
}
