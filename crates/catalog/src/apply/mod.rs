//! Commands to changes: one file per noun.

mod checks;
mod kv;
mod nodes;
mod services;
mod sessions;
mod tick;
mod txn;

use baton_consul::wire::UserEvent;

use crate::row::SEPARATOR;
use crate::tx::Tx;
use crate::{Applied, CatalogError, Command, MAX_EVENT_PAYLOAD, MAX_NAME, Now, Outcome, State};

impl State {
    /// Applies a command at `index`, which must be above [`State::index`] (an empty catalog is at 1). When [`Applied::changed`] is false the index
    /// was not used and may be given to the next command. An error leaves the state as it was.
    pub fn apply(&mut self, command: Command, now: Now, index: u64) -> Result<Applied, CatalogError> {
        if index <= self.index {
            return Err(CatalogError::StaleIndex { given: index, current: self.index });
        }
        if let Command::Fire(event) = command {
            let event = self.fire(event, index)?;
            return Ok(Applied { outcome: Outcome::Event(event), rows: Vec::new(), changed: true });
        }
        let mut tx = Tx::new(self, now, index);
        match tx.run(command) {
            Ok(outcome) => {
                let rows = tx.commit();
                let changed = !rows.is_empty();
                if changed {
                    self.index = index;
                }
                Ok(Applied { outcome, rows, changed })
            }
            Err(error) => {
                tx.roll_back();
                Err(error)
            }
        }
    }

    fn fire(&mut self, mut event: UserEvent, index: u64) -> Result<UserEvent, CatalogError> {
        if event.payload.0.len() > MAX_EVENT_PAYLOAD {
            return Err(CatalogError::Invalid(format!("event payload is larger than {MAX_EVENT_PAYLOAD} bytes")));
        }
        event.version = 1;
        event.ltime = self.events.back().map_or(1, |last| last.ltime) + 1;
        self.remember(event.clone());
        self.event_index = index;
        self.index = index;
        self.log.push(index, Vec::new(), Some(event.clone()));
        Ok(event)
    }
}

impl Tx<'_> {
    fn run(&mut self, command: Command) -> Result<Outcome, CatalogError> {
        match command {
            Command::NodeUp(node) => self.node_up(node)?,
            Command::NodeDown { node } => self.node_down(&node)?,
            Command::Register(registration) => self.register(*registration)?,
            Command::Deregister(target) => self.deregister(&target)?,
            Command::RegisterService { node, registration, replace_checks } => {
                self.register_service(&node, &registration, replace_checks)?;
            }
            Command::RegisterCheck { node, registration } => self.register_check(&node, &registration)?,
            Command::HeartbeatCheck { node, check_id, status, output } => {
                self.heartbeat_check((node, check_id), status, output)?;
            }
            Command::ReportCheck { node, check_id, status, output } => {
                self.report_check((node, check_id), status, output)?
            }
            Command::ServiceMaintenance { node, service_id, enable, reason } => {
                self.service_maintenance(&node, &service_id, enable, reason)?;
            }
            Command::NodeMaintenance { node, enable, reason } => self.node_maintenance(&node, enable, reason)?,
            Command::Kv(command) => return self.kv(&command).map(Outcome::Flag),
            Command::Txn(ops) => return self.txn(&ops).map(Outcome::Txn),
            Command::CreateSession { id, node, request } => {
                return self.create_session(id, node, request).map(|session| Outcome::Session(Box::new(session)));
            }
            Command::RenewSession { id } => {
                return self.renew_session(&id).map(|session| Outcome::Session(Box::new(session)));
            }
            Command::DestroySession { id } => self.end_session(&id),
            Command::Tick => self.tick(),
            Command::Fire(_) => {}
        }
        Ok(Outcome::Done)
    }
}

/// Names become parts of row keys: bounded, and without the separator.
fn check_name(what: &str, name: &str) -> Result<(), CatalogError> {
    if name.len() > MAX_NAME {
        return Err(CatalogError::Invalid(format!("{what} is longer than {MAX_NAME} bytes")));
    }
    if name.contains(SEPARATOR) {
        return Err(CatalogError::Invalid(format!("{what} contains a NUL byte")));
    }
    Ok(())
}
