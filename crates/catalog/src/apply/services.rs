//! Services of a node, with the checks that come with them.

use baton_consul::wire::{
    CheckRegistration, HealthCheck, NodeService, SERF_HEALTH, SERVICE_MAINTENANCE, ServiceRegistration, Status, Weights,
};

use super::check_name;
use crate::CatalogError;
use crate::row::CheckRow;
use crate::tx::Tx;

impl Tx<'_> {
    pub(super) fn put_service(&mut self, node: &str, mut service: NodeService) -> Result<(), CatalogError> {
        if service.service.is_empty() {
            return Err(CatalogError::invalid("Must provide service name with ID"));
        }
        if !self.state.nodes.contains_key(node) {
            return Err(CatalogError::UnknownNode);
        }
        service.complete();
        if service.weights.passing == 0 && service.weights.warning == 0 {
            service.weights = Weights::default();
        }
        check_name("service name", &service.service)?;
        check_name("service id", &service.id)?;
        self.set_service(node, service);
        Ok(())
    }

    pub(super) fn register_service(
        &mut self,
        node: &str,
        registration: &ServiceRegistration,
        replace_checks: bool,
    ) -> Result<(), CatalogError> {
        if let Some(problem) = registration.problem() {
            return Err(CatalogError::Invalid(problem));
        }
        let service = registration.service();
        let key = (node.to_owned(), service.id.clone());
        self.put_service(node, service)?;

        let several = registration.all_checks().count() > 1;
        let mut kept = Vec::new();
        for (position, check) in registration.all_checks().enumerate() {
            let mut check = check.clone();
            check.check_id = match (check.given_id(), several) {
                ("", false) => format!("service:{}", key.1),
                ("", true) => format!("service:{}:{}", key.1, position + 1),
                (given, _) => given.to_owned(),
            };
            if check.name.is_empty() {
                check.name = format!("Service '{}' check", registration.name);
            }
            check.service_id.clone_from(&key.1);
            kept.push(check.check_id.clone());
            self.put_registered_check(node, check)?;
        }
        if replace_checks {
            for old in self.state.check_keys_of(&key) {
                if !kept.contains(&old.1) && !old.1.starts_with(SERVICE_MAINTENANCE) {
                    self.delete_check(&old);
                }
            }
        }
        Ok(())
    }

    /// Stores a check with the way it is run. A check known already keeps what it last said: registering again must not
    /// take a healthy service out of rotation.
    pub(super) fn put_registered_check(
        &mut self,
        node: &str,
        registration: CheckRegistration,
    ) -> Result<(), CatalogError> {
        if let Some(problem) = registration.problem() {
            return Err(CatalogError::Invalid(problem));
        }
        check_name("check id", &registration.check_id)?;
        if registration.check_id == SERF_HEALTH {
            return Err(CatalogError::Invalid(format!("Invalid check: {SERF_HEALTH} is the node's own")));
        }
        let key = (node.to_owned(), registration.check_id.clone());
        let service = match registration.service_id.as_str() {
            "" => None,
            id => {
                let service = self.state.services.get(&(node.to_owned(), id.to_owned()));
                Some(service.ok_or_else(|| CatalogError::CheckWithoutService(id.to_owned()))?)
            }
        };
        let known = self.state.checks.get(&key);
        let status = match known {
            Some(known) => known.check.status,
            None => registration.status.parse::<Status>().unwrap_or_default(),
        };
        let check = HealthCheck {
            node: node.to_owned(),
            check_id: registration.check_id.clone(),
            name: registration.name.clone(),
            status,
            notes: registration.notes.clone(),
            output: known.map(|known| known.check.output.clone()).unwrap_or_default(),
            service_id: registration.service_id.clone(),
            service_name: service.map(|service| service.service.clone()).unwrap_or_default(),
            service_tags: service.map(|service| service.tags.clone()).unwrap_or_default(),
            r#type: registration.kind().into(),
            ..HealthCheck::default()
        };
        let mut row = CheckRow { check, registration: Some(Box::new(registration)), ..CheckRow::default() };
        row.ttl_deadline = row.ttl().map(|ttl| self.now + ttl);
        self.set_check(row);
        Ok(())
    }
}
