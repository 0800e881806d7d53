//! `spread` blocks: how far a value of an attribute is from its share.

use std::collections::BTreeMap;

use baton_model::{Job, Node, TaskGroup};

use crate::feasible::target;
use crate::ledger::Ledger;

/// The spreads of one group with how often each value is used now.
pub(crate) struct Spreads<'a> {
    spreads: Vec<Counted<'a>>,
    weights: f64,
    count: f64,
}

struct Counted<'a> {
    spread: &'a baton_model::job::Spread,
    used: BTreeMap<String, u64>,
}

impl<'a> Spreads<'a> {
    pub(crate) fn of(
        job: &'a Job,
        group: &'a TaskGroup,
        nodes: &[Node],
        ledger: &Ledger<'_>,
        leaves_out: Option<&str>,
    ) -> Self {
        let mut spreads = Vec::new();
        for spread in job.spreads.iter().chain(&group.spreads) {
            let mut used = BTreeMap::new();
            for alloc in ledger.all() {
                if alloc.job_id != job.id || alloc.task_group != group.name || Some(alloc.id.as_str()) == leaves_out {
                    continue;
                }
                let node = nodes.iter().find(|node| node.id == alloc.node_id);
                if let Some(value) = node.and_then(|node| target::resolve(&spread.attribute, node)) {
                    *used.entry(value.into_owned()).or_insert(0) += 1;
                }
            }
            spreads.push(Counted { spread, used });
        }
        let weights = spreads.iter().map(|counted| counted.spread.weight as f64).sum();
        Self { spreads, weights, count: group.count.max(1) as f64 }
    }

    /// `None` without spreads, or when they are indifferent.
    pub(crate) fn score(&self, node: &Node) -> Option<f64> {
        let mut score = 0.0;
        for counted in &self.spreads {
            let Some(value) = target::resolve(&counted.spread.attribute, node) else {
                score -= 1.0;
                continue;
            };
            if counted.spread.spread_target.is_empty() {
                score += counted.even(&value);
            } else {
                let share = if self.weights > 0.0 { counted.spread.weight as f64 / self.weights } else { 0.0 };
                score += counted.targeted(&value, self.count, share);
            }
        }
        (score != 0.0).then(|| score.clamp(-1.0, 1.0))
    }
}

impl Counted<'_> {
    fn used(&self, value: &str) -> f64 {
        self.used.get(value).copied().unwrap_or(0) as f64
    }

    /// The distance to the wanted number, the new one included. What the targets leave of 100 % belongs to all other values
    /// together; where nothing is left, other values are unwanted.
    fn targeted(&self, value: &str, count: f64, share: f64) -> f64 {
        let targets = &self.spread.spread_target;
        let wanted = match targets.iter().find(|target| target.value == value) {
            Some(target) => target.percent as f64,
            None => 100.0 - targets.iter().map(|target| target.percent as f64).sum::<f64>(),
        } * count
            / 100.0;
        if wanted <= 0.0 {
            return -1.0;
        }
        (wanted - (self.used(value) + 1.0)) / wanted * share
    }

    /// Values used less than the others are better; all alike is as bad as the most used.
    fn even(&self, value: &str) -> f64 {
        let (Some(least), Some(most)) = (self.used.values().min(), self.used.values().max()) else {
            return 0.0;
        };
        let (least, most, own) = (*least as f64, *most as f64, self.used(value));
        if own != least {
            (least - own) / least
        } else if least == most {
            -1.0
        } else {
            (most - least) / least
        }
    }
}
