//! Jobs and nodes in the stories' short form.

use baton_model::job::{
    Affinity, Constraint, Disconnect, MigrateStrategy, ReschedulePolicy, Spread, SpreadTarget, UpdateStrategy,
};
use baton_model::node::DriverInfo;
use baton_model::resources::{NetworkResource, Port};
use baton_model::service::Service;
use baton_model::task::Template;
use baton_model::{Job, JobType, Nanos, Node, Task, TaskGroup};

/// `edge-1 dc=bi-sbg meta.client_type=edge cpu=4000`.
pub(crate) fn node(line: &str, number: usize) -> Node {
    let mut words = line.split_whitespace();
    let name = words.next().expect("a node name").to_owned();
    let mut node = Node { id: format!("n-{name}"), name, datacenter: "dc1".into(), ..Node::default() };
    node.status = baton_model::node::NodeStatus::Ready;
    node.node_resources.cpu.cpu_shares = 4000;
    node.node_resources.cpu.total_cpu_cores = 4;
    node.node_resources.cpu.reservable_cpu_cores = (0..4).collect();
    node.node_resources.memory.memory_mb = 4096;
    node.node_resources.disk.disk_mb = 50_000;
    node.node_resources.networks =
        vec![NetworkResource { ip: format!("10.0.0.{number}"), device: "eth0".into(), ..NetworkResource::default() }];
    let driver = DriverInfo { detected: true, healthy: true, ..DriverInfo::default() };
    node.drivers.insert("raw_exec".into(), driver);
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "dc" => node.datacenter = value.into(),
            "class" => node.node_class = value.into(),
            "pool" => node.node_pool = value.into(),
            "cpu" => node.node_resources.cpu.cpu_shares = number_of(value),
            "memory" => node.node_resources.memory.memory_mb = number_of(value),
            "ports" => {
                let (min, max) = value.split_once('-').expect("ports=MIN-MAX");
                node.node_resources.min_dynamic_port = number_of(min);
                node.node_resources.max_dynamic_port = number_of(max);
            }
            _ => match key.split_once('.') {
                Some(("meta", key)) => drop(node.meta.insert(key.into(), value.into())),
                Some(("attr", key)) => drop(node.attributes.insert(key.into(), value.into())),
                _ => panic!("unknown node word {word:?}"),
            },
        }
    }
    node
}

/// `traefik service` and then lines of [`edit`].
pub(crate) fn job(head: &str) -> Job {
    let mut words = head.split_whitespace();
    let id = words.next().expect("a job id").to_owned();
    let job_type = match words.next() {
        None | Some("service") => JobType::Service,
        Some("batch") => JobType::Batch,
        Some("system") => JobType::System,
        Some("sysbatch") => JobType::Sysbatch,
        Some(other) => panic!("unknown job type {other}"),
    };
    Job {
        name: id.clone(),
        id,
        namespace: "default".into(),
        job_type,
        priority: 50,
        datacenters: vec!["*".into()],
        ..Job::default()
    }
}

/// Changes one thing of a job; what is about a group is about the last one.
pub(crate) fn edit(job: &mut Job, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let rest = || words[1..].to_vec();
    match words[0] {
        "group" => {
            let mut group = TaskGroup { name: words[1].into(), count: 1, ..TaskGroup::default() };
            group.ephemeral_disk.size_mb = 300;
            let mut task = Task { name: "main".into(), driver: "raw_exec".into(), ..Task::default() };
            task.resources.cpu = 100;
            task.resources.memory_mb = 300;
            group.tasks.push(task);
            job.task_groups.push(group);
            pairs(&words[2..], |key, value| edit(job, &format!("{key} {value}")));
        }
        "datacenters" => job.datacenters = rest().into_iter().map(str::to_owned).collect(),
        "pool" => job.node_pool = words[1].into(),
        "priority" => job.priority = number_of(words[1]),
        _ => edit_group(job.task_groups.last_mut().expect("a group first"), &words),
    }
}

