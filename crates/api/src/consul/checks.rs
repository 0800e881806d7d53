//! `/v1/agent/check/…`: checks of this node.

use std::collections::BTreeMap;

use baton_catalog::Command;
use baton_catalog::filter::schema;
use baton_consul::decode;
use baton_consul::wire::{CatalogDeregistration, CheckRegistration, CheckUpdate, HealthCheck, SERF_HEALTH, Status};

use super::answer::{Answer, Failure};
use super::catalog::named;
use super::{Call, Face, backend};

pub(super) fn list(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let filter = call.query.filter(&schema::CHECK)?;
    let checks: BTreeMap<String, HealthCheck> = backend::read(&*face.backend, |state| {
        let own = state.checks_on(&face.identity.node).filter(|check| is_local(check));
        let own = own.filter(|check| filter.as_ref().is_none_or(|filter| filter.accepts(check)));
        own.map(|check| (check.check_id.clone(), as_local(check))).collect()
    });
    Ok(Answer::json(&checks))
}

/// The liveness of the node is not the agent's own check; it is others who say it.
pub(super) fn is_local(check: &HealthCheck) -> bool {
    check.check_id != SERF_HEALTH
}

/// The agent's view has no indexes.
pub(super) fn as_local(check: &HealthCheck) -> HealthCheck {
    HealthCheck { create_index: 0, modify_index: 0, ..check.clone() }
}

pub(super) async fn register(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let registration: CheckRegistration = decode::strict(&call.body)?;
    can_be_run(&registration)?;
    let node = face.identity.node.clone();
    face.backend.apply(Command::RegisterCheck { node, registration: Box::new(registration) }).await?;
    Ok(Answer::empty())
}

/// Refuses what would never be run. Scripts run with the agent's rights, and this API is not the place to grant them.
pub(super) fn can_be_run(check: &CheckRegistration) -> Result<(), Failure> {
    if check.problem().is_none() && check.kind() == "script" {
        return Err(Failure::bad_request(
            "Invalid check: script checks are disabled on this agent; use HTTP, TCP or TTL",
        ));
    }
    if !check.tls_server_name.is_empty() {
        return Err(Failure::bad_request("Invalid check: TLSServerName is not supported; use the name in the URL"));
    }
    Ok(())
}

pub(super) async fn deregister(face: &Face, call: &Call) -> Result<Answer, Failure> {
    if call.rest == SERF_HEALTH {
        // Not the agent's own: others say it.
        return Ok(Answer::empty());
    }
    let target = CatalogDeregistration {
        node: face.identity.node.clone(),
        check_id: named(call, "Missing check ID")?.to_owned(),
        ..CatalogDeregistration::default()
    };
    face.backend.apply(Command::Deregister(target)).await?;
    Ok(Answer::empty())
}

pub(super) async fn pass(face: &Face, call: &Call) -> Result<Answer, Failure> {
    note(face, call, Status::Passing).await
}

pub(super) async fn warn(face: &Face, call: &Call) -> Result<Answer, Failure> {
    note(face, call, Status::Warning).await
}

pub(super) async fn fail(face: &Face, call: &Call) -> Result<Answer, Failure> {
    note(face, call, Status::Critical).await
}

async fn note(face: &Face, call: &Call, status: Status) -> Result<Answer, Failure> {
    let output = call.query.get("note").unwrap_or_default().to_owned();
    heartbeat(face, call, status, output).await
}

pub(super) async fn update(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let update: CheckUpdate = decode::strict(&call.body)?;
    let status = update.status.parse();
    let status = status.map_err(|()| Failure::bad_request(format!("Invalid check status: '{}'", update.status)))?;
    heartbeat(face, call, status, update.output).await
}

async fn heartbeat(face: &Face, call: &Call, status: Status, output: String) -> Result<Answer, Failure> {
    let check_id = named(call, "Missing check ID")?.to_owned();
    let node = face.identity.node.clone();
    face.backend.apply(Command::HeartbeatCheck { node, check_id, status, output }).await?;
    Ok(Answer::empty())
}
