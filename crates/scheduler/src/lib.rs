//! Which allocations a job should have, and where.

pub mod health;
pub mod restart;
