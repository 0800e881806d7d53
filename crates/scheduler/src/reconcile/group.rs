//! The reconciliation of one group, step by step.

use std::collections::{BTreeMap, BTreeSet};

use baton_model::eval::trigger;
use baton_model::plan::DesiredUpdates;
use baton_model::{AllocClientStatus, Allocation, Deployment, Job, JobType, Nanos, TaskGroup, Timestamp};

use super::classify::{Sets, classify, disconnect_rules};
use super::disconnect::{Keep, choose, follow_up, mark_reconnected, timeout_eval};
use super::names::Names;
use super::reschedule::{When, when};
use super::succession::Successions;
use super::{
    Changes, Current, InPlace, PlaceChange, ReplaceChange, StopChange, canaries, copy_state, deployment, description,
    limits, mark_unknown, stops, succession,
};
use crate::snapshot::Snapshot;
use crate::update::{self, Change};

/// Follow-up evaluations due within this time of each other are one.
const BATCH_WINDOW: Nanos = Nanos::secs(5);

pub(super) struct GroupReconciler<'s, 'a, 'c> {
    pub(super) snapshot: &'s mut Snapshot<'a>,
    pub(super) job: &'a Job,
    pub(super) group: &'a TaskGroup,
    pub(super) current: &'c Current<'a>,
    pub(super) draft: &'c mut Option<Deployment>,
    pub(super) changes: &'c mut Changes<'a>,
}

/// What an allocation's present version means under the new job.
#[derive(Default)]
struct Updates<'a> {
    destructive: Vec<&'a Allocation>,
    in_place: Vec<&'a Allocation>,
}

