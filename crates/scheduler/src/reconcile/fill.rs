//! The allocations that a group lacks.

use baton_model::plan::DesiredUpdates;
use baton_model::{AllocClientStatus, Allocation};

use super::classify::Sets;
use super::description;
use super::group::GroupReconciler;
use super::names::Names;
use super::older::Before;

/// What placements depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room<'a> {
    /// How many are there, those that leave their node apart.
    pub(super) present: usize,
    /// The deployment is paused or failed.
    pub(super) held: bool,
    /// Canaries are out and not promoted.
    pub(super) canarying: bool,
    /// What the group ran before this version.
    pub(super) before: Before<'a>,
}

/// How many placements there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Placed {
    pub(super) now: usize,
    pub(super) total: usize,
    /// Not placed because a deployment is held.
    pub(super) waiting: usize,
}

impl Placed {
    fn add(&mut self, desired: &mut DesiredUpdates) {
        desired.place += 1;
        self.now += 1;
        self.total += 1;
    }
}

impl<'a> GroupReconciler<'_, 'a, '_> {
    /// Failed ones that are due, lost ones, missing ones. Under a held deployment or beside waiting canaries they are of an
    /// older version; where there is none, what these forbid stays undone.
    pub(super) fn placements(
        &mut self,
        sets: &Sets<'a>,
        due: &[&'a Allocation],
        room: Room<'a>,
        names: &mut Names<'_>,
        desired: &mut DesiredUpdates,
    ) -> Placed {
        let count = usize::try_from(self.group.count).unwrap_or(0);
        let mut placed = Placed::default();
        let ready = !room.held && !room.canarying;
        let mut existing = room.present + sets.migrate.len();
        let (job, group) = (self.job, self.group);
        let older = |alloc: &'a Allocation| if ready { None } else { room.before.version_of(alloc, job, group) };
        for failed in due {
            let of_failed_deployment = self.current.failed() && self.current.has(failed);
            if !failed.is_canary() {
                if existing >= count {
                    desired.stop += 1;
                    self.stop(failed, description::NOT_NEEDED, None);
                    continue;
                }
                existing += 1;
            }
            if !ready && of_failed_deployment {
                placed.waiting += 1;
                desired.ignore += 1;
                continue;
            }
            self.stop(failed, description::RESCHEDULED, None);
            let older = if failed.is_canary() { None } else { older(failed) };
            self.place(names.inherit(failed), failed.is_canary(), Some(failed), true, older);
            placed.add(desired);
        }
        for lost in &sets.lost {
            desired.stop += 1;
            self.stop(lost, description::LOST, Some(AllocClientStatus::Lost));
            if existing < count {
                existing += 1;
                // The name of a silent one may be its stand-in's.
                let name = if self.stood_in_for(lost) { names.next() } else { names.inherit(lost) };
                self.place(name, false, Some(lost), false, older(lost));
                placed.add(desired);
            }
        }
        // What lacks beside canaries or under a failed deployment ended by itself, or was lost and found no room.
        let older = if ready { None } else { room.before.version() };
        let failed = self.current.failed();
        let paused = room.held && !failed;
        let refills = ready || (!paused && room.before.is_known()) || (failed && !room.canarying);
        let wanted = match (refills, ready) {
            (false, _) => 0,
            (true, true) => count,
            (true, false) => room.before.at_most(count, &self.group.name),
        };
        while existing < wanted {
            existing += 1;
            self.place(names.next(), false, None, false, older);
            placed.add(desired);
        }
        placed.waiting += count.saturating_sub(existing);
        placed
    }
}
