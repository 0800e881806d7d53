//! From a job's service block to what is registered: ids, addresses, interpolated texts, checks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use baton_consul::wire::ServiceAddress;
use baton_model::service::{CheckRestart, Service, ServiceCheck, ServiceWeights};
use baton_model::{Allocation, Nanos, Node, Task, TaskGroup};
use sha1::{Digest as _, Sha1};
use tokio::sync::mpsc;

use crate::task::Command;
use crate::task::env::{TaskEnv, join_host_port};

/// Every service id of a job's service begins with this, as in Nomad.
pub const SERVICE_PREFIX: &str = "_nomad-task-";

/// Every check id of a job's check begins with this, as in Nomad.
pub(super) const CHECK_PREFIX: &str = "_nomad-check-";
/// The key in a service's meta that tells proxies to send it nothing new.
pub(super) const DRAINING: &str = "baton-draining";
/// The check that tells everyone else never runs; it must only not expire before the service is gone.
const DRAINING_INTERVAL: Nanos = Nanos::hours(1);
/// Names the job in the meta of a service with `provider = "nomad"`, for templates that ask for it.
pub(crate) const JOB_META: &str = "baton-job";

/// A service instance as it is to stand in the catalog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registration {
    pub id: String,
    pub name: String,
    pub tags: Vec<String>,
    pub address: String,
    pub port: i64,
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    pub meta: BTreeMap<String, String>,
    pub weights: Option<ServiceWeights>,
    pub enable_tag_override: bool,
    pub checks: Vec<CheckSpec>,
}

impl Registration {
    /// Marked so that nothing new is sent to it: in its meta for proxies that know the mark, by a critical check for all others.
    pub(super) fn drain(&mut self) {
        if self.meta.insert(DRAINING.to_owned(), "true".to_owned()).is_none() {
            let check = CheckSpec {
                id: format!("{CHECK_PREFIX}draining-{}", self.id),
                name: "draining".to_owned(),
                notes: "its task is about to be stopped".to_owned(),
                kind: CheckKind::Script {
                    command: String::new(),
                    args: Vec::new(),
                    env: BTreeMap::new(),
                    dir: PathBuf::new(),
                    user: String::new(),
                },
                interval: DRAINING_INTERVAL,
                ..CheckSpec::default()
            };
            self.checks.push(check);
        }
    }
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

impl CheckSpec {
    /// The same check at the private twin of its port, if there is one. `None` for a script, which goes where it wants.
    pub(crate) fn at(&self, private: &[(u16, SocketAddr)]) -> Option<Self> {
        let twin = |port: Option<u16>| private.iter().find(|(shared, _)| Some(*shared) == port).map(|(_, twin)| *twin);
        let mut check = self.clone();
        match &mut check.kind {
            CheckKind::Script { .. } => return None,
            CheckKind::Tcp { address } | CheckKind::Grpc { address, .. } => {
                if let Some(twin) = twin(address.rsplit(':').next().and_then(|port| port.parse().ok())) {
                    *address = twin.to_string();
                }
            }
            CheckKind::Http { url, header, .. } => {
                if let Ok(mut parsed) = reqwest::Url::parse(url)
                    && let Some(twin) = twin(parsed.port_or_known_default())
                {
                    let host = parsed.authority().rsplit('@').next().unwrap_or_default().to_owned();
                    if !header.keys().any(|name| name.eq_ignore_ascii_case("host")) {
                        header.insert("Host".to_owned(), vec![host]);
                    }
                    // An address and a port fit every HTTP URL.
                    let _ = parsed.set_ip_host(twin.ip());
                    let _ = parsed.set_port(Some(twin.port()));
                    *url = parsed.into();
                }
            }
        }
        Some(check)
    }

