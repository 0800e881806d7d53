//! From a job's service block to what is registered: ids, addresses, interpolated texts, checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use baton_model::service::{CheckRestart, Service, ServiceCheck, ServiceWeights};
use baton_model::{Allocation, Nanos, Node, Task, TaskGroup};
use sha1::{Digest as _, Sha1};
use tokio::sync::mpsc;

use crate::task::Command;
use crate::task::env::{TaskEnv, join_host_port};

/// Every service id of a job's service begins with this, as in Nomad.
pub const SERVICE_PREFIX: &str = "_nomad-task-";

/// A service instance as it is to stand in the catalog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registration {
    pub id: String,
    pub name: String,
    pub tags: Vec<String>,
    pub address: String,
    pub port: i64,
    pub meta: BTreeMap<String, String>,
    pub weights: Option<ServiceWeights>,
    pub enable_tag_override: bool,
    pub checks: Vec<CheckSpec>,
}

/// A check with everything resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckSpec {
    pub id: String,
    pub name: String,
    pub notes: String,
    pub kind: CheckKind,
    pub interval: Nanos,
    pub timeout: Nanos,
    /// `passing`, `warning`, or critical when empty.
    pub initial_status: String,
    pub success_before_passing: i64,
    pub failures_before_critical: i64,
    pub failures_before_warning: i64,
    pub on_update: String,
    pub restart: Option<CheckRestart>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    Http {
        url: String,
        method: String,
        header: BTreeMap<String, Vec<String>>,
        body: String,
        tls_skip_verify: bool,
        tls_server_name: String,
    },
    Tcp {
        address: String,
    },
    Grpc {
        address: String,
        service: String,
        use_tls: bool,
        tls_skip_verify: bool,
    },
    Script {
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        dir: PathBuf,
        user: String,
    },
}

impl Default for CheckKind {
    fn default() -> Self {
        Self::Tcp { address: String::new() }
    }
}

/// Who has the service.
pub(crate) struct Owner<'a> {
    pub(crate) alloc: &'a Allocation,
    pub(crate) group: &'a TaskGroup,
    /// `None` for a service of the group.
    pub(crate) task: Option<&'a Task>,
    pub(crate) env: &'a TaskEnv,
    pub(crate) node: &'a Node,
    pub(crate) dir: &'a Path,
    /// Where a check that stays unhealthy asks for a restart.
    pub(crate) restart: mpsc::WeakSender<Command>,
}

/// What a check restarts goes along with its registration.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) registration: Registration,
    pub(crate) restart: mpsc::WeakSender<Command>,
}

pub(crate) fn registrations(owner: &Owner<'_>, services: &[Service]) -> Vec<Wanted> {
    let wanted = services.iter().filter(|service| service.provider != "nomad");
    wanted.map(|service| Wanted { registration: owner.registration(service), restart: owner.restart.clone() }).collect()
}

