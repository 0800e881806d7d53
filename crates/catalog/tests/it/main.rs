//! The catalog as its users see it: commands in, outcomes, queries and indexes out.

mod catalog;
mod feed;
mod locks;
mod model;
mod rows;
mod support;
mod txn;
