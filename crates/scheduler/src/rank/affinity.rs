//! `affinity` blocks: matched weights over all weights.

use baton_model::{Job, Node, TaskGroup};

use crate::feasible::constraint;

/// `None` when there is no affinity or nothing matches.
pub(crate) fn score(job: &Job, group: &TaskGroup, node: &Node) -> Option<f64> {
    let all =
        || job.affinities.iter().chain(&group.affinities).chain(group.tasks.iter().flat_map(|task| &task.affinities));
    let total: i64 = all().map(|affinity| affinity.weight.abs()).sum();
    let matched: i64 = all()
        .filter(|affinity| constraint::compare(&affinity.operand, &affinity.l_target, &affinity.r_target, node))
        .map(|affinity| affinity.weight)
        .sum();
    (total > 0 && matched != 0).then(|| matched as f64 / total as f64)
}
