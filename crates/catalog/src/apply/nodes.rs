//! Nodes, and Consul's low-level registration.

use baton_consul::wire::{CatalogDeregistration, CatalogRegistration, HealthCheck, Node, SERF_HEALTH, Status};

use super::check_name;
use crate::CatalogError;
use crate::row::CheckRow;
use crate::tx::Tx;

impl Tx<'_> {
    pub(super) fn node_up(&mut self, mut node: Node) -> Result<(), CatalogError> {
        for name in ["lan", "wan"] {
            node.tagged_addresses.entry(name.into()).or_insert_with(|| node.address.clone());
        }
        let name = node.node.clone();
        self.upsert_node(node)?;
        self.set_serf_health(&name, Status::Passing, "Agent alive and reachable");
        Ok(())
    }

    pub(super) fn node_down(&mut self, node: &str) -> Result<(), CatalogError> {
        if !self.state.nodes.contains_key(node) {
            return Err(CatalogError::UnknownNode);
        }
        self.set_serf_health(node, Status::Critical, "Agent not live or unreachable");
        Ok(())
    }

    fn set_serf_health(&mut self, node: &str, status: Status, output: &str) {
        let check = HealthCheck {
            node: node.to_owned(),
            check_id: SERF_HEALTH.into(),
            name: "Serf Health Status".into(),
            status,
            output: output.into(),
            ..HealthCheck::default()
        };
        self.set_check(CheckRow { check, ..CheckRow::default() });
    }

    pub(super) fn upsert_node(&mut self, mut node: Node) -> Result<(), CatalogError> {
        if node.node.is_empty() {
            return Err(CatalogError::MissingNode);
        }
        check_name("node name", &node.node)?;
        if node.address.is_empty() {
            return Err(CatalogError::MissingAddress);
        }
        self.rename(&node)?;
        node.datacenter.clone_from(&self.state.datacenter);
        self.set_node(node);
        Ok(())
    }

    /// A node that comes back under another name: what is under its old name goes, unless that one is alive.
    fn rename(&mut self, node: &Node) -> Result<(), CatalogError> {
        if node.id.is_empty() || self.state.nodes.get(&node.node).is_some_and(|known| known.id == node.id) {
            return Ok(());
        }
        let same = self.state.nodes.values().find(|known| known.id == node.id && known.node != node.node);
        let Some(old) = same.map(|known| known.node.clone()) else { return Ok(()) };
        let health = self.state.checks.get(&(old.clone(), SERF_HEALTH.to_owned()));
        if health.is_some_and(|row| row.check.status != Status::Critical) {
            return Err(CatalogError::NodeIdTaken { id: node.id.clone(), node: node.node.clone(), holder: old });
        }
        self.delete_node(&old);
        Ok(())
    }

    pub(super) fn register(&mut self, registration: CatalogRegistration) -> Result<(), CatalogError> {
        let CatalogRegistration { id, node: name, address, tagged_addresses, node_meta: meta, .. } = registration;
        if name.is_empty() {
            return Err(CatalogError::MissingNode);
        }
        if !registration.skip_node_update || !self.state.nodes.contains_key(&name) {
            self.upsert_node(Node { id, node: name.clone(), address, tagged_addresses, meta, ..Node::default() })?;
        }
        if let Some(service) = registration.service {
            self.put_service(&name, service)?;
        }
        for mut check in registration.check.into_iter().chain(registration.checks) {
            if check.node.is_empty() {
                check.node.clone_from(&name);
            } else if check.node != name {
                return Err(CatalogError::ForeignCheck { check: check.node, node: name });
            }
            self.put_plain_check(check)?;
        }
        Ok(())
    }

    pub(super) fn deregister(&mut self, target: &CatalogDeregistration) -> Result<(), CatalogError> {
        if target.node.is_empty() {
            return Err(CatalogError::MissingNode);
        }
        let on_node = |id: &String| (target.node.clone(), id.clone());
        if !target.service_id.is_empty() {
            self.delete_service(&on_node(&target.service_id));
        } else if !target.check_id.is_empty() {
            self.delete_check(&on_node(&target.check_id));
        } else {
            self.delete_node(&target.node);
        }
        Ok(())
    }
}
