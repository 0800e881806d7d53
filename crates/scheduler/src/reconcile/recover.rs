//! Failures and silent nodes of one group: what is placed anew now, what is looked at again later.

use std::collections::BTreeMap;

use baton_model::eval::trigger;
use baton_model::plan::DesiredUpdates;
use baton_model::{AllocClientStatus, Allocation, JobType, Nanos, Timestamp};

use super::classify::{Sets, disconnect_rules, needs_reconnect};
use super::description;
use super::disconnect::{Keep, choose, follow_up, mark_reconnected, mark_unknown, timeout_eval};
use super::group::GroupReconciler;
use super::older;
use super::reschedule::{When, when};

/// Follow-up evaluations due within this time of each other are one.
const BATCH_WINDOW: Nanos = Nanos::secs(5);

/// Destructive updates by what became of an earlier successor.
#[derive(Default)]
pub(super) struct Retries<'a> {
    pub(super) due: Vec<&'a Allocation>,
    /// Not to be tried now.
    pub(super) waiting: usize,
    /// Without a failed successor.
    pub(super) others: Vec<&'a Allocation>,
}

impl<'a> GroupReconciler<'_, 'a, '_> {
    /// Allocations whose node came back: they or their replacements go.
    pub(super) fn reconnect(&mut self, sets: &mut Sets<'a>, desired: &mut DesiredUpdates) {
        // One that is to leave and has a stand-in already only ends.
        for original in std::mem::take(&mut sets.migrate) {
            let stand_in = |other: &Allocation| {
                other.name == original.name
                    && other.is_canary() == original.is_canary()
                    && other.client_status != AllocClientStatus::Unknown
            };
            if needs_reconnect(original) && sets.untainted.iter().any(|other| stand_in(other)) {
                desired.stop += 1;
                self.stop(original, description::MIGRATING, None);
            } else {
                sets.migrate.push(original);
            }
        }
        for original in std::mem::take(&mut sets.reconnecting) {
            let stand_in = sets
                .untainted
                .iter()
                .position(|alloc| alloc.name == original.name && alloc.client_status != AllocClientStatus::Unknown);
            let keep = match stand_in {
                Some(index) => choose(self.group, original, sets.untainted[index]),
                // Nobody stands in: a failed one is rescheduled like any other.
                None => Keep::Original,
            };
            match keep {
                Keep::Original => {
                    if let Some(index) = stand_in {
                        let replacement = sets.untainted.remove(index);
                        desired.stop += 1;
                        self.stop(replacement, description::RECONNECTED, None);
                    }
                    desired.reconnect += 1;
                    self.changes.annotations.push(mark_reconnected(original, self.snapshot.now));
                    sets.untainted.push(original);
                }
                Keep::Replacement => {
                    desired.stop += 1;
                    self.stop(original, description::RECONNECTED, None);
                }
            }
        }
    }

    /// Allocations whose node fell silent are marked and declared lost later.
    pub(super) fn disconnect(&mut self, sets: &mut Sets<'a>, desired: &mut DesiredUpdates) {
        if sets.disconnecting.is_empty() {
            return;
        }
        let (lost_after, replace) = disconnect_rules(self.group);
        let eval = timeout_eval(self.snapshot, self.job, self.snapshot.now.plus(lost_after));
        for alloc in std::mem::take(&mut sets.disconnecting) {
            desired.disconnect += 1;
            self.changes.annotations.push(mark_unknown(alloc, &eval.id, self.snapshot.now));
            if !replace {
                sets.untainted.push(alloc);
            }
        }
        self.changes.follow_ups.push(eval);
    }

    /// Takes the failed ones out that are placed anew now; arranges a later look at the others. `as_they_are`: older ones are
    /// placed anew in their own version, and by its policy.
    pub(super) fn reschedules(
        &mut self,
        untainted: &mut Vec<&'a Allocation>,
        as_they_are: bool,
        desired: &mut DesiredUpdates,
    ) -> Vec<&'a Allocation> {
        let batch = self.job.job_type == JobType::Batch;
        let active = self.current.deployment.is_some_and(|deployment| deployment.status.is_active());
        let (mut due, mut later) = (Vec::new(), Vec::new());
        untainted.retain(|alloc| {
            match alloc.client_status {
                AllocClientStatus::Complete if batch => return true,
                AllocClientStatus::Complete | AllocClientStatus::Lost => return false,
                AllocClientStatus::Failed => {}
                _ => return true,
            }
            if !alloc.next_allocation.is_empty() {
                return false;
            }
            if alloc.server_terminal() {
                return true;
            }
            let in_deployment = active && self.current.has(alloc);
            let own = older::own(alloc, self.job, self.group).filter(|_| as_they_are);
            let group = own.and_then(|job| job.group(&self.group.name)).unwrap_or(self.group);
            match when(alloc, group, &self.snapshot.eval.id, in_deployment, self.snapshot.now) {
                When::Now => {
                    due.push(*alloc);
                    false
                }
                When::Later(at) => {
                    if alloc.followup_eval_id.is_empty() {
                        later.push((at, *alloc));
                    }
                    true
                }
                When::Never => true,
            }
        });
        desired.reschedule_now += due.len() as u64;
        desired.reschedule_later += later.len() as u64;
        self.look_again(later);
        due
    }

    fn look_again(&mut self, mut later: Vec<(Timestamp, &'a Allocation)>) {
        later.sort_by_key(|(at, alloc)| (*at, alloc.index(), &alloc.id));
        let mut batch: Option<(Timestamp, String)> = None;
        for (at, alloc) in later {
            let joins = batch.as_ref().filter(|(first, _)| at.since(*first) < BATCH_WINDOW);
            let eval_id = match joins {
                Some((_, id)) => id.clone(),
                None => {
                    let eval = follow_up(self.snapshot, self.job, trigger::ALLOC_FAILURE, at);
                    let id = eval.id.clone();
                    self.changes.follow_ups.push(eval);
                    batch = Some((at, id.clone()));
                    id
                }
            };
            self.changes.annotations.push(Allocation { followup_eval_id: eval_id, ..alloc.clone() });
        }
    }

    /// Sorts out the old allocations whose successor failed by its own fault: they are tried again as the reschedule
    /// policy says, and go on serving until then.
    pub(super) fn retries(
        &mut self,
        destructive: Vec<&'a Allocation>,
        former: &BTreeMap<&str, &'a Allocation>,
        desired: &mut DesiredUpdates,
    ) -> Retries<'a> {
        let active = self.current.deployment.is_some_and(|deployment| deployment.status.is_active());
        let (mut retries, mut later) = (Retries::default(), Vec::new());
        for old in destructive {
            let failed = former.get(old.id.as_str()).filter(|failed| {
                failed.client_status == AllocClientStatus::Failed
                    && !failed.succession_failed()
                    && self.same_version(failed)
            });
            let Some(failed) = failed else {
                retries.others.push(old);
                continue;
            };
            let in_deployment = active && self.current.has(failed);
            match when(failed, self.group, &self.snapshot.eval.id, in_deployment, self.snapshot.now) {
                When::Now => retries.due.push(old),
                When::Later(at) => {
                    retries.waiting += 1;
                    if failed.followup_eval_id.is_empty() {
                        later.push((at, *failed));
                    }
                }
                When::Never => retries.waiting += 1,
            }
        }
        desired.reschedule_now += retries.due.len() as u64;
        desired.reschedule_later += later.len() as u64;
        desired.ignore += retries.waiting as u64;
        self.look_again(later);
        retries
    }
}