    /// What it looks at.
    pub(crate) fn target(&self) -> &str {
        match &self.kind {
            CheckKind::Http { url, .. } => url,
            CheckKind::Tcp { address } | CheckKind::Grpc { address, .. } => address,
            CheckKind::Script { command, .. } => command,
        }
    }
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

/// What is to be registered; an error names a port label that the allocation does not have.
pub(crate) fn registrations(owner: &Owner<'_>, services: &[Service]) -> Result<Vec<Wanted>, String> {
    let wanted = |service| Ok(Wanted { registration: owner.registration(service)?, restart: owner.restart.clone() });
    services.iter().map(wanted).collect()
}

impl Owner<'_> {
    fn registration(&self, service: &Service) -> Result<Registration, String> {
        let text = |text: &str| self.env.replace(text);
        let name = text(&service.name);
        let label = text(&service.port_label);
        let (ip, port) = self.address(&label).map_err(|reason| format!("service {name:?}: {reason}"))?;
        let scope = self.task.map_or_else(|| format!("group-{}", self.group.name), |task| task.name.clone());
        let id = format!("{SERVICE_PREFIX}{}-{scope}-{name}-{label}", self.alloc.id);
        let canary = self.alloc.is_canary();
        let tags = if canary && !service.canary_tags.is_empty() { &service.canary_tags } else { &service.tags };
        let mut meta = BTreeMap::from([("external-source".to_owned(), "nomad".to_owned())]);
        let own = service.meta.iter().chain(canary.then_some(&service.canary_meta).into_iter().flatten());
        meta.extend(own.map(|(key, value)| (text(key), text(value))));
        if service.provider == "nomad" {
            meta.insert(JOB_META.to_owned(), self.alloc.job_id.clone());
        }
        let checks = service.checks.iter().map(|check| {
            let problem = |reason| format!("service {name:?}: check {:?}: {reason}", check.name);
            self.check(&id, service, check, &label).map_err(problem)
        });
        let checks = checks.collect::<Result<_, _>>()?;
        let tagged = service.tagged_addresses.iter();
        let tagged = tagged.map(|(name, address)| (name.clone(), tagged_address(&text(address), port)));
        Ok(Registration {
            tagged_addresses: tagged.collect(),
            tags: tags.iter().map(|tag| text(tag)).collect(),
            address: if service.address.is_empty() { ip } else { text(&service.address) },
            port,
            meta,
            weights: service.weights.clone(),
            enable_tag_override: service.enable_tag_override,
            checks,
            name,
            id,
        })
    }