impl<'a> GroupReconciler<'_, 'a, '_> {
    /// True when nothing is left to do for the group's deployment.
    pub(super) fn run(&mut self, allocs: Vec<&'a Allocation>, in_place: &dyn InPlace) -> bool {
        let (job, group) = (self.job, self.group);
        let batch = job.job_type == JobType::Batch;
        let mut desired = DesiredUpdates::default();
        let has_this_version = allocs.iter().any(|alloc| self.same_version(alloc));

        let relevant: Vec<&'a Allocation> = allocs
            .iter()
            .copied()
            .filter(|alloc| if batch { !alloc.terminal() || !self.older(alloc) } else { !alloc.server_terminal() })
            .collect();
        let pairs = succession::resolve(self.snapshot, job, group, relevant, in_place, self.changes);
        let (mut state, in_deployment) = copy_state(self.current, group);
        let (relevant, obsolete) = canaries::stop_obsolete(self.current, &state, pairs.remaining.clone(), self.changes);
        desired.stop += obsolete;

        let canary_ids = canaries::present(self.current, &state, &relevant);
        let canarying_before = state.desired_canaries > 0 && !state.promoted;
        let mut sets = classify(self.snapshot, group, relevant.iter().copied());
        desired.stop += self.stop_tainted_canaries(&mut sets, &canary_ids, canarying_before);
        self.reconnect(&mut sets, &mut desired);
        self.disconnect(&mut sets, &mut desired);
        let due = self.reschedules(&mut sets.untainted, &mut desired);

        // Canaries have their names beside the others'; a silent one's name is its stand-in's.
        let names_of = |allocs: &[&'a Allocation]| -> Vec<&'a Allocation> {
            let canary = |alloc: &Allocation| canarying_before && canary_ids.contains(alloc.id.as_str());
            allocs.iter().copied().filter(|alloc| !canary(alloc)).filter(|alloc| !self.stood_in_for(alloc)).collect()
        };
        let names = |sets: &Sets<'a>| {
            let taken = [&sets.untainted, &sets.migrate, &due, &sets.lost].map(|list| names_of(list)).concat();
            Names::of(&job.id, &group.name, taken.into_iter())
        };
        let mut before = names(&sets);
        let surplus =
            stops::surplus(group, &mut sets.untainted, &mut sets.migrate, &mut before, &canary_ids, canarying_before);
        let mut names = names(&sets);
        for alloc in &surplus {
            desired.stop += 1;
            self.stop(alloc, description::NOT_NEEDED, None);
        }

        let updates = self.updates(&sets.untainted, &pairs, in_place, &mut desired);
        let (canary_allocs, ordinary): (Vec<_>, Vec<_>) =
            sets.untainted.iter().copied().partition(|alloc| canary_ids.contains(alloc.id.as_str()));

        let strategy = group.update.as_ref().filter(|update| !update.is_empty() && job.job_type == JobType::Service);
        let wanted_canaries = strategy.map_or(0, |update| usize::try_from(update.canary).unwrap_or(0));
        // A failed canary that is placed anew below counts as there.
        let canaries_out = canary_allocs.len() + due.iter().filter(|a| canary_ids.contains(a.id.as_str())).count();
        let needs_canaries = !updates.destructive.is_empty() && canaries_out < wanted_canaries && !state.promoted;
        if needs_canaries {
            state.desired_canaries = wanted_canaries as i64;
        }
        let canarying = state.desired_canaries > 0 && !state.promoted;
        if !canarying {
            names.promote(&canary_allocs);
        }
        let held = self.current.held();
        if needs_canaries && !held {
            let missing = wanted_canaries - canaries_out;
            for name in canaries::names(missing, &updates.destructive, &canary_allocs, &mut names) {
                desired.canary += 1;
                self.place(name, true, None, false);
            }
        }

        let destructive = updates.destructive.len();
        let retries = self.retries(updates.destructive, &pairs.former, &mut desired);
        // What ends with this plan is counted by what replaces it.
        let ends = |alloc: &Allocation| {
            self.changes.stops.iter().any(|stop| stop.alloc.id == alloc.id)
                || sets.lost.iter().chain(&due).any(|other| other.id == alloc.id)
                || retries.due.iter().any(|old| pairs.former.get(old.id.as_str()).is_some_and(|f| f.id == alloc.id))
        };
        let tracked: Vec<&Allocation> =
            allocs.iter().copied().filter(|alloc| !alloc.server_terminal() && !ends(alloc)).collect();
        let busy = destructive > 0 || !sets.migrate.is_empty() || canarying;
        let mut limit = limits::limit(self.current, group, &tracked, busy, canarying);

        let counted = if canarying { &ordinary } else { &sets.untainted };
        let present = counted.iter().filter(|alloc| !self.stood_in_for(alloc)).count();
        let placed = self.placements(&sets, &due, present, held, canarying, &mut names, &mut desired);
        limit = limit.saturating_sub(placed.now + retries.due.len());

        let destructive_now = if held || canarying { 0 } else { limit.min(retries.others.len()) };
        desired.destructive_update += destructive_now as u64;
        desired.ignore += (retries.others.len() - destructive_now) as u64;
        let ordered = self.handover_order(&retries.others);
        let due_again = retries.due.iter().copied().filter(|_| !held);
        for old in due_again.chain(ordered.into_iter().take(destructive_now)) {
            let former = pairs.former.get(old.id.as_str()).copied();
            let succeeds = succession::possible(old, former);
            let name = names.inherit(old);
            self.changes.replacements.push(ReplaceChange {
                group,
                old,
                name,
                former,
                succeeds,
                canary: false,
                same_node: false,
            });
        }
        for alloc in &updates.in_place {
            self.changes.in_place.push((alloc, group));
        }
        for alloc in &sets.migrate {
            desired.migrate += 1;
            self.stop(alloc, description::MIGRATING, None);
            if alloc.desired_transition.migrate_disable_placement != Some(true) && !batch {
                self.place(names.inherit(alloc), alloc.is_canary(), Some(alloc), false);
            }
        }

        let total = destructive + updates.in_place.len() + placed.total;
        let changes_spec = destructive + updates.in_place.len() > 0;
        if !in_deployment {
            state.desired_total = (total + placed.waiting) as i64;
        }
        if strategy.is_some() && !in_deployment && total > 0 && (changes_spec || !has_this_version) && !held {
            deployment::join(self.draft, self.snapshot, self.current, job, group, state.clone());
        }
        succession::end_together(&pairs, self.changes);
        let idle = total == 0 && sets.migrate.is_empty() && placed.waiting == 0 && !needs_canaries;
        *self.changes.desired.entry(group.name.clone()).or_default() = desired;
        idle && (!in_deployment || deployment::group_complete(self.current, &state, &allocs))
    }

    fn same_version(&self, alloc: &Allocation) -> bool {
        alloc
            .job
            .as_ref()
            .is_some_and(|job| job.version == self.job.version && job.create_index == self.job.create_index)
    }

    fn older(&self, alloc: &Allocation) -> bool {
        alloc.job.as_ref().is_none_or(|job| job.version < self.job.version || job.create_index < self.job.create_index)
    }

    fn stop(&mut self, alloc: &'a Allocation, description: &'static str, client_status: Option<AllocClientStatus>) {
        self.changes.stops.push(StopChange { alloc, description, client_status });
    }

    fn place(&mut self, name: String, canary: bool, previous: Option<&'a Allocation>, reschedules: bool) {
        self.changes.placements.push(PlaceChange {
            group: self.group,
            name,
            canary,
            previous,
            reschedules,
            node: None,
        });
    }

