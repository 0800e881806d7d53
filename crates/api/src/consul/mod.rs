//! Consul's HTTP API over the embedded catalog: what the `consul` CLI, py-consul, templates and Traefik's consulCatalog
//! provider ask for.
//!
//! Input: HTTP requests and a [`Backend`] that owns the catalog's state. Output: Consul's JSON, headers and error texts.
//!
//! Invariants:
//! - `/v1/agent/…` speaks of the one node in [`Identity`]; everything else of the whole catalog.
//! - A blocking query answers as soon as the index of what it shows moves, never later, and at the latest after its wait.
//! - Which requests need a token is said by [`needs_token`] alone; checking it is the caller's layer.

mod agent;
mod answer;
mod backend;
mod blocking;
mod catalog;
mod checks;
mod drain;
mod events;
mod health;
mod kv;
mod members;
mod memory;
mod prober;
mod query;
mod routes;
mod server;
mod session;
mod txn;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use percent_encoding::percent_decode_str;

use answer::{Answer, Failure};
pub use backend::{Backend, BackendError, Reach};
pub use memory::MemoryBackend;
pub use prober::run_checks;
use query::Query;
pub use routes::needs_token;
use routes::{Endpoint, Found, find};
pub use server::ServerBackend;

/// Largest request body, in bytes: Consul's limit for values and for whole transactions.
pub const MAX_BODY: usize = 512 * 1024;
/// The version of Consul whose behaviour this is; clients choose by it.
pub const CONSUL_VERSION: &str = "1.8.7";

/// Who "this agent" is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The node of the catalog that `/v1/agent/…` speaks of.
    pub node: String,
    /// Its id, a UUID.
    pub node_id: String,
    pub datacenter: String,
    /// Its address, as other nodes reach it.
    pub address: String,
    /// Whether this agent keeps the catalog itself; others have a replica.
    pub server: bool,
}

#[derive(Clone)]
struct Face {
    backend: Arc<dyn Backend>,
    identity: Arc<Identity>,
    drains: Arc<drain::Drains>,
}

impl Face {
    /// Whether a request for this datacenter is answered here. A client's own may be another than its server's.
    fn is_in(&self, datacenter: &str) -> bool {
        let own = |state: &baton_catalog::State| state.datacenter() == datacenter;
        datacenter.is_empty() || datacenter == self.identity.datacenter || backend::read(&*self.backend, own)
    }
}

/// One request, read and taken apart.
struct Call {
    method: Method,
    /// What follows the endpoint's path, percent-decoded.
    rest: String,
    query: Query,
    body: bytes::Bytes,
}

/// All of `/v1/…`. Put it behind the layer that checks `Host`, `Origin` and tokens.
pub fn router(backend: Arc<dyn Backend>, identity: Identity) -> Router {
    let face = Face { backend, identity: Arc::new(identity), drains: Arc::default() };
    Router::new().fallback(answer).with_state(face)
}

async fn answer(State(face): State<Face>, request: Request<Body>) -> Response {
    match handle(&face, request).await {
        Ok(answer) => answer.into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn handle(face: &Face, request: Request<Body>) -> Result<Answer, Failure> {
    let (parts, body) = request.into_parts();
    let Some(Found { endpoint, methods, rest }) = find(parts.uri.path()) else {
        return Err(Failure::empty(StatusCode::NOT_FOUND));
    };
    let method = parts.method;
    if method == Method::OPTIONS {
        return Ok(Answer::empty().allow(methods));
    }
    if !methods.contains(&method) {
        return Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, format!("method {method} not allowed")).allow(methods));
    }
    let rest = percent_decode_str(rest).decode_utf8();
    let rest = rest.map_err(|_| Failure::bad_request("path is not UTF-8"))?.into_owned();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    if query.get("dc").is_some_and(|dc| !face.is_in(dc)) {
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "No path to datacenter"));
    }
    let body = read_body(body, endpoint).await?;
    let pretty = query.has("pretty");
    let call = Call { method, rest, query, body };
    dispatch(face, endpoint, call).await.map(|answer| answer.pretty(pretty))
}

