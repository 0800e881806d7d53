//! Why a group is, or is not, placed on each node.

use std::fmt;

use crate::Snapshot;
use crate::ledger::Ledger;
use crate::place::{Request, Verdict, verdicts};

/// What one node says about one more allocation of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeOpinion {
    pub node_id: String,
    pub node_name: String,
    pub verdict: Verdict,
}

/// Asks every node whether it would take one more allocation of the group now. Empty when the job has no such group.
pub fn opinions(snapshot: &Snapshot<'_>, group: &str) -> Vec<NodeOpinion> {
    let Some(job) = snapshot.job else { return Vec::new() };
    let Some(group) = job.group(group) else { return Vec::new() };
    let ledger = Ledger::of(snapshot);
    let request = Request::new(job, group, snapshot.config.algorithm, &snapshot.eval.id);
    verdicts(snapshot.nodes, &ledger, &request)
        .into_iter()
        .zip(snapshot.nodes)
        .map(|((node_id, verdict), node)| NodeOpinion { node_id, node_name: node.name.clone(), verdict })
        .collect()
}

impl fmt::Display for NodeOpinion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node_name, self.verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady(reason) => write!(f, "takes nothing new: {reason}"),
            Self::OutOfScope(place) => write!(f, "not asked for: {place}"),
            Self::Filtered(reason) => write!(f, "filtered by {reason:?}"),
            Self::Exhausted { dimension, holder: None } => write!(f, "no room: {dimension}"),
            Self::Exhausted { dimension, holder: Some(holder) } => write!(f, "no room: {dimension}, held by {holder}"),
            Self::Fits { score } => write!(f, "fits with score {score:.3}"),
        }
    }
}
