//! Templates of tasks: rendered before the task starts, again when their data changes, with the wanted action.
//!
//! [`Hub`] holds the data that all templates of the node depend on, each watched once. [`Manager`] renders one task's
//! templates. Data comes through a [`Fetcher`]; when it fails, the last rendering stays.

mod consul;
mod file;
mod hub;
mod interfaces;
mod manager;
mod view;

pub use consul::ConsulFetcher;
pub use hub::{Fetched, Fetcher};

pub(crate) use hub::Hub;
pub(crate) use manager::{Change, Manager, Progress, TemplateTask};
