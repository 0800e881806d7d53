//! Sessions: creation and renewal. Their end is in [`crate::tx`], since many things cause it.

use baton_consul::wire::{Behavior, SERF_HEALTH, Session, SessionRequest, Status};
use baton_model::Nanos;

use super::check_name;
use crate::row::SessionRow;
use crate::tx::Tx;
use crate::{CatalogError, DEFAULT_LOCK_DELAY, MAX_LOCK_DELAY, MAX_SESSION_TTL, MIN_SESSION_TTL};

impl Tx<'_> {
    pub(super) fn create_session(
        &mut self,
        id: String,
        default_node: String,
        request: SessionRequest,
    ) -> Result<Session, CatalogError> {
        check_name("session id", &id)?;
        if id.is_empty() || self.state.sessions.contains_key(&id) {
            return Err(CatalogError::InvalidSession(id));
        }
        let node = if request.node.is_empty() { default_node } else { request.node };
        if !self.state.nodes.contains_key(&node) {
            return Err(CatalogError::UnknownNode);
        }
        let behavior = match request.behavior.as_str() {
            "" | "release" => Behavior::Release,
            "delete" => Behavior::Delete,
            other => return Err(CatalogError::Behavior(other.to_owned())),
        };
        check_ttl(&request.ttl)?;
        let node_checks = request.node_checks.or(request.checks).unwrap_or_else(|| vec![SERF_HEALTH.to_owned()]);
        let service_ids = request.service_checks.iter().flatten().map(|service| &service.id);
        for check in node_checks.iter().chain(service_ids) {
            self.must_be_alive(&node, check)?;
        }
        let longest = Nanos::from_std(MAX_LOCK_DELAY);
        let lock_delay = request.lock_delay.map_or(Nanos::from_std(DEFAULT_LOCK_DELAY), |text| text.0);
        let session = Session {
            id,
            name: request.name,
            node,
            lock_delay: lock_delay.clamp(Nanos::ZERO, longest),
            behavior,
            ttl: request.ttl,
            node_checks,
            service_checks: request.service_checks,
            create_index: self.index,
            modify_index: self.index,
        };
        self.set_session(self.alive(session.clone()));
        Ok(session)
    }

    pub(super) fn renew_session(&mut self, id: &str) -> Result<Session, CatalogError> {
        let Some(row) = self.state.sessions.get(id) else {
            return Err(CatalogError::UnknownSession(id.to_owned()));
        };
        let session = row.session.clone();
        self.set_session(self.alive(session.clone()));
        Ok(session)
    }

    fn alive(&self, session: Session) -> SessionRow {
        let mut row = SessionRow { session, deadline: None };
        row.deadline = row.lifetime().map(|life| self.now + life);
        row
    }

    fn must_be_alive(&self, node: &str, check: &str) -> Result<(), CatalogError> {
        match self.state.checks.get(&(node.to_owned(), check.to_owned())) {
            None => Err(CatalogError::MissingCheck(check.to_owned())),
            Some(row) if row.check.status == Status::Critical => Err(CatalogError::CheckCritical(check.to_owned())),
            Some(_) => Ok(()),
        }
    }
}

fn check_ttl(text: &str) -> Result<(), CatalogError> {
    if text.is_empty() {
        return Ok(());
    }
    let ttl: Nanos =
        text.parse().map_err(|error| CatalogError::Invalid(format!("Session TTL '{text}' invalid: {error}")))?;
    let bounds = Nanos::from_std(MIN_SESSION_TTL)..=Nanos::from_std(MAX_SESSION_TTL);
    if ttl.is_zero() || bounds.contains(&ttl) { Ok(()) } else { Err(CatalogError::SessionTtl { given: ttl.0 }) }
}
