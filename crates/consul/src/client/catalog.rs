//! `/v1/catalog/…` and `/v1/health/…`: what the whole datacenter knows.

use std::collections::BTreeMap;

use super::{Answered, Client, Error, Read, segment};
use crate::wire::{
    CatalogDeregistration, CatalogNode, CatalogRegistration, CatalogService, HealthCheck, Node, ServiceEntry, Status,
};

impl Client {
    pub async fn catalog_datacenters(&self) -> Result<Vec<String>, Error> {
        Ok(self.read("catalog/datacenters", &Read::default()).await?.data)
    }

    pub async fn catalog_nodes(&self, read: &Read) -> Result<Answered<Vec<Node>>, Error> {
        self.read("catalog/nodes", read).await
    }

    /// A node with its services; nothing if it does not exist.
    pub async fn catalog_node(&self, name: &str, read: &Read) -> Result<Answered<Option<CatalogNode>>, Error> {
        self.read(&format!("catalog/node/{}", segment(name)), read).await
    }

    /// Every service name with its tags.
    pub async fn catalog_services(&self, read: &Read) -> Result<Answered<BTreeMap<String, Vec<String>>>, Error> {
        self.read("catalog/services", read).await
    }

    pub async fn catalog_service(&self, name: &str, read: &Read) -> Result<Answered<Vec<CatalogService>>, Error> {
        self.read(&format!("catalog/service/{}", segment(name)), read).await
    }

    pub async fn catalog_register(&self, registration: &CatalogRegistration) -> Result<(), Error> {
        self.put("catalog/register", &[], registration).await.map(drop)
    }

    pub async fn catalog_deregister(&self, target: &CatalogDeregistration) -> Result<(), Error> {
        self.put("catalog/deregister", &[], target).await.map(drop)
    }

    /// The instances of a service with node and checks. `Read::with("tag", …)`, `Read::with("passing", "1")` narrow it.
    pub async fn health_service(&self, name: &str, read: &Read) -> Result<Answered<Vec<ServiceEntry>>, Error> {
        self.read(&format!("health/service/{}", segment(name)), read).await
    }

    /// Checks of a service's instances.
    pub async fn health_checks(&self, service: &str, read: &Read) -> Result<Answered<Vec<HealthCheck>>, Error> {
        self.read(&format!("health/checks/{}", segment(service)), read).await
    }

    pub async fn health_node(&self, node: &str, read: &Read) -> Result<Answered<Vec<HealthCheck>>, Error> {
        self.read(&format!("health/node/{}", segment(node)), read).await
    }

    /// All checks in a state, or all of them.
    pub async fn health_state(&self, status: Option<Status>, read: &Read) -> Result<Answered<Vec<HealthCheck>>, Error> {
        self.read(&format!("health/state/{}", status.map_or("any", Status::as_str)), read).await
    }
}
