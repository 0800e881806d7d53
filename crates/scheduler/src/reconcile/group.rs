//! The reconciliation of one group, step by step.

use std::collections::BTreeSet;
use std::sync::Arc;

use baton_model::plan::DesiredUpdates;
use baton_model::{AllocClientStatus, Allocation, Deployment, Job, JobType, TaskGroup};

use super::classify::{Sets, classify, disconnect_rules};
use super::fill::Room;
use super::names::Names;
use super::older::Before;
use super::succession::Successions;
use super::{
    Changes, Current, InPlace, PlaceChange, ReplaceChange, StopChange, canaries, copy_state, deployment, description,
    limits, older, stops, succession,
};
use crate::snapshot::Snapshot;
use crate::update::{self, Change};

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
        let held = self.current.held();
        let due = self.reschedules(&mut sets.untainted, held || canarying_before, &mut desired);

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
        let before = older::before(self.snapshot, job, group);
        let comes_back = canarying_before && self.older_comes_back(&sets, &due, ordinary.len(), before);
        let beside = !updates.destructive.is_empty() || comes_back;
        let needs_canaries = beside && canaries_out < wanted_canaries && !state.promoted;
        if needs_canaries {
            state.desired_canaries = wanted_canaries as i64;
        }
        // Neither canaries nor anything old to stand beside: the new version is placed like any other.
        let alone = in_deployment && state.desired_canaries > 0 && !state.promoted && canaries_out == 0 && !beside;
        if alone {
            state.desired_canaries = 0;
        }
        let canarying = state.desired_canaries > 0 && !state.promoted;
        if !canarying {
            names.promote(&canary_allocs);
        }
        if needs_canaries && !held {
            let missing = wanted_canaries - canaries_out;
            for name in canaries::names(missing, &updates.destructive, &canary_allocs, &names) {
                desired.canary += 1;
                self.place(name, true, None, false, None);
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
        let placed = self.placements(&sets, &due, Room { present, held, canarying, before }, &mut names, &mut desired);
        limit = limit.saturating_sub(placed.now + retries.due.len());

        let destructive_now = if held || canarying { 0 } else { limit.min(retries.others.len()) };
        desired.destructive_update += destructive_now as u64;
        desired.ignore += (retries.others.len() - destructive_now) as u64;
        let ordered = self.handover_order(&retries.others);
        let due_again = retries.due.iter().copied().filter(|_| !held);
        for old in due_again.chain(ordered.into_iter().take(destructive_now)) {
            let former = pairs.former.get(old.id.as_str()).copied();
            let succeeds = succession::possible(job, old, former);
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
                let older = if held || canarying { before.version_of(alloc, job, group) } else { None };
                self.place(names.inherit(alloc), alloc.is_canary(), Some(alloc), false, older);
            }
        }

        let total = destructive + updates.in_place.len() + placed.total;
        let changes_spec = destructive + updates.in_place.len() > 0;
        if !in_deployment {
            state.desired_total = (total + placed.waiting) as i64;
        }
        let joins = strategy.is_some() && !in_deployment && total > 0 && (changes_spec || !has_this_version);
        if (joins || alone) && !held {
            deployment::join(self.draft, self.snapshot, self.current, job, group, state.clone());
        }
        succession::end_together(&pairs, self.changes);
        let idle = total == 0 && sets.migrate.is_empty() && placed.waiting == 0 && !needs_canaries;
        *self.changes.desired.entry(group.name.clone()).or_default() = desired;
        idle && (!in_deployment || deployment::group_complete(self.current, &state, &allocs))
    }

    pub(super) fn same_version(&self, alloc: &Allocation) -> bool {
        alloc
            .job
            .as_ref()
            .is_some_and(|job| job.version == self.job.version && job.create_index == self.job.create_index)
    }

    fn older(&self, alloc: &Allocation) -> bool {
        alloc.job.as_ref().is_none_or(|job| job.version < self.job.version || job.create_index < self.job.create_index)
    }

    pub(super) fn stop(
        &mut self,
        alloc: &'a Allocation,
        description: &'static str,
        client_status: Option<AllocClientStatus>,
    ) {
        self.changes.stops.push(StopChange { alloc, description, client_status });
    }

    pub(super) fn place(
        &mut self,
        name: String,
        canary: bool,
        previous: Option<&'a Allocation>,
        reschedules: bool,
        older: Option<&'a Arc<Job>>,
    ) {
        let group = older.and_then(|job| job.group(&self.group.name)).unwrap_or(self.group);
        self.changes.placements.push(PlaceChange { group, name, canary, previous, reschedules, node: None, older });
    }

    /// Something of an older version is missing now and will be there again: canaries go on standing beside it.
    fn older_comes_back(&self, sets: &Sets<'a>, due: &[&'a Allocation], ordinary: usize, before: Before<'a>) -> bool {
        let own = |alloc: &&Allocation| older::own(alloc, self.job, self.group).is_some() && !alloc.is_canary();
        let leaving = sets.lost.iter().chain(due).chain(&sets.migrate).copied().filter(own).count();
        let count = usize::try_from(self.group.count).unwrap_or(0);
        count > 0 && (leaving > 0 || (before.is_known() && ordinary < before.at_most(count, &self.group.name)))
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

    fn updates(
        &mut self,
        untainted: &[&'a Allocation],
        pairs: &Successions<'a>,
        in_place: &dyn InPlace,
        desired: &mut DesiredUpdates,
    ) -> Updates<'a> {
        let mut updates = Updates::default();
        for alloc in untainted {
            // Nobody can tell it anything; it changes when its node is back, or is lost.
            if alloc.client_status == AllocClientStatus::Unknown {
                desired.ignore += 1;
                continue;
            }
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
    pub(super) fn stood_in_for(&self, alloc: &Allocation) -> bool {
        alloc.client_status == AllocClientStatus::Unknown && disconnect_rules(self.group).1
    }

    /// Nodes that hold no address first, then by name.
    fn handover_order(&self, allocs: &[&'a Allocation]) -> Vec<&'a Allocation> {
        let mut ordered = allocs.to_vec();
        ordered.sort_by_key(|alloc| (self.snapshot.holds.contains(&alloc.node_id), alloc.index(), &alloc.id));
        ordered
    }
}