fn edit_group(group: &mut TaskGroup, words: &[&str]) {
    let value = || words.get(1).copied().unwrap_or_default();
    match words[0] {
        "count" => group.count = number_of(value()),
        "sticky" => group.ephemeral_disk.sticky = true,
        "constraint" => group.constraints.push(match words[1..] {
            [operand] => Constraint { operand: operand.into(), ..Constraint::default() },
            [operand, l_target] => {
                Constraint { operand: operand.into(), l_target: l_target.into(), ..Constraint::default() }
            }
            [l_target, operand, ref right @ ..] => {
                Constraint { operand: operand.into(), l_target: l_target.into(), r_target: right.join(" ") }
            }
            [] => panic!("constraint needs words"),
        }),
        "affinity" => group.affinities.push(Affinity {
            l_target: words[1].into(),
            operand: words[2].into(),
            r_target: words[3].into(),
            weight: number_of(words[4]),
        }),
        "spread" => {
            let mut spread = Spread { attribute: words[1].into(), weight: 50, spread_target: Vec::new() };
            pairs(&words[2..], |value, percent| {
                spread.spread_target.push(SpreadTarget { value: value.into(), percent: number_of(percent) });
            });
            group.spreads.push(spread);
        }
        "port" => {
            let network = first(&mut group.networks);
            network.dynamic_ports.push(Port { label: value().into(), ..Port::default() });
        }
        "static" => {
            let port = Port { label: value().into(), value: number_of(words[2]), ..Port::default() };
            first(&mut group.networks).reserved_ports.push(port);
        }
        // The 0.12 form, inside the task's resources.
        "task-static" => {
            let port = Port { label: value().into(), value: number_of(words[2]), ..Port::default() };
            first(&mut task(group).resources.networks).reserved_ports.push(port);
        }
        "update" => {
            let update = group.update.get_or_insert(UpdateStrategy {
                max_parallel: 1,
                health_check: "checks".into(),
                min_healthy_time: Nanos::secs(10),
                healthy_deadline: Nanos::minutes(5),
                progress_deadline: Nanos::minutes(10),
                ..UpdateStrategy::default()
            });
            pairs(&words[1..], |key, value| match key {
                "max_parallel" => update.max_parallel = number_of(value),
                "canary" => update.canary = number_of(value),
                "progress_deadline" => update.progress_deadline = duration(value),
                "auto_revert" => update.auto_revert = value == "true",
                "auto_promote" => update.auto_promote = value == "true",
                _ => panic!("unknown update key {key}"),
            });
        }
        "migrate" => {
            let migrate = group.migrate.get_or_insert_with(MigrateStrategy::default);
            migrate.max_parallel = number_of(value());
        }
        "reschedule" => {
            let policy = group.reschedule_policy.get_or_insert_with(ReschedulePolicy::default);
            pairs(&words[1..], |key, value| match key {
                "attempts" => policy.attempts = number_of(value),
                "interval" => policy.interval = duration(value),
                "delay" => policy.delay = duration(value),
                "function" => policy.delay_function = value.into(),
                "max_delay" => policy.max_delay = duration(value),
                "unlimited" => policy.unlimited = value == "true",
                _ => panic!("unknown reschedule key {key}"),
            });
        }
        "disconnect" => {
            let rules = group.disconnect.get_or_insert(Disconnect { replace: true, ..Disconnect::default() });
            pairs(&words[1..], |key, value| match key {
                "lost_after" => rules.lost_after = duration(value),
                "replace" => rules.replace = value == "true",
                "reconcile" => rules.reconcile = value.into(),
                _ => panic!("unknown disconnect key {key}"),
            });
        }
        "env" => pairs(&words[1..], |key, value| drop(task(group).env.insert(key.into(), value.into()))),
        "template" => {
            let text = words[1..].join(" ");
            let templates = &mut task(group).templates;
            templates.clear();
            templates.push(Template { embedded_tmpl: text, dest_path: "local/x".into(), ..Template::default() });
        }
        "service" => task(group).services.push(Service { name: value().into(), ..Service::default() }),
        "cpu" => task(group).resources.cpu = number_of(value()),
        "cores" => task(group).resources.cores = number_of(value()),
        "memory" => task(group).resources.memory_mb = number_of(value()),
        "driver" => task(group).driver = value().into(),
        other => panic!("unknown job word {other:?}"),
    }
}

fn task(group: &mut TaskGroup) -> &mut Task {
    group.tasks.last_mut().expect("a task")
}

fn first(networks: &mut Vec<NetworkResource>) -> &mut NetworkResource {
    if networks.is_empty() {
        networks.push(NetworkResource::default());
    }
    &mut networks[0]
}

fn pairs(words: &[&str], mut each: impl FnMut(&str, &str)) {
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("{word:?} is not KEY=VALUE"));
        each(key, value);
    }
}

pub(crate) fn duration(text: &str) -> Nanos {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn number_of(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number"))
}
