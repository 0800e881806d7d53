//! One placement: judges every node and picks the best.

use std::collections::BTreeSet;

use baton_model::alloc::{AllocMetric, NodeScore};
use baton_model::node::{Eligibility, NodeStatus};
use baton_model::resources::{
    AllocatedCpu, AllocatedMemory, AllocatedResources, AllocatedSharedResources, AllocatedTaskResources,
};
use baton_model::{Allocation, Job, Node, TaskGroup};

use crate::feasible::{self, Distinct};
use crate::fit::{self, Amount};
use crate::ledger::Ledger;
use crate::ports::{GivenPorts, PortMap, PortRefusal};
use crate::rank::{Ranking, Score, Spreads};
use crate::snapshot::Algorithm;

/// What is to be placed.
#[derive(Clone)]
pub(crate) struct Request<'r> {
    pub(crate) job: &'r Job,
    pub(crate) group: &'r TaskGroup,
    pub(crate) algorithm: Algorithm,
    /// An allocation that makes room for this one on its node (stopped first, updated in place, or succeeded).
    pub(crate) replaces: Option<&'r Allocation>,
    /// The new one runs beside `replaces` for a while: the larger of the two must fit.
    pub(crate) overlaps: bool,
    /// `replaces` itself changes in place: it stays even on a node that takes nothing new.
    pub(crate) stays: bool,
    /// Only this node will do.
    pub(crate) only: Option<&'r str>,
    /// This node is taken whenever it fits (sticky disks).
    pub(crate) prefer: Option<&'r str>,
    pub(crate) penalty: BTreeSet<String>,
    /// Dynamic ports keep the numbers they have here.
    pub(crate) keep_ports_of: Option<&'r Allocation>,
    pub(crate) seed: &'r str,
}

impl<'r> Request<'r> {
    /// A new allocation of the group, free to go anywhere. `seed` (its id) spreads dynamic ports.
    pub(crate) fn new(job: &'r Job, group: &'r TaskGroup, algorithm: Algorithm, seed: &'r str) -> Self {
        Self {
            job,
            group,
            algorithm,
            replaces: None,
            overlaps: false,
            stays: false,
            only: None,
            prefer: None,
            penalty: BTreeSet::new(),
            keep_ports_of: None,
            seed,
        }
    }
}

/// A node that takes the allocation, with what it gives.
pub(crate) struct Found<'n> {
    pub(crate) node: &'n Node,
    pub(crate) resources: AllocatedResources,
    pub(crate) metrics: AllocMetric,
}

/// What one node says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Takes no new allocations now: down, draining, ineligible.
    NotReady(String),
    /// Not among the datacenters or the pool that the job asks for.
    OutOfScope(String),
    /// A constraint, driver, network or distinct rule says no.
    Filtered(String),
    /// No room: the dimension, and which allocation holds the port where it is one.
    Exhausted { dimension: String, holder: Option<String> },
    /// Fits, with this score.
    Fits { score: f64 },
}

enum Judged {
    No(Verdict),
    Yes { resources: AllocatedResources, score: Score },
}

/// The best node, or why there is none.
pub(crate) fn place<'n>(
    nodes: &'n [Node],
    ledger: &Ledger<'_>,
    request: &Request<'_>,
) -> Result<Found<'n>, Box<AllocMetric>> {
    let judge = Judge::new(nodes, ledger, request);
    let mut metrics = AllocMetric::default();
    let mut fitting = Vec::new();
    for node in nodes.iter().filter(|node| request.only.is_none_or(|only| only == node.id)) {
        let judged = judge.judge(node);
        count(&mut metrics, node, request.job, &judged);
        if let Judged::Yes { resources, score } = judged {
            metrics.score_meta.push(NodeScore {
                node_id: node.id.clone(),
                scores: score.by_name,
                norm_score: score.mean,
            });
            fitting.push((node, resources, score.mean));
        }
    }
    metrics.score_meta.sort_by(|a, b| b.norm_score.total_cmp(&a.norm_score));
    let best = fitting.into_iter().min_by(|(a, _, a_score), (b, _, b_score)| {
        let preferred = |node: &Node| request.prefer != Some(node.id.as_str());
        preferred(a)
            .cmp(&preferred(b))
            .then(b_score.total_cmp(a_score))
            .then_with(|| (&a.name, &a.id).cmp(&(&b.name, &b.id)))
    });
    match best {
        Some((node, resources, _)) => Ok(Found { node, resources, metrics }),
        None => Err(Box::new(metrics)),
    }
}

