//! Whether a group fits on a node beside what is there: CPU, cores, memory, disk.

use std::collections::{BTreeMap, BTreeSet};

use baton_model::resources::AllocatedResources;
use baton_model::{Allocation, Node, TaskGroup};

/// An amount of everything that is counted. CPU in MHz, memory and disk in MB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) cpu: i64,
    pub(crate) memory: i64,
    pub(crate) disk: i64,
}

impl Amount {
    /// What a group asks for on `node`; cores become their share of the node's CPU.
    pub(crate) fn asked(group: &TaskGroup, node: &Node) -> Self {
        let mut amount = Self { disk: group.ephemeral_disk.size_mb, ..Self::default() };
        for task in &group.tasks {
            let resources = &task.resources;
            let cpu = if resources.cores > 0 { resources.cores.saturating_mul(per_core(node)) } else { resources.cpu };
            amount.cpu = amount.cpu.saturating_add(cpu);
            amount.memory = amount.memory.saturating_add(resources.memory_mb);
        }
        amount
    }

    pub(crate) fn given(resources: &AllocatedResources) -> Self {
        let mut amount = Self { disk: resources.shared.disk_mb, ..Self::default() };
        for task in resources.tasks.values() {
            amount.cpu = amount.cpu.saturating_add(task.cpu.cpu_shares);
            amount.memory = amount.memory.saturating_add(task.memory.memory_mb);
        }
        amount
    }

    /// What a node has for tasks: its resources without what its configuration keeps back.
    pub(crate) fn of_node(node: &Node) -> Self {
        let (all, kept) = (&node.node_resources, &node.reserved_resources);
        Self {
            cpu: all.cpu.cpu_shares - kept.cpu.cpu_shares,
            memory: all.memory.memory_mb - kept.memory.memory_mb,
            disk: all.disk.disk_mb - kept.disk.disk_mb,
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
            disk: self.disk.saturating_add(other.disk),
        }
    }

    pub(crate) fn max(self, other: Self) -> Self {
        Self { cpu: self.cpu.max(other.cpu), memory: self.memory.max(other.memory), disk: self.disk.max(other.disk) }
    }

    /// The first dimension in which `self` is more than `total`, in the words of failure metrics.
    pub(crate) fn exceeds(self, total: Self) -> Option<&'static str> {
        if self.cpu > total.cpu {
            Some("cpu")
        } else if self.memory > total.memory {
            Some("memory")
        } else if self.disk > total.disk {
            Some("disk")
        } else {
            None
        }
    }
}

/// MHz of one core.
pub(crate) fn per_core(node: &Node) -> i64 {
    let cpu = &node.node_resources.cpu;
    cpu.cpu_shares / i64::from(cpu.total_cpu_cores).max(1)
}

/// What the allocations use together. Where an allocation and its successor are both there, the larger of the two counts.
pub(crate) fn used<'a>(allocs: impl Iterator<Item = &'a Allocation>) -> Amount {
    let allocs: BTreeMap<&str, &Allocation> = allocs.map(|alloc| (alloc.id.as_str(), alloc)).collect();
    let succeeded: BTreeSet<&str> = allocs.values().map(|alloc| alloc.succeeds.as_str()).collect();
    allocs
        .values()
        .filter(|alloc| !succeeded.contains(alloc.id.as_str()))
        .map(|alloc| {
            let own = Amount::given(&alloc.allocated_resources);
            match allocs.get(alloc.succeeds.as_str()) {
                Some(old) => own.max(Amount::given(&old.allocated_resources)),
                None => own,
            }
        })
        .fold(Amount::default(), Amount::plus)
}

/// The lowest `count` cores that nobody on the node has; `None` when there are not enough.
pub(crate) fn free_cores<'a>(
    node: &Node,
    allocs: impl Iterator<Item = &'a Allocation>,
    count: usize,
) -> Option<Vec<u16>> {
    let taken: BTreeSet<u16> = allocs
        .flat_map(|alloc| alloc.allocated_resources.tasks.values())
        .flat_map(|task| task.cpu.reserved_cores.iter().copied())
        .chain(node.reserved_resources.cpu.reservable_cpu_cores.iter().copied())
        .collect();
    let free: BTreeSet<u16> =
        node.node_resources.cpu.reservable_cpu_cores.iter().copied().filter(|core| !taken.contains(core)).collect();
    (free.len() >= count).then(|| free.into_iter().take(count).collect())
}
