//! Reads that may wait for a change.

use baton_catalog::{Scope, State};
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Failure};
use super::backend::{self, Reach};
use super::query::Consistency;
use super::{Call, Face};

/// A consistent view: the index it belongs to and what was read.
pub(super) struct Read<T> {
    pub(super) data: T,
    index: u64,
    reach: Reach,
    consistency: Consistency,
}

impl<T> Read<T> {
    /// Gives an answer the headers of a catalog or health read.
    pub(super) fn answer(&self, answer: Answer) -> Answer {
        self.plain_answer(answer).consistency(self.consistency)
    }

    /// Gives an answer the headers of a key or session read.
    pub(super) fn plain_answer(&self, answer: Answer) -> Answer {
        answer.index(self.index, self.reach)
    }

    /// Gives an answer the one header of a read that no server is asked for.
    pub(super) fn local_answer(&self, answer: Answer) -> Answer {
        answer.only_index(self.index)
    }

    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Read<U> {
        let Self { data, index, reach, consistency } = self;
        Read { data: f(data), index, reach, consistency }
    }
}

/// Reads `query` once the index of `scope` is above the one asked for, or the wait is over.
pub(super) async fn read<T>(
    face: &Face,
    call: &Call,
    scope: Scope,
    query: impl Fn(&State) -> T,
) -> Result<Read<T>, Failure> {
    let consistency = call.query.consistency()?;
    let blocking = call.query.blocking()?;
    if consistency == Consistency::Consistent {
        face.backend.catch_up().await?;
    }
    let mut changes = face.backend.changes();
    let deadline = Instant::now() + blocking.wait;
    let may_go_back = face.backend.may_go_back();
    let mut waiting = blocking.index > 0;
    loop {
        // Marked as seen before reading: a change in between wakes the wait below.
        let newest = *changes.borrow_and_update();
        // Who waits for an index of another history would wait for nothing.
        waiting &= !(may_go_back && blocking.index > newest);
        let found = backend::read(&*face.backend, |state| {
            let index = state.index_of(&scope);
            (!waiting || index > blocking.index).then(|| (index, query(state)))
        });
        if let Some((index, data)) = found {
            return Ok(Read { data, index, reach: face.backend.reach(), consistency });
        }
        // Over, or the owner stops: answer what there is.
        waiting = matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(())));
    }
}
