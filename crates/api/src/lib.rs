//! api

pub mod consul;