async fn read_body(body: Body, endpoint: Endpoint) -> Result<bytes::Bytes, Failure> {
    axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        let limit = if endpoint == Endpoint::Kv { "kv_max_value_size" } else { "txn_max_req_len" };
        let text = format!(
            "Request body too large, max size: {MAX_BODY} bytes. See https://www.consul.io/docs/agent/options.html#{limit}."
        );
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    })
}

async fn dispatch(face: &Face, endpoint: Endpoint, call: Call) -> Result<Answer, Failure> {
    use Endpoint as E;
    match endpoint {
        E::AgentSelf => members::agent_self(face),
        E::AgentMembers => members::list(face),
        E::AgentForceLeave => members::force_leave(face, &call).await,
        E::StatusLeader => members::leader(face),
        E::StatusPeers => members::peers(face),
        E::RaftConfiguration => members::raft(face),
        E::AgentServices => agent::services(face, &call),
        E::AgentService => agent::service(face, &call).await,
        E::AgentServiceRegister => agent::register(face, &call).await,
        E::AgentServiceDeregister => agent::deregister(face, &call).await,
        E::AgentServiceMaintenance => agent::service_maintenance(face, &call).await,
        E::AgentMaintenance => agent::node_maintenance(face, &call).await,
        E::AgentHealthById => agent::health_by_id(face, &call),
        E::AgentHealthByName => agent::health_by_name(face, &call),
        E::AgentChecks => checks::list(face, &call),
        E::AgentCheckRegister => checks::register(face, &call).await,
        E::AgentCheckDeregister => checks::deregister(face, &call).await,
        E::AgentCheckPass => checks::pass(face, &call).await,
        E::AgentCheckWarn => checks::warn(face, &call).await,
        E::AgentCheckFail => checks::fail(face, &call).await,
        E::AgentCheckUpdate => checks::update(face, &call).await,
        E::CatalogDatacenters => Ok(Answer::json(&[&face.identity.datacenter])),
        E::CatalogNodes => catalog::nodes(face, &call).await,
        E::CatalogNode => catalog::node(face, &call).await,
        E::CatalogNodeServices => catalog::node_services(face, &call).await,
        E::CatalogServices => catalog::services(face, &call).await,
        E::CatalogService => catalog::service(face, &call).await,
        E::CatalogRegister => catalog::register(face, &call).await,
        E::CatalogDeregister => catalog::deregister(face, &call).await,
        E::HealthService => health::service(face, &call).await,
        E::HealthChecks => health::checks(face, &call).await,
        E::HealthNode => health::node(face, &call).await,
        E::HealthState => health::state(face, &call).await,
        // There is no service mesh, hence no instance of one; the list is empty as Consul's would be.
        E::Connect => catalog::no_connect(face, &call).await,
        E::Kv => kv::handle(face, &call).await,
        E::Txn => txn::run(face, &call).await,
        E::SessionCreate => session::create(face, &call).await,
        E::SessionDestroy => session::destroy(face, &call).await,
        E::SessionRenew => session::renew(face, &call).await,
        E::SessionInfo => session::info(face, &call).await,
        E::SessionNode => session::on_node(face, &call).await,
        E::SessionList => session::list(face, &call).await,
        E::Drain => drain::handle(face, &call),
        E::EventFire => events::fire(face, &call).await,
        E::EventList => events::list(face, &call).await,
        // What Consul keeps in these lists does not exist here, and clients ask for it all the same.
        E::EmptyList => Ok(Answer::json(&[(); 0]).index(1, face.backend.reach())),
        E::PreparedQueries => {
            let answer = Answer::json(&[(); 0]).index(1, face.backend.reach());
            Ok(answer.consistency(call.query.consistency()?))
        }
        E::CoordinateDatacenters => Ok(Answer::json(&[(); 0])),
        E::ConnectCa => Err(Failure::internal("Connect must be enabled in order to use this endpoint")),
        E::Acl => Err(Failure::new(StatusCode::UNAUTHORIZED, "ACL support disabled")),
        E::Unsupported(what) => Err(Failure::new(StatusCode::NOT_IMPLEMENTED, what)),
    }
}
