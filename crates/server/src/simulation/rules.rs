//! What must be true: of a state read back, and of a cluster at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use baton_model::alloc::AllocMetric;
use baton_model::deployment::DeploymentStatus;
use baton_model::eval::EvalStatus;
use baton_model::{AllocClientStatus, Allocation, Job, JobType};

use super::cluster::Cluster;
use crate::state::State;

/// The first thing in which two states differ.
pub(super) fn difference(memory: &State, disk: &State) -> Option<String> {
    if (memory.index, memory.table_index) != (disk.index, disk.table_index) {
        return Some(format!("index {} is {}", memory.index, disk.index));
    }
    let jobs = |state: &State| -> BTreeMap<String, _> {
        state
            .jobs
            .iter()
            .map(|(id, record)| {
                let submissions: Vec<u64> = record.submissions.keys().copied().collect();
                (id.clone(), (record.job.clone(), record.versions.clone(), submissions))
            })
            .collect()
    };
    let pairs = |state: &State| {
        [&state.allocs_by_job, &state.allocs_by_node, &state.evals_by_job, &state.deployments_by_job]
            .map(|pairs| pairs.iter().cloned().collect::<BTreeSet<_>>())
    };
    let open = |state: &State| {
        [&state.open_evals, &state.open_deployments].map(|ids| ids.iter().cloned().collect::<BTreeSet<_>>())
    };
    maps("job", &jobs(memory), &jobs(disk))
        .or_else(|| rows("node", memory.nodes(), disk.nodes(), |node| &node.id))
        .or_else(|| maps("allocation", &allocs(memory), &allocs(disk)))
        .or_else(|| rows("evaluation", memory.evals(), disk.evals(), |eval| &eval.id))
        .or_else(|| rows("deployment", memory.deployments(), disk.deployments(), |one| &one.id))
        .or_else(|| (pairs(memory) != pairs(disk)).then(|| "an index of pairs differs".to_owned()))
        .or_else(|| (open(memory) != open(disk)).then(|| "the open ones differ".to_owned()))
        .or_else(|| {
            let launches = |state: &State| state.launches.iter().map(|(id, at)| (id.clone(), *at)).collect();
            maps::<u64>("launch", &launches(memory), &launches(disk))
        })
}

/// Scores are left out: JSON may change a number's last digit.
fn allocs(state: &State) -> BTreeMap<String, Allocation> {
    let bare = |alloc: &Arc<Allocation>| Allocation { metrics: AllocMetric::default(), ..(**alloc).clone() };
    state.allocs().map(|alloc| (alloc.id.clone(), bare(alloc))).collect()
}

fn rows<'a, T: PartialEq + Debug + 'a>(
    what: &str,
    memory: impl Iterator<Item = &'a Arc<T>>,
    disk: impl Iterator<Item = &'a Arc<T>>,
    id: impl Fn(&T) -> &String,
) -> Option<String> {
    let map = |row: &'a Arc<T>| (id(row).clone(), Arc::clone(row));
    maps(what, &memory.map(map).collect(), &disk.map(map).collect())
}

fn maps<T: PartialEq + Debug>(what: &str, memory: &BTreeMap<String, T>, disk: &BTreeMap<String, T>) -> Option<String> {
    let ids: BTreeSet<&String> = memory.keys().chain(disk.keys()).collect();
    let differing = ids.into_iter().find(|id| memory.get(*id) != disk.get(*id))?;
    Some(format!("{what} {differing}\n{:#?}\nis on the disk\n{:#?}", memory.get(differing), disk.get(differing)))
}

/// Everything has settled: is it what the jobs ask for?
pub(super) fn at_rest(cluster: &Cluster) {
    let state = &cluster.state;
    assert!(cluster.all_nodes_ready());
    for alloc in state.allocs().filter(|alloc| !alloc.terminal()) {
        let Some(job) = state.job(&alloc.job_id) else {
            cluster.fail(&format!("{} of a job that is gone runs", alloc.name));
        };
        if job.stop || job.is_periodic() || job.is_parameterized() {
            cluster.fail(&format!("{} runs, its job does not", alloc.name));
        }
        if state.node(&alloc.node_id).is_none() {
            cluster.fail(&format!("{} runs on a node that is gone", alloc.name));
        }
        if alloc.client_status == AllocClientStatus::Unknown {
            cluster.fail(&format!("{} is unknown for ever", alloc.name));
        }
    }
    let runs_through_children =
        |alloc: &&Arc<Allocation>| state.job(&alloc.job_id).is_some_and(|job| !crate::job::runs_itself(job));
    if let Some(alloc) = state.allocs().find(runs_through_children) {
        cluster.fail(&format!("{} was placed, its job runs through children only", alloc.name));
    }
    if let Some(eval) = state.open_evals().find(|eval| eval.status == EvalStatus::Pending) {
        let waits = eval.wait_until > cluster.now;
        if !waits {
            cluster.fail(&format!("an evaluation of {} is due and not done", eval.job_id));
        }
    }
    for job in state.jobs().filter(|job| !job.stop && !job.is_periodic() && !job.is_parameterized()) {
        match job.job_type {
            JobType::Service => service(cluster, job),
            JobType::System => system(cluster, job),
            JobType::Batch | JobType::Sysbatch => batch(cluster, job),
        }
    }
}

fn live<'a>(state: &'a State, job: &'a Job) -> impl Iterator<Item = &'a Arc<Allocation>> {
    state.allocs_of_job(&job.id).filter(|alloc| !alloc.terminal())
}