    fn check(
        &self,
        service_id: &str,
        service: &Service,
        check: &ServiceCheck,
        service_label: &str,
    ) -> Result<CheckSpec, String> {
        let text = |text: &str| self.env.replace(text);
        let label = text(&check.port_label);
        let (ip, port) = self.address(if label.is_empty() { service_label } else { &label })?;
        let address = join_host_port(&ip, port);
        let kind = match check.check_type.as_str() {
            "http" => CheckKind::Http {
                url: http_url(&text(&check.protocol), &address, &text(&check.path)),
                method: text(&check.method),
                header: check
                    .header
                    .iter()
                    .map(|(name, values)| (text(name), values.iter().map(|value| text(value)).collect()))
                    .collect(),
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
        let id = hash.iter().fold(CHECK_PREFIX.to_owned(), |id, byte| format!("{id}{byte:02x}"));
        let inherited = |own: &str, from: &str| if own.is_empty() { from.to_owned() } else { own.to_owned() };
        Ok(CheckSpec {
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
        })
    }

    /// Where a label or a number leads; without either, the first network's address and port 0.
    fn address(&self, label: &str) -> Result<(String, i64), String> {
        let resources = &self.alloc.allocated_resources;
        if let Some(port) = resources.shared.ports.iter().find(|port| port.label == label) {
            return Ok((port.host_ip.clone(), port.value));
        }
        let own = self.task.and_then(|task| resources.tasks.get(&task.name));
        let others = resources.tasks.values().filter(|_| self.task.is_none());
        let of_tasks = own.into_iter().chain(others).flat_map(|given| &given.networks);
        let networks: Vec<_> = resources.shared.networks.iter().chain(of_tasks).collect();
        for network in &networks {
            if let Some(port) = network.ports().find(|port| port.label == label) {
                return Ok((network.ip.clone(), port.value));
            }
        }
        let first = networks.first().map(|network| network.ip.clone()).filter(|ip| !ip.is_empty());
        let of_node =
            || self.node.node_resources.networks.first().map(|network| network.ip.clone()).unwrap_or_default();
        let port = match label.parse::<u16>() {
            Ok(port) => port.into(),
            Err(_) if label.is_empty() => 0,
            Err(_) => {
                let ports = networks.iter().flat_map(|network| network.ports()).map(|port| &port.label);
                let known: BTreeSet<&String> =
                    resources.shared.ports.iter().map(|port| &port.label).chain(ports).collect();
                return Err(format!("no port has the label {label:?}; the allocation's ports are {known:?}"));
            }
        };
        Ok((first.unwrap_or_else(of_node), port))
    }
}

/// `ip`, `ip:port` or `[ip]:port`; the service's port where none is named.
fn tagged_address(text: &str, port: i64) -> ServiceAddress {
    match text.parse::<SocketAddr>() {
        Ok(both) => ServiceAddress { address: both.ip().to_string(), port: both.port().into() },
        Err(_) => ServiceAddress { address: text.to_owned(), port },
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
    fn a_check_is_moved_to_the_private_twin_of_its_port() {
        let private = [(8080, "127.0.0.11:40001".parse().unwrap()), (443, "[::1]:40002".parse().unwrap())];
        let http = |url: &str| CheckSpec {
            kind: CheckKind::Http {
                url: url.into(),
                method: String::new(),
                header: BTreeMap::new(),
                body: String::new(),
                tls_skip_verify: false,
                tls_server_name: String::new(),
            },
            ..CheckSpec::default()
        };
        for (from, to, host) in [
            ("http://127.0.0.11:8080/ping?x=1", "http://127.0.0.11:40001/ping?x=1", Some("127.0.0.11:8080")),
            ("https://10.0.0.1/", "https://[::1]:40002/", Some("10.0.0.1")),
            ("http://127.0.0.11:9/", "http://127.0.0.11:9/", None),
        ] {
            let moved = http(from).at(&private).unwrap();
            assert_eq!(moved.target(), to);
            let CheckKind::Http { header, .. } = moved.kind else { unreachable!("an http check") };
            assert_eq!(header.get("Host").map(|values| values[0].as_str()), host);
        }
        let tcp = CheckSpec { kind: CheckKind::Tcp { address: "127.0.0.11:443".into() }, ..CheckSpec::default() };
        assert_eq!(tcp.at(&private).unwrap().target(), "[::1]:40002");
    }

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
        let header = BTreeMap::from([("X-Job".to_owned(), vec!["${NOMAD_JOB_ID}".to_owned()])]);
        let check = ServiceCheck { header, ..check };
        let service = Service {
            name: "web".into(),
            port_label: "http".into(),
            tags: vec!["job=${NOMAD_JOB_ID}".into()],
            tagged_addresses: BTreeMap::from([
                ("lan".into(), "10.0.0.1".into()),
                ("wan".into(), "[2001:db8::1]:443".into()),
            ]),
            checks: vec![check],
            ..Service::default()
        };
        let registration = owner.registration(&service).unwrap();
        assert_eq!(registration.id, "_nomad-task-a1-t-web-http");
        assert_eq!((registration.address.as_str(), registration.port), ("127.0.0.11", 8080));
        assert_eq!(registration.tags, ["job=j"]);
        let CheckKind::Http { url, header, .. } = &registration.checks[0].kind else { unreachable!("an http check") };
        assert_eq!(url, "http://127.0.0.11:8080/ping");
        assert_eq!(header["X-Job"], ["j"]);
        let tagged = |name: &str| registration.tagged_addresses[name].clone();
        assert_eq!(tagged("lan"), ServiceAddress { address: "10.0.0.1".into(), port: 8080 });
        assert_eq!(tagged("wan"), ServiceAddress { address: "2001:db8::1".into(), port: 443 });
        owner.task = None;
        assert_eq!(owner.registration(&service).unwrap().id, "_nomad-task-a1-group-g-web-http");
        let mistyped = Service { port_label: "htpp".into(), ..service };
        let reason = owner.registration(&mistyped).unwrap_err();
        assert!(reason.contains("web") && reason.contains("htpp") && reason.contains("\"http\""), "{reason}");
    }
}