impl Owner<'_> {
    fn registration(&self, service: &Service) -> Registration {
        let text = |text: &str| self.env.replace(text);
        let name = text(&service.name);
        let label = text(&service.port_label);
        let (ip, port) = self.address(&label);
        let scope = self.task.map_or_else(|| format!("group-{}", self.group.name), |task| task.name.clone());
        let id = format!("{SERVICE_PREFIX}{}-{scope}-{name}-{label}", self.alloc.id);
        let canary = self.alloc.is_canary();
        let tags = if canary && !service.canary_tags.is_empty() { &service.canary_tags } else { &service.tags };
        let mut meta = BTreeMap::from([("external-source".to_owned(), "nomad".to_owned())]);
        let own = service.meta.iter().chain(canary.then_some(&service.canary_meta).into_iter().flatten());
        meta.extend(own.map(|(key, value)| (text(key), text(value))));
        let checks = service.checks.iter().map(|check| self.check(&id, service, check, &label)).collect();
        Registration {
            tags: tags.iter().map(|tag| text(tag)).collect(),
            address: if service.address.is_empty() { ip } else { text(&service.address) },
            port,
            meta,
            weights: service.weights.clone(),
            enable_tag_override: service.enable_tag_override,
            checks,
            name,
            id,
        }
    }

    fn check(&self, service_id: &str, service: &Service, check: &ServiceCheck, service_label: &str) -> CheckSpec {
        let text = |text: &str| self.env.replace(text);
        let label = text(&check.port_label);
        let (ip, port) = self.address(if label.is_empty() { service_label } else { &label });
        let address = join_host_port(&ip, port);
        let kind = match check.check_type.as_str() {
            "http" => CheckKind::Http {
                url: http_url(&text(&check.protocol), &address, &text(&check.path)),
                method: text(&check.method),
                header: check.header.clone(),
                body: text(&check.body),
                tls_skip_verify: check.tls_skip_verify,
                tls_server_name: text(&check.tls_server_name),
            },
            "grpc" => CheckKind::Grpc {
                address,
                service: text(&check.grpc_service),
                use_tls: check.grpc_use_tls,
                tls_skip_verify: check.tls_skip_verify,
            },
            "script" => CheckKind::Script {
                command: text(&check.command),
                args: check.args.iter().map(|arg| text(arg)).collect(),
                env: self.env.vars.clone(),
                dir: self.dir.to_owned(),
                user: self.task.map(|task| task.user.clone()).unwrap_or_default(),
            },
            _ => CheckKind::Tcp { address },
        };
        let name = text(&check.name);
        let hash = Sha1::digest(format!("{service_id}\n{name}\n{}\n{}", check.check_type, check.path));
        let id = hash.iter().fold("_nomad-check-".to_owned(), |id, byte| format!("{id}{byte:02x}"));
        let inherited = |own: &str, from: &str| if own.is_empty() { from.to_owned() } else { own.to_owned() };
        CheckSpec {
            id,
            name,
            notes: text(&check.notes),
            kind,
            interval: check.interval,
            timeout: check.timeout,
            initial_status: check.initial_status.clone(),
            success_before_passing: check.success_before_passing,
            failures_before_critical: check.failures_before_critical,
            failures_before_warning: check.failures_before_warning,
            on_update: inherited(&check.on_update, &service.on_update),
            restart: check
                .check_restart
                .clone()
                .or_else(|| service.check_restart.clone())
                .filter(|rule| rule.limit > 0),
        }
    }

    /// Where a label or a number leads; without either, the first network's address and port 0.
    fn address(&self, label: &str) -> (String, i64) {
        let resources = &self.alloc.allocated_resources;
        if let Some(port) = resources.shared.ports.iter().find(|port| port.label == label) {
            return (port.host_ip.clone(), port.value);
        }
        let own = self.task.and_then(|task| resources.tasks.get(&task.name));
        let others = resources.tasks.values().filter(|_| self.task.is_none());
        let of_tasks = own.into_iter().chain(others).flat_map(|given| &given.networks);
        let networks: Vec<_> = resources.shared.networks.iter().chain(of_tasks).collect();
        for network in &networks {
            if let Some(port) = network.ports().find(|port| port.label == label) {
                return (network.ip.clone(), port.value);
            }
        }
        let first = networks.first().map(|network| network.ip.clone()).filter(|ip| !ip.is_empty());
        let of_node =
            || self.node.node_resources.networks.first().map(|network| network.ip.clone()).unwrap_or_default();
        (first.unwrap_or_else(of_node), label.parse().unwrap_or(0))
    }
}

fn http_url(protocol: &str, address: &str, path: &str) -> String {
    let scheme = if protocol.is_empty() { "http" } else { protocol };
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{address}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use baton_model::resources::{AllocatedPort, AllocatedResources, AllocatedSharedResources};

    use super::*;

    #[test]
    fn ids_and_addresses_are_nomads() {
        let resources = AllocatedResources {
            shared: AllocatedSharedResources {
                ports: vec![AllocatedPort { label: "http".into(), value: 8080, to: 0, host_ip: "127.0.0.11".into() }],
                ..Default::default()
            },
            ..Default::default()
        };
        let alloc = Allocation { id: "a1".into(), allocated_resources: resources, ..Allocation::default() };
        let group = TaskGroup { name: "g".into(), ..TaskGroup::default() };
        let task = Task { name: "t".into(), ..Task::default() };
        let mut env = TaskEnv::default();
        env.extend([("NOMAD_JOB_ID".to_owned(), "j".to_owned())]);
        let (commands, _inbox) = mpsc::channel(1);
        let mut owner = Owner {
            alloc: &alloc,
            group: &group,
            task: Some(&task),
            env: &env,
            node: &Node::default(),
            dir: Path::new("/"),
            restart: commands.downgrade(),
        };
        let check =
            ServiceCheck { name: "c".into(), check_type: "http".into(), path: "/ping".into(), ..Default::default() };
        let service = Service {
            name: "web".into(),
            port_label: "http".into(),
            tags: vec!["job=${NOMAD_JOB_ID}".into()],
            checks: vec![check],
            ..Service::default()
        };
        let registration = owner.registration(&service);
        assert_eq!(registration.id, "_nomad-task-a1-t-web-http");
        assert_eq!((registration.address.as_str(), registration.port), ("127.0.0.11", 8080));
        assert_eq!(registration.tags, ["job=j"]);
        let CheckKind::Http { url, .. } = &registration.checks[0].kind else { unreachable!("an http check") };
        assert_eq!(url, "http://127.0.0.11:8080/ping");
        owner.task = None;
        assert_eq!(owner.registration(&service).id, "_nomad-task-a1-group-g-web-http");
    }
}
