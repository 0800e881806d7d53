//! Services of tasks and groups in the catalog, with their checks.
//!
//! [`registrations`] turns a job's service blocks into what is registered; [`Services`] keeps the catalog in line with it and
//! runs the checks that the catalog does not run itself. What is in the catalog always follows from what runs here: after a
//! crash nothing of an ended task stays.

mod catalog;
mod check;
mod checker;
mod definition;
mod reconcile;
mod sync;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use catalog::{AgentCatalog, Catalog, Known, NodeCatalog, Report, Reports};
pub use definition::{CheckKind, CheckSpec, Registration, SERVICE_PREFIX};

pub(crate) use check::Probe;
pub(crate) use definition::{JOB_META, Owner, Wanted, registrations};
pub(crate) use sync::Services;

/// How long a service marked as draining is left alone at most.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(30);
