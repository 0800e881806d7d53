//! `/v1/agent/…`: what this agent registers and knows.

use std::collections::BTreeMap;

use super::{Client, Error, Read, parameter, segment};
use crate::wire::{AgentSelf, AgentService, CheckRegistration, CheckUpdate, HealthCheck, ServiceRegistration, Status};

impl Client {
    /// Who this agent is; the first call to make, since it also proves that Consul answers.
    pub async fn agent_self(&self) -> Result<AgentSelf, Error> {
        Ok(self.read("agent/self", &Read::default()).await?.data)
    }

    /// Services registered with this agent, by id.
    pub async fn agent_services(&self) -> Result<BTreeMap<String, AgentService>, Error> {
        Ok(self.read("agent/services", &Read::default()).await?.data)
    }

    /// Checks registered with this agent, by id.
    pub async fn agent_checks(&self) -> Result<BTreeMap<String, HealthCheck>, Error> {
        Ok(self.read("agent/checks", &Read::default()).await?.data)
    }

    /// Registers a service with all its checks in one call; checks registered for it before and not named now go.
    pub async fn register_service(&self, registration: &ServiceRegistration) -> Result<(), Error> {
        let replace = [parameter("replace-existing-checks", true)];
        self.put("agent/service/register", &replace, registration).await.map(drop)
    }

    /// Removes a service. That it is gone already is no error.
    pub async fn deregister_service(&self, id: &str) -> Result<(), Error> {
        gone_is_fine(self.put_empty(&format!("agent/service/deregister/{}", segment(id)), &[]).await.map(drop))
    }

    pub async fn register_check(&self, registration: &CheckRegistration) -> Result<(), Error> {
        self.put("agent/check/register", &[], registration).await.map(drop)
    }

    /// Removes a check. That it is gone already is no error.
    pub async fn deregister_check(&self, id: &str) -> Result<(), Error> {
        gone_is_fine(self.put_empty(&format!("agent/check/deregister/{}", segment(id)), &[]).await.map(drop))
    }

    /// Reports the state of a TTL check and what it printed.
    pub async fn update_check(&self, id: &str, status: Status, output: &str) -> Result<(), Error> {
        let update = CheckUpdate { status: status.to_string(), output: output.to_owned() };
        self.put(&format!("agent/check/update/{}", segment(id)), &[], &update).await.map(drop)
    }

    /// Reports the state of a TTL check with a note, by the shorter calls `pass`, `warn` and `fail`.
    pub async fn note_check(&self, id: &str, status: Status, note: &str) -> Result<(), Error> {
        let verb = match status {
            Status::Passing => "pass",
            Status::Warning => "warn",
            Status::Critical => "fail",
        };
        self.put_empty(&format!("agent/check/{verb}/{}", segment(id)), &[parameter("note", note)]).await.map(drop)
    }
}

fn gone_is_fine(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.status() == Some(404) => Ok(()),
        other => other,
    }
}
