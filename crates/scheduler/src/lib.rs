//! Which allocations a job should have, and where.
//!
//! [`schedule`] is one pure function from a [`Snapshot`] of the cluster to a [`Plan`] that leaves no
//! choice open: nodes, port numbers, names, deployments, later evaluations, and the reasons why something finds no place. The
//! same snapshot always gives the same plan. Around it stand further pure cores that others drive: [`deployment`] watches a
//! roll-out, [`drain`] empties nodes, [`explain`] says what each node thinks of a group, [`effect`] what a plan makes of the
//! allocations, [`check`] whether it keeps the rules; [`restart`] and [`health`] are used
//! by the runner.
//!
//! Nothing here reads a clock, draws a random number or does I/O: time, ids and randomness are arguments.

mod apply;
pub mod check;
pub mod deployment;
pub mod drain;
pub mod effect;
pub mod explain;
mod feasible;
mod fit;
pub mod health;
mod ledger;
mod place;
mod planner;
pub mod ports;
mod rank;
mod reconcile;
pub mod restart;
mod snapshot;
pub mod update;

use baton_model::plan::Plan;

pub use place::Verdict;
pub use snapshot::{Algorithm, SchedulerConfig, Snapshot};

/// Plans what one evaluation asks for.
pub fn schedule(snapshot: Snapshot<'_>) -> Plan {
    apply::plan(snapshot)
}
