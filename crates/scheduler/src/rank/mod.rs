//! How much a node that fits is liked: the mean of the scorers that have something to say.
//!
//! Scores are from −1 to 1, where many allocations of a group share a node even lower. The names are those that `alloc status` shows.

mod affinity;
mod spread;

use std::collections::{BTreeMap, BTreeSet};

use baton_model::{Job, Node, TaskGroup};

use crate::fit::Amount;
use crate::ledger::Ledger;
use crate::snapshot::Algorithm;

pub(crate) use spread::Spreads;

/// What the scorers look at, the same for all nodes of one placement.
pub(crate) struct Ranking<'r> {
    pub(crate) job: &'r Job,
    pub(crate) group: &'r TaskGroup,
    pub(crate) algorithm: Algorithm,
    pub(crate) spreads: Spreads<'r>,
    /// Nodes where this allocation failed before.
    pub(crate) penalty: &'r BTreeSet<String>,
    /// The allocation that makes room.
    pub(crate) leaves_out: Option<&'r str>,
}

pub(crate) struct Score {
    pub(crate) by_name: BTreeMap<String, f64>,
    pub(crate) mean: f64,
}

impl Ranking<'_> {
    /// `used` is what the node carries with the new allocation on it.
    pub(crate) fn score(&self, node: &Node, ledger: &Ledger<'_>, used: Amount) -> Score {
        let mut by_name = BTreeMap::new();
        let mut fired = Vec::new();
        let mut note = |name: &str, value: Option<f64>| {
            fired.extend(value);
            by_name.insert(name.to_owned(), value.unwrap_or(0.0));
        };
        let packing = match self.algorithm {
            Algorithm::Binpack => "binpack",
            Algorithm::Spread => "spread",
        };
        note(packing, Some(self.packing(node, used)));
        note("job-anti-affinity", self.anti_affinity(node, ledger));
        note("node-reschedule-penalty", self.penalty.contains(&node.id).then_some(-1.0));
        note("node-affinity", affinity::score(self.job, self.group, node));
        if let Some(value) = self.spreads.score(node) {
            note("allocation-spread", Some(value));
        }
        let mean = fired.iter().sum::<f64>() / fired.len().max(1) as f64;
        Score { by_name, mean }
    }

    fn packing(&self, node: &Node, used: Amount) -> f64 {
        let total = Amount::of_node(node);
        let free = |used: i64, total: i64| if total > 0 { 1.0 - used as f64 / total as f64 } else { 0.0 };
        let sum = 10f64.powf(free(used.cpu, total.cpu)) + 10f64.powf(free(used.memory, total.memory));
        let score = match self.algorithm {
            Algorithm::Binpack => 20.0 - sum,
            Algorithm::Spread => sum - 2.0,
        };
        score.clamp(0.0, 18.0) / 18.0
    }

    fn anti_affinity(&self, node: &Node, ledger: &Ledger<'_>) -> Option<f64> {
        let beside = ledger
            .on_node(&node.id)
            .filter(|alloc| alloc.job_id == self.job.id && alloc.task_group == self.group.name)
            .filter(|alloc| Some(alloc.id.as_str()) != self.leaves_out)
            .count();
        (beside > 0).then(|| -((beside + 1) as f64) / self.group.count.max(1) as f64)
    }
}
