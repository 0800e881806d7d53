//! What the passing of time does.

use baton_consul::wire::Status;

use crate::row::{Entry, OnNode};
use crate::tx::Tx;

impl Tx<'_> {
    /// Handles everything that is due; afterwards [`crate::State::next_deadline`] lies in the future.
    pub(super) fn tick(&mut self) {
        let now = self.now;
        let due: Vec<String> =
            self.state.lock_delays.iter().filter(|(_, d)| d.until <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.put(Entry::LockDelay(key, None));
        }
        let checks = self.state.checks.iter();
        let due: Vec<OnNode> = checks
            .filter(|(_, row)| row.ttl_deadline.is_some_and(|at| at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let mut row = self.state.checks[&key].clone();
            row.ttl_deadline = None;
            row.check.status = Status::Critical;
            row.check.output = "TTL expired".into();
            self.set_check(row);
        }
        let checks = self.state.checks.values();
        let due: Vec<OnNode> = checks
            .filter(|row| row.removal().is_some_and(|at| at <= now))
            .map(|row| (row.check.node.clone(), row.check.service_id.clone()))
            .collect();
        for key in due {
            self.delete_service(&key);
        }
        let sessions = self.state.sessions.iter();
        let due: Vec<String> =
            sessions.filter(|(_, row)| row.deadline.is_some_and(|at| at <= now)).map(|(id, _)| id.clone()).collect();
        for id in due {
            self.end_session(&id);
        }
    }
}
