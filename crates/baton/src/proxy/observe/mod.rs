//! What is written down about requests: the access log and the numbers of `/metrics`.
//!
//! Input is one [`AccessEntry`] per finished request, on the data path; nothing here blocks it. Requests that the proxy
//! answers itself (`…@internal`) count only where `addInternals` says so, and a router may be left out by its
//! `observability`.

mod access_log;
pub mod certificates;
mod line;
mod metrics;

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use baton_proxy::access::{AccessEntry, AccessLog};
use baton_routing::RouteTable;
use baton_traefik::static_config::StaticConfig;

use access_log::Writer;
pub use metrics::{Metrics, Now};

/// Everyone who wants to know about requests; `None` of the engine when nobody does.
pub struct Observers {
    log: Option<(Writer, bool)>,
    metrics: Option<(Arc<Metrics>, bool)>,
    unobserved: ArcSwap<Unobserved>,
}

/// Routers that asked to be left out.
#[derive(Default)]
struct Unobserved {
    log: HashSet<String>,
    metrics: HashSet<String>,
}

impl Observers {
    /// What the static options ask for. An access log that cannot be opened is an error.
    pub fn new(fixed: &StaticConfig) -> Result<Self> {
        let log = match &fixed.access_log {
            Some(options) => Some((Writer::open(options)?, options.add_internals)),
            None => None,
        };
        let prometheus =
            fixed.metrics.as_ref().and_then(|metrics| Some((metrics.prometheus.as_ref()?, metrics.add_internals)));
        let metrics = prometheus.map(|(options, internals)| (Arc::new(Metrics::new(options)), internals));
        Ok(Self { log, metrics, unobserved: ArcSwap::default() })
    }

    /// Whether there is anything to do per request.
    pub fn is_idle(&self) -> bool {
        self.log.is_none() && self.metrics.is_none()
    }

    pub fn metrics(&self) -> Option<&Arc<Metrics>> {
        self.metrics.as_ref().map(|(metrics, _)| metrics)
    }

    /// Follows a configuration that was applied.
    pub fn applied(&self, table: &RouteTable) {
        let without = |wants: fn(&baton_routing::config::Observability) -> Option<bool>| {
            let routers = table.report.routers.iter();
            let refused =
                routers.filter(|(_, entry)| entry.object.observability.as_ref().and_then(wants) == Some(false));
            refused.map(|(name, _)| name.clone()).collect()
        };
        let unobserved = Unobserved { log: without(|own| own.access_logs), metrics: without(|own| own.metrics) };
        self.unobserved.store(Arc::new(unobserved));
        if let Some((metrics, _)) = &self.metrics {
            metrics.applied(table);
        }
    }

    /// Opens the access log's file again (after it was moved away).
    pub fn reopen(&self) {
        if let Some((writer, _)) = &self.log {
            writer.reopen();
        }
    }
}

impl AccessLog for Observers {
    fn record(&self, entry: &AccessEntry<'_>) {
        let internal = entry.service.is_some_and(|service| service.ends_with("@internal"));
        let unobserved = self.unobserved.load();
        let left_out = |names: &HashSet<String>| entry.router.is_some_and(|router| names.contains(router));
        if let Some((writer, internals)) = &self.log
            && (*internals || !internal)
            && !left_out(&unobserved.log)
        {
            writer.write(entry);
        }
        if let Some((metrics, internals)) = &self.metrics
            && (*internals || !internal)
            && !left_out(&unobserved.metrics)
        {
            metrics.count(entry);
        }
    }
}
