//! `distinct_hosts` and `distinct_property`: rules about where the job's other allocations are.

use std::collections::BTreeMap;

use baton_model::{Allocation, Job, Node, TaskGroup};

use super::constraint::{DISTINCT_PROPERTY, distinct_hosts_on};
use super::target;
use crate::ledger::Ledger;

/// The distinct rules of one group, ready to be asked node by node.
pub(crate) struct Distinct<'a> {
    job_id: &'a str,
    group: &'a str,
    hosts_job: bool,
    hosts_group: bool,
    properties: Vec<Property<'a>>,
}

struct Property<'a> {
    attribute: &'a str,
    allowed: u64,
    used: BTreeMap<String, u64>,
}

impl<'a> Distinct<'a> {
    /// `leaves_out` names an allocation that makes room (the one replaced, or the one succeeded).
    pub(crate) fn of(
        job: &'a Job,
        group: &'a TaskGroup,
        nodes: &[Node],
        ledger: &Ledger<'_>,
        leaves_out: Option<&str>,
    ) -> Self {
        let counts = |alloc: &Allocation, whole_job: bool| {
            alloc.job_id == job.id
                && (whole_job || alloc.task_group == group.name)
                && Some(alloc.id.as_str()) != leaves_out
                && Some(alloc.succeeds.as_str()).filter(|old| !old.is_empty()).is_none_or(|old| {
                    // A successor beside its predecessor counts once.
                    leaves_out == Some(old) || !ledger.all().any(|other| other.id == old)
                })
        };
        let property = |l_target: &'a str, r_target: &str, whole_job: bool| {
            let mut used = BTreeMap::new();
            for alloc in ledger.all().filter(|alloc| counts(alloc, whole_job)) {
                let node = nodes.iter().find(|node| node.id == alloc.node_id);
                if let Some(value) = node.and_then(|node| target::resolve(l_target, node)) {
                    *used.entry(value.into_owned()).or_insert(0) += 1;
                }
            }
            Property { attribute: l_target, allowed: r_target.parse().unwrap_or(1).max(1), used }
        };
        let mut properties = Vec::new();
        let of_job = job.constraints.iter().map(|constraint| (constraint, true));
        let of_group = group.constraints.iter().map(|constraint| (constraint, false));
        for (constraint, whole_job) in of_job.chain(of_group) {
            if constraint.operand == DISTINCT_PROPERTY {
                properties.push(property(&constraint.l_target, &constraint.r_target, whole_job));
            }
        }
        Self {
            job_id: &job.id,
            group: &group.name,
            hosts_job: job.constraints.iter().any(distinct_hosts_on),
            hosts_group: group.constraints.iter().any(distinct_hosts_on),
            properties,
        }
    }

    pub(crate) fn check(&self, node: &Node, ledger: &Ledger<'_>, leaves_out: Option<&str>) -> Result<(), String> {
        if self.hosts_job || self.hosts_group {
            let taken = ledger.on_node(&node.id).any(|alloc| {
                alloc.job_id == self.job_id
                    && (self.hosts_job || alloc.task_group == self.group)
                    && Some(alloc.id.as_str()) != leaves_out
            });
            if taken {
                return Err("distinct_hosts".to_owned());
            }
        }
        for property in &self.properties {
            let Some(value) = target::resolve(property.attribute, node) else {
                return Err(format!("missing property {:?}", property.attribute));
            };
            let used = property.used.get(value.as_ref()).copied().unwrap_or(0);
            if used >= property.allowed {
                let attribute = property.attribute;
                return Err(format!("distinct_property: {attribute}={value} used by {used} allocs"));
            }
        }
        Ok(())
    }
}