/// What every node says, for explanations.
pub(crate) fn verdicts(nodes: &[Node], ledger: &Ledger<'_>, request: &Request<'_>) -> Vec<(String, Verdict)> {
    let judge = Judge::new(nodes, ledger, request);
    let verdict = |node| match judge.judge(node) {
        Judged::No(verdict) => verdict,
        Judged::Yes { score, .. } => Verdict::Fits { score: score.mean },
    };
    nodes.iter().map(|node| (node.id.clone(), verdict(node))).collect()
}

fn count(metrics: &mut AllocMetric, node: &Node, job: &Job, judged: &Judged) {
    let ready = !matches!(judged, Judged::No(Verdict::NotReady(_)));
    if ready && feasible::in_pool(node, job) {
        metrics.nodes_in_pool += 1;
    }
    match judged {
        Judged::No(Verdict::NotReady(_) | Verdict::OutOfScope(_)) => return,
        Judged::No(Verdict::Filtered(reason)) => {
            metrics.nodes_filtered += 1;
            *metrics.constraint_filtered.entry(reason.clone()).or_insert(0) += 1;
        }
        Judged::No(Verdict::Exhausted { dimension, .. }) => {
            metrics.nodes_exhausted += 1;
            *metrics.dimension_exhausted.entry(dimension.clone()).or_insert(0) += 1;
        }
        Judged::No(Verdict::Fits { .. }) | Judged::Yes { .. } => {}
    }
    metrics.nodes_evaluated += 1;
    *metrics.nodes_available.entry(node.datacenter.clone()).or_insert(0) += 1;
}

struct Judge<'j, 'l> {
    ledger: &'j Ledger<'l>,
    request: &'j Request<'j>,
    distinct: Distinct<'j>,
    ranking: Ranking<'j>,
    replaced: Option<&'j str>,
}

impl<'j, 'l> Judge<'j, 'l> {
    fn new(nodes: &[Node], ledger: &'j Ledger<'l>, request: &'j Request<'j>) -> Self {
        let (job, group) = (request.job, request.group);
        let replaced = request.replaces.map(|alloc| alloc.id.as_str());
        let ranking = Ranking {
            job,
            group,
            algorithm: request.algorithm,
            spreads: Spreads::of(job, group, nodes, ledger, replaced),
            penalty: &request.penalty,
            leaves_out: replaced,
        };
        Self { ledger, request, distinct: Distinct::of(job, group, nodes, ledger, replaced), ranking, replaced }
    }

    fn judge(&self, node: &Node) -> Judged {
        self.try_node(node).unwrap_or_else(Judged::No)
    }

