//! The allocations that a group lacks.

use baton_model::plan::DesiredUpdates;
use baton_model::{AllocClientStatus, Allocation};

use super::classify::Sets;
use super::description;
use super::group::GroupReconciler;
use super::names::Names;

/// What placements depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// How many are there, those that leave their node apart.
    pub(super) present: usize,
    /// The deployment is paused or failed.
    pub(super) held: bool,
    /// Canaries are out and not promoted.
    pub(super) canarying: bool,
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
    /// Failed ones that are due, lost ones, missing ones. What a held deployment or waiting canaries forbid stays undone.
    pub(super) fn placements(
        &mut self,
        sets: &Sets<'a>,
        due: &[&'a Allocation],
        room: Room,
        names: &mut Names<'_>,
        desired: &mut DesiredUpdates,
    ) -> Placed {
        let count = usize::try_from(self.group.count).unwrap_or(0);
        let mut placed = Placed::default();
        let ready = !room.held && !room.canarying;
        let mut existing = room.present + sets.migrate.len();
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
            self.place(names.inherit(failed), failed.is_canary(), Some(failed), true);
            placed.add(desired);
        }
        for lost in &sets.lost {
            desired.stop += 1;
            self.stop(lost, description::LOST, Some(AllocClientStatus::Lost));
            if existing < count {
                existing += 1;
                self.place(names.inherit(lost), false, Some(lost), false);
                placed.add(desired);
            }
        }
        // What a failed deployment lacks was lost and found no room: it comes back once there is some.
        let refills = ready || (self.current.failed() && !room.canarying);
        while existing < count {
            existing += 1;
            if refills {
                self.place(names.next(), false, None, false);
                placed.add(desired);
            } else {
                placed.waiting += 1;
            }
        }
        placed
    }
}
