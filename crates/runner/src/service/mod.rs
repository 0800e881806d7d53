//! Services of tasks and groups in the catalog, with their checks.
//!
//! [`registrations`] turns a job's service blocks into what is registered; [`Services`] keeps the catalog in line with it and
//! runs the checks that the catalog does not run itself. What is in the catalog always follows from what runs here: after a
//! crash nothing of an ended task stays.

mod catalog;
mod check;
mod definition;
mod sync;

pub use catalog::{AgentCatalog, Catalog, NodeCatalog, Report, Reports};
pub use definition::{CheckKind, CheckSpec, Registration, SERVICE_PREFIX};

pub(crate) use definition::{Owner, registrations};
pub(crate) use sync::Services;
