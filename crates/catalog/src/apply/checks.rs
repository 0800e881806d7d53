//! Checks by themselves: registration, results, maintenance.

use baton_consul::wire::{CheckRegistration, HealthCheck, NODE_MAINTENANCE, SERVICE_MAINTENANCE, Status};

use super::check_name;
use crate::row::{CheckRow, OnNode};
use crate::tx::Tx;
use crate::{CatalogError, MAX_OUTPUT};

impl Tx<'_> {
    pub(super) fn register_check(&mut self, node: &str, registration: &CheckRegistration) -> Result<(), CatalogError> {
        if !self.state.nodes.contains_key(node) {
            return Err(CatalogError::UnknownNode);
        }
        let mut registration = registration.clone();
        if registration.name.is_empty() {
            return Err(CatalogError::invalid("Missing check name"));
        }
        registration.check_id = match registration.given_id() {
            "" => registration.name.clone(),
            given => given.to_owned(),
        };
        self.put_registered_check(node, registration)
    }

    /// Stores a check that nobody runs here, as `PUT /v1/catalog/register` and transactions bring it.
    pub(super) fn put_plain_check(&mut self, mut check: HealthCheck) -> Result<(), CatalogError> {
        if check.check_id.is_empty() {
            check.check_id.clone_from(&check.name);
        }
        if check.check_id.is_empty() {
            return Err(CatalogError::invalid("Must provide a check id or name"));
        }
        check_name("check id", &check.check_id)?;
        if !self.state.nodes.contains_key(&check.node) {
            return Err(CatalogError::UnknownNode);
        }
        if !check.service_id.is_empty() {
            let service = self.state.services.get(&(check.node.clone(), check.service_id.clone()));
            let service = service.ok_or_else(|| CatalogError::CheckWithoutService(check.service_id.clone()))?;
            check.service_name.clone_from(&service.service);
            check.service_tags.clone_from(&service.tags);
        }
        shorten(&mut check.output);
        self.set_check(CheckRow { check, ..CheckRow::default() });
        Ok(())
    }

    pub(super) fn heartbeat_check(&mut self, key: OnNode, status: Status, output: String) -> Result<(), CatalogError> {
        match self.state.checks.get(&key).and_then(CheckRow::ttl) {
            Some(_) => self.report_check(key, status, output),
            None => Err(CatalogError::NoTtl(key.1)),
        }
    }

    pub(super) fn report_check(&mut self, key: OnNode, status: Status, mut output: String) -> Result<(), CatalogError> {
        let Some(mut row) = self.state.checks.get(&key).cloned() else {
            return Err(CatalogError::UnknownCheck(key.1));
        };
        shorten(&mut output);
        row.ttl_deadline = row.ttl().map(|ttl| self.now + ttl);
        row.check.status = status;
        row.check.output = output;
        self.set_check(row);
        Ok(())
    }

    pub(super) fn service_maintenance(
        &mut self,
        node: &str,
        service_id: &str,
        enable: bool,
        reason: String,
    ) -> Result<(), CatalogError> {
        let key = (node.to_owned(), service_id.to_owned());
        let Some(service) = self.state.services.get(&key) else {
            return Err(CatalogError::UnknownService(key.1));
        };
        let check = HealthCheck {
            check_id: format!("{SERVICE_MAINTENANCE}{service_id}"),
            name: "Service Maintenance Mode".into(),
            notes: reason_or_default(reason, "service"),
            service_id: service_id.to_owned(),
            service_name: service.service.clone(),
            service_tags: service.tags.clone(),
            ..HealthCheck::default()
        };
        self.maintain(node, enable, check);
        Ok(())
    }

    pub(super) fn node_maintenance(&mut self, node: &str, enable: bool, reason: String) -> Result<(), CatalogError> {
        if !self.state.nodes.contains_key(node) {
            return Err(CatalogError::UnknownNode);
        }
        let check = HealthCheck {
            check_id: NODE_MAINTENANCE.into(),
            name: "Node Maintenance Mode".into(),
            notes: reason_or_default(reason, "node"),
            ..HealthCheck::default()
        };
        self.maintain(node, enable, check);
        Ok(())
    }

    fn maintain(&mut self, node: &str, enable: bool, check: HealthCheck) {
        if enable {
            if self.state.checks.contains_key(&(node.to_owned(), check.check_id.clone())) {
                return;
            }
            let check = HealthCheck { node: node.to_owned(), r#type: "maintenance".into(), ..check };
            self.set_check(CheckRow { check, ..CheckRow::default() });
        } else {
            self.delete_check(&(node.to_owned(), check.check_id));
        }
    }
}

fn reason_or_default(reason: String, what: &str) -> String {
    if reason.is_empty() {
        format!("Maintenance mode is enabled for this {what}, but no reason was provided. This is a default message.")
    } else {
        reason
    }
}

/// Cuts to [`MAX_OUTPUT`] bytes at a character boundary.
fn shorten(output: &mut String) {
    output.truncate(output.floor_char_boundary(MAX_OUTPUT));
}
