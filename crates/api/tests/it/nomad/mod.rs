//! The control plane through its HTTP API, with nodes that are played by tasks of the test.

mod deploy;
mod drain;
mod guard;
mod hostile;
mod jobs;
mod nodes;
mod operator;
mod python;
mod reads;
mod restart;
mod support;
