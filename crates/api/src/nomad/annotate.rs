//! Numbers of a plan, put beside the changes they belong to.

use baton_jobspec::diff::JobDiff;
use baton_model::plan::Plan;

/// Fills in how many allocations of each group are touched, and how.
pub(crate) fn diff(diff: &mut JobDiff, plan: &Plan) {
    for group in &mut diff.task_groups {
        let Some(desired) = plan.desired.get(&group.name) else { continue };
        let counts = [
            ("create", desired.place),
            ("destroy", desired.stop),
            ("create/destroy update", desired.destructive_update),
            ("in-place update", desired.in_place_update),
            ("migrate", desired.migrate),
            ("canary", desired.canary),
            ("ignore", desired.ignore),
        ];
        group.updates = counts.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect();
    }
}
