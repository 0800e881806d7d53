//! `/v1/agent/…`, `/v1/status/…`, `/v1/regions`: who answers here.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, ApiResult};
use super::{ApiState, write};

/// The port that clients of Nomad compare leaders by; nothing listens there.
const RPC_PORT: u16 = 4647;

/// What this agent says about itself.
#[derive(Clone, Debug)]
pub struct AgentInfo {
    /// Baton's version.
    pub version: String,
    /// The version of Nomad whose API this is; clients choose by it.
    pub nomad_version: String,
    /// Where the API is reached from elsewhere.
    pub advertise: SocketAddr,
    /// The agent's configuration as `/v1/agent/self` shows it, secrets left out.
    pub config: Value,
}

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/agent/self", get(agent_self))
        .route("/v1/agent/health", get(health))
        .route("/v1/agent/members", get(members))
        .route("/v1/agent/servers", get(servers).merge(write(set_servers)))
        .route("/v1/agent/join", write(join))
        .route("/v1/agent/force-leave", write(force_leave))
        .route("/v1/status/leader", get(leader))
        .route("/v1/status/peers", get(peers))
        .route("/v1/regions", get(regions))
}

fn index(api: &ApiState) -> u64 {
    api.server.state().index()
}

fn rpc_address(api: &ApiState) -> String {
    SocketAddr::new(api.agent.advertise.ip(), RPC_PORT).to_string()
}

fn member(api: &ApiState) -> Value {
    let config = api.server.config();
    json!({
        "Name": format!("{}.{}", config.name, config.region),
        "Addr": api.agent.advertise.ip().to_string(),
        "Port": RPC_PORT + 1,
        "Tags": {
            "role": "nomad",
            "region": config.region,
            "dc": config.datacenter,
            "build": api.agent.nomad_version,
            "port": RPC_PORT.to_string(),
            "vsn": "1",
            "raft_vsn": "3",
            "bootstrap": "1",
            "baton": api.agent.version,
        },
        "Status": "alive",
        "ProtocolMin": 1,
        "ProtocolMax": 5,
        "ProtocolCur": 2,
        "DelegateMin": 2,
        "DelegateMax": 5,
        "DelegateCur": 4,
    })
}

async fn agent_self(State(api): State<ApiState>) -> ApiResult<Value> {
    let state = api.server.state();
    let config = api.server.config();
    let nodes = api.clients.local_nodes();
    let mut shown = api.agent.config.clone();
    if !shown.is_object() {
        shown = json!({});
    }
    for (key, value) in [
        ("Region", json!(config.region)),
        ("Datacenter", json!(config.datacenter)),
        ("NodeName", json!(config.name)),
        ("Version", json!({ "Version": api.agent.nomad_version, "Baton": api.agent.version })),
        ("Server", json!({ "Enabled": true })),
        ("Client", json!({ "Enabled": !nodes.is_empty() })),
    ] {
        shown[key] = value;
    }
    let mut stats = json!({
        "nomad": {
            "server": "true",
            "leader": "true",
            "leader_addr": rpc_address(&api),
            "bootstrap": "true",
            "known_regions": "1",
        },
        "raft": {
            "state": "Leader",
            "applied_index": state.index().to_string(),
            "commit_index": state.index().to_string(),
            "last_log_index": state.index().to_string(),
            "num_peers": "0",
        },
        "runtime": {
            "kernel.name": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "version": format!("baton {}", api.agent.version),
            "uptime": api.server.uptime().as_secs().to_string(),
        },
    });
    if let [first, ..] = nodes.as_slice() {
        let running = |id: &String| state.allocs_of_node(id).filter(|alloc| !alloc.client_terminal()).count();
        stats["client"] = json!({
            "node_id": first,
            "node_ids": nodes.join(","),
            "known_servers": rpc_address(&api),
            "num_allocations": nodes.iter().map(running).sum::<usize>().to_string(),
        });
    }
    Ok(Answer::new(json!({ "config": shown, "member": member(&api), "stats": stats }), state.index()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HealthQuery {
    #[serde(rename = "type")]
    kind: Option<String>,
}

async fn health(State(api): State<ApiState>, Query(wanted): Query<HealthQuery>) -> ApiResult<Value> {
    let ok = || json!({ "ok": true, "message": "ok" });
    let runs_clients = !api.clients.local_nodes().is_empty();
    let mut health = json!({});
    match wanted.kind.as_deref() {
        None => {
            health["server"] = ok();
            if runs_clients {
                health["client"] = ok();
            }
        }
        Some("server") => health["server"] = ok(),
        Some("client") if runs_clients => health["client"] = ok(),
        Some("client") => return Err(ApiError::internal(r#"{"client":{"ok":false,"message":"client not enabled"}}"#)),
        Some(other) => return Err(ApiError::bad(format!("unknown health type {other:?}"))),
    }
    Ok(Answer::new(health, index(&api)))
}

async fn members(State(api): State<ApiState>) -> ApiResult<Value> {
    let config = api.server.config();
    let body = json!({
        "ServerName": config.name,
        "ServerRegion": config.region,
        "ServerDC": config.datacenter,
        "Members": [member(&api)],
    });
    Ok(Answer::new(body, index(&api)))
}

async fn servers(State(api): State<ApiState>) -> ApiResult<Vec<String>> {
    Ok(Answer::new(vec![rpc_address(&api)], index(&api)))
}

async fn set_servers() -> ApiError {
    ApiError::bad("servers are set in the agent's configuration")
}

async fn join() -> ApiError {
    ApiError::bad("servers do not join each other: one server plans, or several share a Consul")
}

async fn force_leave() -> ApiError {
    ApiError::bad("there are no other servers; forget a node by /v1/node/{id}/purge")
}

async fn leader(State(api): State<ApiState>) -> ApiResult<String> {
    Ok(Answer::new(rpc_address(&api), index(&api)))
}

async fn peers(State(api): State<ApiState>) -> ApiResult<Vec<String>> {
    Ok(Answer::new(vec![rpc_address(&api)], index(&api)))
}

async fn regions(State(api): State<ApiState>) -> ApiResult<Vec<String>> {
    Ok(Answer::new(vec![api.server.config().region.clone()], index(&api)))
}