/// The scheduler said that something has no room.
fn blocked(state: &State, job: &Job) -> bool {
    state.evals_of_job(&job.id).any(|eval| eval.status == EvalStatus::Blocked)
}

/// Nothing of a failed deployment goes on until somebody registers something else.
fn failed(state: &State, job: &Job) -> bool {
    state.latest_deployment(&job.id).is_some_and(|one| {
        one.job_version == job.version
            && one.job_create_index == job.create_index
            && one.status == DeploymentStatus::Failed
    })
}

/// The version failed before its canaries were promoted: the one before it goes on in full.
fn failed_with_canaries(state: &State, job: &Job) -> bool {
    failed(state, job)
        && state
            .latest_deployment(&job.id)
            .is_some_and(|one| one.task_groups.values().all(|group| group.desired_canaries > 0 && !group.promoted))
}

/// Attempts used up: such an allocation stays as it is.
fn exhausted(state: &State, job: &Job) -> usize {
    let given_up = |alloc: &&Arc<Allocation>| {
        !alloc.server_terminal() && alloc.client_status == AllocClientStatus::Failed && alloc.next_allocation.is_empty()
    };
    state.allocs_of_job(&job.id).filter(given_up).count()
}

/// The job's allocations, for whoever reads a failure.
pub(super) fn told(state: &State, job: &Job) -> String {
    let allocs: Vec<String> = state
        .allocs_of_job(&job.id)
        .map(|alloc| {
            let short = baton_model::id::short;
            format!(
                "{} {} on {} v{} {:?}/{:?} health {:?} canary {} handover {} deployment {} next {} succeeds {} previous {} {:?}",
                short(&alloc.id),
                alloc.name,
                alloc.node_name,
                alloc.job.as_ref().map_or(0, |job| job.version),
                alloc.desired_status,
                alloc.client_status,
                alloc.deployment_health(),
                alloc.is_canary(),
                alloc.handover,
                short(&alloc.deployment_id),
                short(&alloc.next_allocation),
                short(&alloc.succeeds),
                short(&alloc.previous_allocation),
                alloc.desired_transition,
            )
        })
        .collect();
    format!("\nversion {}\n{}\n{:#?}", job.version, allocs.join("\n"), state.latest_deployment(&job.id))
}

fn service(cluster: &Cluster, job: &Job) {
    let state = &cluster.state;
    let wanted: i64 = job.task_groups.iter().map(|group| group.count).sum();
    let running = live(state, job).filter(|alloc| !alloc.is_canary()).count() as i64;
    if running > wanted && !failed(state, job) {
        cluster.fail(&format!("{} has {running} allocations, {wanted} are wanted{}", job.id, told(state, job)));
    }
    let mut names = BTreeSet::new();
    // Canaries that wait for room for the others of them have their names beside the older ones'.
    for alloc in live(state, job).filter(|alloc| !alloc.is_canary()) {
        if !names.insert(&alloc.name) && !failed(state, job) {
            cluster.fail(&format!("{} is there twice{}", alloc.name, told(state, job)));
        }
    }
    if blocked(state, job) || (failed(state, job) && !failed_with_canaries(state, job)) {
        return;
    }
    let given_up = exhausted(state, job) as i64;
    // What a version adds waits with its canaries.
    let older = state
        .job_record(&job.id)
        .into_iter()
        .flat_map(|record| &record.versions)
        .map(|version| version.task_groups.iter().map(|group| group.count).sum())
        .min();
    let wanted = if failed_with_canaries(state, job) { wanted.min(older.unwrap_or(wanted)) } else { wanted };
    if running + given_up < wanted {
        let count = format!("{} has {running} allocations, {wanted} are wanted", job.id);
        cluster.fail(&format!("{count}, {given_up} are given up{}", told(state, job)));
    }
    if failed(state, job) {
        return;
    }
    let old =
        |alloc: &&Arc<Allocation>| alloc.job.as_ref().is_none_or(|had| had.job_modify_index != job.job_modify_index);
    if given_up == 0 && live(state, job).any(|alloc| old(&alloc)) {
        cluster.fail(&format!("{} still runs an older version{}", job.id, told(state, job)));
    }
    if let Some(open) = state.latest_deployment(&job.id).filter(|one| one.status.is_active())
        && given_up == 0
    {
        cluster.fail(&format!("the deployment of {} does not end: {open:#?}{}", job.id, told(state, job)));
    }
}

fn system(cluster: &Cluster, job: &Job) {
    let state = &cluster.state;
    let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
    for alloc in live(state, job) {
        *nodes.entry(&alloc.node_id).or_default() += 1;
    }
    if let Some((node, count)) = nodes.iter().find(|(_, count)| **count > 1) {
        cluster.fail(&format!("{} is on {node} {count} times{}", job.id, told(state, job)));
    }
    let only_a = job.constraints.iter().any(|constraint| constraint.l_target == "${meta.rack}");
    let wanted = state.nodes().filter(|node| !only_a || node.meta["rack"] == "a").count();
    if nodes.len() != wanted && !blocked(state, job) && !failed(state, job) {
        cluster.fail(&format!("{} is on {} nodes of {wanted}{}", job.id, nodes.len(), told(state, job)));
    }
}

fn batch(cluster: &Cluster, job: &Job) {
    let state = &cluster.state;
    if live(state, job).next().is_some() {
        cluster.fail(&format!("{} does not end{}", job.id, told(state, job)));
    }
}
