//! `/v1/agent/service…`, `/v1/agent/health…`, `/v1/agent/maintenance`: services of this node.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::{HeaderName, StatusCode};
use baton_catalog::filter::schema;
use baton_catalog::{Command, State};
use baton_consul::decode;
use baton_consul::wire::{
    AgentHealth, AgentService, Aggregate, CatalogDeregistration, NodeService, ServiceRegistration,
};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Failure};
use super::catalog::named;
use super::checks::{as_local, can_be_run, is_local};
use super::{Call, Face, backend};

const REASON: HeaderName = HeaderName::from_static("x-consul-reason");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-consul-contenthash");

pub(super) fn services(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let filter = call.query.filter(&schema::SERVICE)?;
    let services: BTreeMap<String, AgentService> = backend::read(&*face.backend, |state| {
        let own = state.services_on(&face.identity.node);
        let own = own.filter(|service| filter.as_ref().is_none_or(|filter| filter.accepts(service)));
        own.map(|service| (service.id.clone(), AgentService::from(service))).collect()
    });
    Ok(Answer::json(&services))
}

/// One service; `?hash=` waits until it is another.
pub(super) async fn service(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let id = named(call, "Missing service ID")?;
    let known = call.query.get("hash").unwrap_or_default();
    let deadline = Instant::now() + call.query.blocking()?.wait;
    let mut changes = face.backend.changes();
    let mut waiting = !known.is_empty();
    loop {
        changes.borrow_and_update();
        let found =
            backend::read(&*face.backend, |state| state.service_on(&face.identity.node, id).map(AgentService::from));
        let Some(mut service) = found else {
            return Err(Failure::new(StatusCode::NOT_FOUND, format!("unknown service ID: {id}")));
        };
        service.content_hash = content_hash(&service);
        if !waiting || service.content_hash != known {
            let hash = service.content_hash.clone();
            return Ok(Answer::json(&service).header(CONTENT_HASH, &hash));
        }
        waiting = matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(())));
    }
}

fn content_hash(service: &AgentService) -> String {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(service).unwrap_or_default().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

pub(super) async fn register(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let registration: ServiceRegistration = decode::strict(&call.body)?;
    registration.all_checks().try_for_each(can_be_run)?;
    let node = face.identity.node.clone();
    let replace_checks = call.query.flag("replace-existing-checks");
    let command = Command::RegisterService { node, registration: Box::new(registration), replace_checks };
    face.backend.apply(command).await?;
    Ok(Answer::empty())
}

pub(super) async fn deregister(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let target = CatalogDeregistration {
        node: face.identity.node.clone(),
        service_id: named(call, "Missing service ID")?.to_owned(),
        ..CatalogDeregistration::default()
    };
    face.backend.apply(Command::Deregister(target)).await?;
    Ok(Answer::empty())
}

pub(super) async fn service_maintenance(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let service_id = named(call, "Missing service ID")?.to_owned();
    let (enable, reason) = switch(call)?;
    let node = face.identity.node.clone();
    face.backend.apply(Command::ServiceMaintenance { node, service_id, enable, reason }).await?;
    Ok(Answer::empty())
}

pub(super) async fn node_maintenance(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let (enable, reason) = switch(call)?;
    let node = face.identity.node.clone();
    face.backend.apply(Command::NodeMaintenance { node, enable, reason }).await?;
    Ok(Answer::empty())
}

/// `enable` and `reason` of a maintenance call.
fn switch(call: &Call) -> Result<(bool, String), Failure> {
    let enable = match call.query.get("enable").unwrap_or_default() {
        "" => return Err(Failure::bad_request("Missing value for enable")),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        other => {
            return Err(Failure::bad_request(format!("Invalid value for enable: {other:?}")));
        }
    };
    Ok((enable, call.query.get("reason").unwrap_or_default().to_owned()))
}

pub(super) fn health_by_id(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let id = named(call, "Missing serviceID")?;
    let node = &face.identity.node;
    let health =
        backend::read(&*face.backend, |state| state.service_on(node, id).map(|service| health(state, node, service)));
    match health {
        Some(health) => Ok(rated(call, health.aggregated_status, Answer::json(&health))),
        None => {
            let nothing = json!({"AggregatedStatus": Aggregate::Critical, "Service": null, "Checks": null});
            Ok(unknown(call, format!("ServiceId {id} not found"), Answer::json(&nothing)))
        }
    }
}

pub(super) fn health_by_name(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = named(call, "Missing service Name")?;
    let node = &face.identity.node;
    let list: Vec<AgentHealth> = backend::read(&*face.backend, |state| {
        let own = state.services_on(node).filter(|service| service.service == name);
        own.map(|service| health(state, node, service)).collect()
    });
    match list.iter().map(|health| health.aggregated_status).max() {
        Some(worst) => Ok(rated(call, worst, Answer::json(&list))),
        None => Ok(unknown(call, format!("ServiceName {name} Not Found"), Answer::json(&list))),
    }
}

fn health(state: &State, node: &str, service: &NodeService) -> AgentHealth {
    let counting = state.checks_counting_for(node, &service.id);
    let checks: Vec<_> = counting.filter(|check| is_local(check)).map(as_local).collect();
    AgentHealth { aggregated_status: Aggregate::of(&checks), service: AgentService::from(service), checks }
}

/// The status code says the health, for load balancers that look at nothing else.
fn rated(call: &Call, status: Aggregate, json: Answer) -> Answer {
    let code = match status {
        Aggregate::Passing => StatusCode::OK,
        Aggregate::Warning => StatusCode::TOO_MANY_REQUESTS,
        Aggregate::Critical | Aggregate::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
    };
    as_text(call, status.as_str(), json).status(code).header(REASON, status.as_str())
}

fn unknown(call: &Call, reason: String, json: Answer) -> Answer {
    as_text(call, &reason, json).status(StatusCode::NOT_FOUND).header(REASON, &reason)
}

fn as_text(call: &Call, text: &str, json: Answer) -> Answer {
    let wanted = call.query.get("format") == Some("text");
    if wanted { Answer::bytes(text.as_bytes().to_vec(), "text/plain") } else { json }
}
