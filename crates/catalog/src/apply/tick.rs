//! What the passing of time does.

use baton_consul::wire::Status;

use crate::TTL_EXPIRED;
use crate::row::Entry;
use crate::state::Due;
use crate::tx::Tx;

impl Tx<'_> {
    /// Handles everything that is due; afterwards [`crate::State::next_deadline`] lies in the future.
    pub(super) fn tick(&mut self) {
        let now = self.now;
        let mut due: Vec<Due> =
            self.state.due.iter().take_while(|(at, _)| *at <= now).map(|(_, due)| due.clone()).collect();
        due.sort_unstable();
        for due in due {
            match due {
                Due::LockDelay(key) => self.put(Entry::LockDelay(key, None)),
                Due::Ttl(key) => {
                    let mut row = self.state.checks[&key].clone();
                    row.ttl_deadline = None;
                    row.check.status = Status::Critical;
                    row.check.output = TTL_EXPIRED.into();
                    self.set_check(row);
                }
                // Another check may have taken the service, and this one, with it.
                Due::Removal(key) => {
                    if let Some(row) = self.state.checks.get(&key) {
                        let service = (key.0, row.check.service_id.clone());
                        self.delete_service(&service);
                    }
                }
                Due::Session(id) => self.end_session(&id),
            }
        }
    }
}