    fn try_node(&self, node: &Node) -> Result<Judged, Verdict> {
        let (job, group) = (self.request.job, self.request.group);
        if let Some(reason) = not_ready(node).filter(|_| !self.request.stays) {
            return Err(Verdict::NotReady(reason));
        }
        if !feasible::in_pool(node, job) {
            return Err(Verdict::OutOfScope(format!("pool {}", feasible::target::pool_of(node))));
        }
        if !feasible::in_datacenters(node, job) {
            return Err(Verdict::OutOfScope(format!("datacenter {}", node.datacenter)));
        }
        feasible::check(node, job, group).map_err(Verdict::Filtered)?;
        self.distinct.check(node, self.ledger, self.replaced).map_err(Verdict::Filtered)?;

        let ports = self.ports(node)?;
        let others = || self.ledger.on_node(&node.id).filter(|alloc| Some(alloc.id.as_str()) != self.replaced);
        let mut asked = Amount::asked(group, node);
        if let Some(old) = self.request.replaces.filter(|old| self.request.overlaps && old.node_id == node.id) {
            asked = asked.max(Amount::given(&old.allocated_resources));
        }
        let used = fit::used(others()).plus(asked);
        let exhausted = |dimension: &str| Verdict::Exhausted { dimension: dimension.to_owned(), holder: None };
        let cores = self.cores(node).ok_or_else(|| exhausted("cores"))?;
        if let Some(dimension) = used.exceeds(Amount::of_node(node)) {
            return Err(exhausted(dimension));
        }
        let score = self.ranking.score(node, self.ledger, used);
        Ok(Judged::Yes { resources: allocated(group, node, ports, cores), score })
    }

    fn ports(&self, node: &Node) -> Result<GivenPorts, Verdict> {
        let mut map = PortMap::new(node);
        for alloc in self.ledger.on_node(&node.id) {
            if Some(alloc.id.as_str()) != self.replaced {
                map.hold(alloc);
            } else if self.request.keep_ports_of.is_none() {
                map.avoid(alloc);
            }
        }
        for alloc in self.ledger.lingering_on(&node.id) {
            map.avoid(alloc);
        }
        map.give(self.request.group, self.request.keep_ports_of, self.request.seed).map_err(|refusal| match refusal {
            PortRefusal::Exhausted { dimension, holder } => Verdict::Exhausted { dimension, holder },
            PortRefusal::Missing(reason) => Verdict::Filtered(reason),
        })
    }

    fn cores(&self, node: &Node) -> Option<Vec<u16>> {
        let wanted: i64 = self.request.group.tasks.iter().map(|task| task.resources.cores.max(0)).sum();
        if wanted == 0 {
            return Some(Vec::new());
        }
        // Pinned cores are not shared with a predecessor that still runs.
        let others = self
            .ledger
            .on_node(&node.id)
            .filter(|alloc| self.request.overlaps || Some(alloc.id.as_str()) != self.replaced);
        fit::free_cores(node, others, usize::try_from(wanted).ok()?)
    }
}

/// Why a node takes nothing new, or `None` when it does.
pub(crate) fn not_ready(node: &Node) -> Option<String> {
    if node.status != NodeStatus::Ready {
        return Some(format!("node is {}", node.status.as_str()));
    }
    if node.drain_strategy.is_some() {
        return Some("node is draining".to_owned());
    }
    (node.scheduling_eligibility != Eligibility::Eligible).then(|| "node is ineligible".to_owned())
}

fn allocated(group: &TaskGroup, node: &Node, mut ports: GivenPorts, cores: Vec<u16>) -> AllocatedResources {
    let mut cores = cores.into_iter();
    let tasks = group
        .tasks
        .iter()
        .map(|task| {
            let asked = &task.resources;
            let reserved_cores: Vec<u16> = cores.by_ref().take(usize::try_from(asked.cores).unwrap_or(0)).collect();
            let cpu_shares =
                if reserved_cores.is_empty() { asked.cpu } else { fit::per_core(node) * reserved_cores.len() as i64 };
            let resources = AllocatedTaskResources {
                cpu: AllocatedCpu { cpu_shares, reserved_cores },
                memory: AllocatedMemory { memory_mb: asked.memory_mb, memory_max_mb: asked.memory_max_mb },
                networks: ports.tasks.remove(&task.name).unwrap_or_default(),
                devices: Vec::new(),
            };
            (task.name.clone(), resources)
        })
        .collect();
    let shared = AllocatedSharedResources {
        disk_mb: group.ephemeral_disk.size_mb,
        networks: ports.networks,
        ports: ports.ports,
    };
    AllocatedResources { tasks, shared }
}
