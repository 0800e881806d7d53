//! Puts the scheduler's questions to the state.

use std::collections::BTreeSet;

use baton_model::plan::Plan;
use baton_model::{Allocation, Evaluation, Job, Node, Timestamp};
use baton_scheduler::{SchedulerConfig, Snapshot};

use crate::state::State;

/// What the scheduler makes of `job` (which need not be the registered one) for `eval`.
pub(crate) fn plan(state: &State, job: Option<&Job>, eval: &Evaluation, now: Timestamp) -> Plan {
    ask(state, job, eval, now, baton_scheduler::schedule)
}

/// The rules that a plan breaks.
#[cfg(test)]
pub(crate) fn violations(
    state: &State,
    job: Option<&Job>,
    eval: &Evaluation,
    now: Timestamp,
    plan: &Plan,
) -> Vec<baton_scheduler::check::Violation> {
    ask(state, job, eval, now, |snapshot| baton_scheduler::check::check(&snapshot, plan))
}

fn ask<T>(
    state: &State,
    job: Option<&Job>,
    eval: &Evaluation,
    now: Timestamp,
    question: impl FnOnce(Snapshot<'_>) -> T,
) -> T {
    let allocs: Vec<Allocation> = state.allocs_of_job(&eval.job_id).map(|alloc| (**alloc).clone()).collect();
    let nodes: Vec<Node> = state.nodes().map(|node| (**node).clone()).collect();
    let node_allocs: Vec<Allocation> =
        state.allocs().filter(|alloc| !alloc.client_terminal()).map(|alloc| (**alloc).clone()).collect();
    let deployments: Vec<_> = state.deployments_of_job(&eval.job_id).cloned().collect();
    question(Snapshot {
        job,
        job_id: &eval.job_id,
        allocs: &allocs,
        nodes: &nodes,
        node_allocs: &node_allocs,
        versions: state.job_record(&eval.job_id).map_or(&[], |record| &record.versions),
        deployment: state.latest_deployment(&eval.job_id).map(|deployment| &**deployment),
        deployments: &deployments,
        eval,
        now,
        config: &SchedulerConfig { algorithm: state.algorithm },
        holds: &BTreeSet::new(),
        ids: &mut crate::id::new,
    })
}
