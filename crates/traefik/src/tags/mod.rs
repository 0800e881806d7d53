//! Catalog tags: services announce their own routes (``traefik.http.routers.web.rule=Host(`a.test`)``).
//!
//! Input are the instances of all services as a catalog lists them; output is one provider's configuration.
//! Each instance is read by itself – a mistake in its tags leaves out that instance only – and then the
//! instances are merged: equal definitions count once, servers add up. Where definitions differ, as they do
//! during every rolling update that changes a tag, the newest instance's stands and a warning is given; a live
//! route is never dropped for it.

mod constraint;
mod default_rule;
mod instance;
mod merge;

use std::collections::BTreeMap;

use baton_routing::config::ConsulCatalog;

pub use constraint::{Constraint, ConstraintError};
pub use default_rule::{DefaultRule, DefaultRuleError};

use crate::{
    dynamic::{Context, ProviderConfig},
    finding::{Finding, Mark, Severity},
};

/// More tags of one instance are refused.
pub const TAGS_MAX: usize = 1000;

/// One instance of a service, as a catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instance {
    pub id: String,
    /// The service's name.
    pub name: String,
    pub tags: Vec<String>,
    /// Empty means the node's address.
    pub address: String,
    pub port: u16,
    pub node_address: String,
    /// The worst state of its checks: passing, warning, critical or maintenance.
    pub status: String,
    /// Grows with registration: the instance with the highest index is the newest.
    pub index: u64,
    /// Going away: finish what runs, send nothing new.
    pub draining: bool,
}

/// What the instances say together.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub config: ProviderConfig,
    pub findings: Vec<Finding>,
}

/// Reads the tags of all instances.
pub fn read(instances: &[Instance], options: &ConsulCatalog, context: &Context) -> Catalog {
    let mut out = Catalog::default();
    let fail = |option: &str, message: String| Finding::new(Severity::Error, "", &Mark::labelled(option), "", message);
    let constraint = Constraint::parse(&options.constraints).unwrap_or_else(|error| {
        out.findings.push(fail("constraints", error.to_string()));
        Constraint::nobody()
    });
    let rule = match DefaultRule::parse(&options.default_rule) {
        Ok(rule) => Some(rule),
        Err(error) => {
            out.findings.push(fail("defaultRule", error.to_string()));
            None
        }
    };
    let mut services: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
    for instance in instances {
        services.entry(&instance.name).or_default().push(instance);
    }
    let reader = instance::Reader { options, context, rule: rule.as_ref() };
    let mut parts = Vec::new();
    for group in services.values() {
        let all: Vec<&String> = group.iter().flat_map(|i| &i.tags).collect();
        if !reader.is_enabled(&all) || !constraint.holds(&all) {
            continue;
        }
        let mine = |i: &&Instance| {
            let tags: Vec<&String> = i.tags.iter().collect();
            reader.is_enabled(&tags) && constraint.holds(&tags)
        };
        let candidates: Vec<&Instance> = group.iter().copied().filter(mine).collect();
        let healthy: Vec<&Instance> = candidates.iter().copied().filter(|i| reader.is_healthy(i)).collect();
        let (chosen, serving) = match healthy.is_empty() && options.keep_unhealthy_routes {
            true => (candidates, false),
            false => (healthy, true),
        };
        for instance in chosen {
            let read = reader.read(instance, serving);
            out.findings.extend(read.findings);
            if let Some(config) = read.config {
                parts.push((instance, config));
            }
        }
    }
    out.config = merge::merge(parts, &mut out.findings);
    out
}

/// A name with every run of other characters than letters and digits replaced by a dash.
pub fn normalize(name: &str) -> String {
    name.split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests;
