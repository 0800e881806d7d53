//! `/v1/services`, `/v1/service/{name}`, `/v1/allocation/{id}/services`, `/v1/client/allocation/{id}/checks`: services with
//! `provider = "nomad"` and their checks.
//!
//! Clients register them in the catalog like all others, with the job's id in their meta. A catalog that is a real Consul
//! is not looked into: there the lists are empty.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use baton_consul::wire::{HealthCheck, Node as CatalogNode, NodeService, Status};
use baton_server::{NAMESPACE, Table};
use serde_json::{Value, json};

use super::ApiState;
use super::answer::{Answer, ApiError, ApiResult};
use super::query::ReadQuery;

/// The key of a service's meta that names its job.
const JOB_META: &str = "baton-job";

/// Service ids begin with this and the allocation's id.
const ID_PREFIX: &str = "_nomad-task-";

/// Length of an allocation's id.
const ALLOC_ID: usize = 36;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/services", get(list))
        .route("/v1/service/{name}", get(read))
        .route("/v1/allocation/{id}/services", get(of_alloc))
        .route("/v1/client/allocation/{id}/checks", get(checks))
}

/// Every instance, with the node it is on.
fn instances(state: &baton_server::State) -> impl Iterator<Item = (&CatalogNode, &NodeService)> {
    let catalog = state.catalog();
    catalog
        .nodes()
        .flat_map(|node| catalog.services_on(&node.node).map(move |service| (node, service)))
        .filter(|(_, service)| service.meta.contains_key(JOB_META))
}

fn alloc_of(service: &NodeService) -> &str {
    service.id.strip_prefix(ID_PREFIX).and_then(|rest| rest.get(..ALLOC_ID)).unwrap_or_default()
}

fn shape(state: &baton_server::State, node: &CatalogNode, service: &NodeService) -> Value {
    let alloc = alloc_of(service);
    json!({
        "ID": service.id,
        "ServiceName": service.service,
        "Namespace": NAMESPACE,
        "NodeID": state.alloc(alloc).map_or("", |alloc| alloc.node_id.as_str()),
        "Datacenter": node.datacenter,
        "JobID": service.meta.get(JOB_META),
        "AllocID": alloc,
        "Tags": service.tags,
        "Address": service.address,
        "Port": service.port,
        "CreateIndex": service.create_index,
        "ModifyIndex": service.modify_index,
    })
}

async fn list(State(api): State<ApiState>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Catalog)).await?;
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, service) in instances(&state) {
        names.entry(&service.service).or_default().extend(service.tags.iter().map(String::as_str));
    }
    let services: Vec<Value> =
        names.into_iter().map(|(name, tags)| json!({ "ServiceName": name, "Tags": tags })).collect();
    let spaces =
        if services.is_empty() { Vec::new() } else { vec![json!({ "Namespace": NAMESPACE, "Services": services })] };
    Ok(query.answer(spaces, index))
}

async fn read(State(api): State<ApiState>, Path(name): Path<String>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Catalog)).await?;
    let found = instances(&state).filter(|(_, service)| service.service == name);
    let found = found.map(|(node, service)| shape(&state, node, service)).collect();
    Ok(query.answer(found, index))
}

async fn of_alloc(State(api): State<ApiState>, Path(id): Path<String>, query: ReadQuery) -> ApiResult<Vec<Value>> {
    let (state, index) = query.block(&api, |state| state.table_index(Table::Catalog)).await?;
    state.alloc(&id).ok_or_else(|| ApiError::not_found("alloc not found"))?;
    let found = instances(&state).filter(|(_, service)| alloc_of(service) == id);
    let found = found.map(|(node, service)| shape(&state, node, service)).collect();
    Ok(query.answer(found, index))
}

/// The checks' newest results by their ids.
async fn checks(State(api): State<ApiState>, Path(id): Path<String>) -> ApiResult<BTreeMap<String, Value>> {
    let state = api.server.state();
    let alloc = state.alloc(&id).ok_or_else(|| ApiError::not_found(format!("Unknown allocation {id:?}")))?;
    let own: BTreeSet<&str> = instances(&state)
        .map(|(_, service)| service)
        .filter(|one| alloc_of(one) == id)
        .map(|one| one.id.as_str())
        .collect();
    let result = |check: &HealthCheck| {
        let status = match check.status {
            Status::Passing | Status::Warning => "success",
            Status::Critical => "failure",
        };
        json!({
            "ID": check.check_id,
            "Check": check.name,
            "Group": alloc.name,
            "Mode": "healthiness",
            "Output": check.output,
            "Service": check.service_name,
            "Status": status,
        })
    };
    let results = state.catalog().checks().filter(|check| own.contains(check.service_id.as_str()));
    let results = results.map(|check| (check.check_id.clone(), result(check))).collect();
    Ok(Answer::new(results, state.index()))
}