    /// Canaries do not migrate: they end with their node and are placed anew as canaries.
    fn stop_tainted_canaries(&mut self, sets: &mut Sets<'a>, canaries: &BTreeSet<&str>, canarying: bool) -> u64 {
        if !canarying {
            return 0;
        }
        let mut stopped = 0;
        let mut take = |list: &mut Vec<&'a Allocation>, description, status| {
            list.retain(|alloc| {
                let canary = canaries.contains(alloc.id.as_str());
                if canary {
                    stopped += 1;
                    self.changes.stops.push(StopChange { alloc, description, client_status: status });
                }
                !canary
            });
        };
        take(&mut sets.migrate, description::TAINTED, None);
        take(&mut sets.lost, description::LOST, Some(AllocClientStatus::Lost));
        stopped
    }

    /// Allocations whose node came back: they or their replacements go.
    fn reconnect(&mut self, sets: &mut Sets<'a>, desired: &mut DesiredUpdates) {
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
    fn disconnect(&mut self, sets: &mut Sets<'a>, desired: &mut DesiredUpdates) {
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

    /// Takes the failed ones out that are placed anew now; arranges a later look at the others.
    fn reschedules(
        &mut self,
        untainted: &mut Vec<&'a Allocation>,
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
            match when(alloc, self.group, &self.snapshot.eval.id, in_deployment, self.snapshot.now) {
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

    fn updates(
        &mut self,
        untainted: &[&'a Allocation],
        pairs: &Successions<'a>,
        in_place: &dyn InPlace,
        desired: &mut DesiredUpdates,
    ) -> Updates<'a> {
        let mut updates = Updates::default();
        for alloc in untainted {
            let change = update::change(alloc, self.job, self.group);
            match change {
                Change::Destructive(_) => updates.destructive.push(*alloc),
                Change::InPlace | Change::TemplateReload if !alloc.client_terminal() => {
                    let former = pairs.former.get(alloc.id.as_str()).copied();
                    if in_place.fits(alloc, pairs.other_half(alloc), self.job, self.group) {
                        updates.in_place.push(*alloc);
                        // Nobody has to take over any more.
                        if let Some(former) = former {
                            desired.stop += 1;
                            self.stop(former, description::NOT_NEEDED, None);
                        }
                    } else {
                        updates.destructive.push(*alloc);
                    }
                }
                _ => desired.ignore += 1,
            }
        }
        desired.in_place_update += updates.in_place.len() as u64;
        updates
    }

    /// Unknown, and a replacement takes its place and name meanwhile.
    fn stood_in_for(&self, alloc: &Allocation) -> bool {
        alloc.client_status == AllocClientStatus::Unknown && disconnect_rules(self.group).1
    }

    /// Sorts out the old allocations whose successor failed by its own fault: they are tried again as the reschedule
    /// policy says, and go on serving until then.
    fn retries(
        &mut self,
        destructive: Vec<&'a Allocation>,
        former: &BTreeMap<&str, &'a Allocation>,
        desired: &mut DesiredUpdates,
    ) -> Retries<'a> {
        let active = self.current.deployment.is_some_and(|deployment| deployment.status.is_active());
        let (mut retries, mut later) = (Retries::default(), Vec::new());
        for old in destructive {
            let failed = former
                .get(old.id.as_str())
                .filter(|failed| failed.client_terminal() && !failed.succession_failed() && self.same_version(failed));
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

    /// Failed ones that are due, lost ones, missing ones. What a held deployment or waiting canaries forbid stays undone.
    #[allow(clippy::too_many_arguments)]
    fn placements(
        &mut self,
        sets: &Sets<'a>,
        due: &[&'a Allocation],
        present: usize,
        held: bool,
        canarying: bool,
        names: &mut Names<'_>,
        desired: &mut DesiredUpdates,
    ) -> Placed {
        let count = usize::try_from(self.group.count).unwrap_or(0);
        let mut placed = Placed::default();
        let ready = !held && !canarying;
        let mut existing = present + sets.migrate.len();
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
        while existing < count {
            existing += 1;
            if ready {
                self.place(names.next(), false, None, false);
                placed.add(desired);
            } else {
                placed.waiting += 1;
            }
        }
        placed
    }

    /// Nodes that hold no address first, then by name.
    fn handover_order(&self, allocs: &[&'a Allocation]) -> Vec<&'a Allocation> {
        let mut ordered = allocs.to_vec();
        ordered.sort_by_key(|alloc| (self.snapshot.holds.contains(&alloc.node_id), alloc.index(), &alloc.id));
        ordered
    }
}

/// Destructive updates by what became of an earlier successor.
#[derive(Default)]
struct Retries<'a> {
    due: Vec<&'a Allocation>,
    /// Not to be tried now.
    waiting: usize,
    /// Without a failed successor.
    others: Vec<&'a Allocation>,
}

/// How many placements there are.
#[derive(Clone, Copy, Debug, Default)]
struct Placed {
    now: usize,
    total: usize,
    /// Not placed because a deployment is held.
    waiting: usize,
}

impl Placed {
    fn add(&mut self, desired: &mut DesiredUpdates) {
        desired.place += 1;
        self.now += 1;
        self.total += 1;
    }
}
