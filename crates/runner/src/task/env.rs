//! A task's environment and the `${…}` of its job.

use std::collections::BTreeMap;

use baton_model::resources::{NetworkResource, Port};
use baton_model::{Allocation, Job, Node, Task, TaskGroup, id};

use crate::alloc::dir::TaskDir;
use crate::config::ClientConfig;

/// Variables of the agent that no task sees: credentials for other systems.
const DENIED: &[&str] = &[
    "CONSUL_TOKEN",
    "CONSUL_HTTP_TOKEN",
    "CONSUL_HTTP_TOKEN_FILE",
    "NOMAD_TOKEN",
    "BATON_TOKEN",
    "VAULT_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
];

/// Variables for the process, and everything `${…}` and `{{ env }}` can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskEnv {
    /// What the process gets.
    pub vars: BTreeMap<String, String>,
    /// `node.*`, `attr.*`, `meta.*`.
    pub node: BTreeMap<String, String>,
}

impl TaskEnv {
    /// Everything but the `env = true` templates, which come later through [`TaskEnv::extend`].
    pub fn new(
        config: &ClientConfig,
        alloc: &Allocation,
        job: &Job,
        group: &TaskGroup,
        task: &Task,
        dir: &TaskDir,
    ) -> Self {
        let mut env = Self { vars: host(), node: node_values(&config.node, job) };
        env.vars.extend(config.env.clone());
        let mut set = |name: &str, value: String| {
            env.vars.insert(name.to_owned(), value);
        };
        set("NOMAD_ALLOC_DIR", dir.shared.display().to_string());
        set("NOMAD_TASK_DIR", dir.local.display().to_string());
        set("NOMAD_SECRETS_DIR", dir.secrets.display().to_string());
        let given = alloc.allocated_resources.tasks.get(&task.name);
        if let Some(given) = given {
            set("NOMAD_MEMORY_LIMIT", given.memory.memory_mb.to_string());
            if given.memory.memory_max_mb > 0 {
                set("NOMAD_MEMORY_MAX_LIMIT", given.memory.memory_max_mb.to_string());
            }
            set("NOMAD_CPU_LIMIT", given.cpu.cpu_shares.to_string());
            if !given.cpu.reserved_cores.is_empty() {
                let cores: Vec<String> = given.cpu.reserved_cores.iter().map(ToString::to_string).collect();
                set("NOMAD_CPU_CORES", cores.join(","));
            }
        }
        set("NOMAD_ALLOC_ID", alloc.id.clone());
        set("NOMAD_SHORT_ALLOC_ID", id::short(&alloc.id).to_owned());
        set("NOMAD_ALLOC_NAME", alloc.name.clone());
        set("NOMAD_ALLOC_INDEX", alloc.index().unwrap_or(0).to_string());
        set("NOMAD_TASK_NAME", task.name.clone());
        set("NOMAD_GROUP_NAME", group.name.clone());
        set("NOMAD_JOB_ID", job.id.clone());
        set("NOMAD_JOB_NAME", job.name.clone());
        if !job.parent_id.is_empty() {
            set("NOMAD_JOB_PARENT_ID", job.parent_id.clone());
        }
        set("NOMAD_DC", config.node.datacenter.clone());
        set("NOMAD_REGION", job.region.clone());
        set("NOMAD_NAMESPACE", job.namespace.clone());
        if let Some(socket) = &config.api_socket {
            set("NOMAD_UNIX_ADDR", format!("unix:{}", socket.display()));
        }
        if let Some(address) = config.bind_address {
            set("BATON_BIND_ADDRESS", address.to_string());
        }
        let state = state_dir(config, alloc, job, group, task);
        set("BATON_STATE_DIR", state.display().to_string());
        env.ports(alloc, task);
        env.meta(job, group, task);
        env.own(&task.env);
        env
    }

    /// The task's `env`: values may use everything known, and each other; one that names itself extends what was there before.
    fn own(&mut self, wanted: &BTreeMap<String, String>) {
        let mut pending: Vec<(&String, &String)> = wanted.iter().collect();
        while !pending.is_empty() {
            let names = |value: &str, name: &str| value.contains(&format!("${{{name}}}"));
            let free = |(name, value): &(&String, &String)| {
                !pending.iter().any(|(other, _)| other != name && names(value, other))
            };
            // In a circle the first by name goes first.
            let next = pending.iter().position(free).unwrap_or(0);
            let (name, value) = pending.remove(next);
            self.vars.insert(self.replace(name), self.replace(value));
        }
    }

    /// Adds what `env = true` templates rendered.
    pub fn extend(&mut self, vars: impl IntoIterator<Item = (String, String)>) {
        self.vars.extend(vars);
    }

    /// What `${name}` stands for.
    pub fn get(&self, name: &str) -> Option<&str> {
        let quoted = name.strip_prefix("env[\"").and_then(|rest| rest.strip_suffix("\"]"));
        let name = quoted.unwrap_or(name);
        let found = self.node.get(name).or_else(|| self.vars.get(name));
        // Variables of ports and meta are named with underscores; jobs write the label as it is.
        let found = found.or_else(|| name.starts_with("NOMAD_").then(|| self.vars.get(&clean(name))).flatten());
        found.map(String::as_str)
    }

    /// Replaces every known `${…}`; an unknown one stays as it is, as in Nomad.
    pub fn replace(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else { break };
            let name = rest[start + 2..start + length].trim();
            out.push_str(&rest[..start]);
            match self.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&rest[start..=start + length]),
            }
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        out
    }

    fn ports(&mut self, alloc: &Allocation, task: &Task) {
        let resources = &alloc.allocated_resources;
        for network in &resources.shared.networks {
            for port in network.ports() {
                self.port("", &network.ip, port);
            }
        }
        for port in &resources.shared.ports {
            let port_of = Port { label: port.label.clone(), value: port.value, to: port.to, ..Port::default() };
            self.port("", &port.host_ip, &port_of);
        }
        for (name, given) in &resources.tasks {
            for network in &given.networks {
                for port in network.ports() {
                    if *name == task.name {
                        self.port("", &network.ip, port);
                        let family = if network.ip.contains(':') { "IPv6" } else { "IPv4" };
                        self.vars.insert(format!("NOMAD_{family}_{}", clean(&port.label)), network.ip.clone());
                    } else {
                        self.sibling(name, network, port);
                    }
                }
            }
        }
    }

    fn port(&mut self, prefix: &str, ip: &str, port: &Port) {
        let label = format!("{prefix}{}", clean(&port.label));
        let inside = if port.to > 0 { port.to } else { port.value };
        let address = join_host_port(ip, port.value);
        for (name, value) in [
            ("IP", ip.to_owned()),
            ("PORT", inside.to_string()),
            ("ADDR", address.clone()),
            ("HOST_IP", ip.to_owned()),
            ("HOST_PORT", port.value.to_string()),
            ("HOST_ADDR", address),
            ("ALLOC_PORT", inside.to_string()),
        ] {
            self.vars.insert(format!("NOMAD_{name}_{label}"), value);
        }
    }

    fn sibling(&mut self, task: &str, network: &NetworkResource, port: &Port) {
        let label = format!("{}_{}", clean(task), clean(&port.label));
        self.vars.insert(format!("NOMAD_ADDR_{label}"), join_host_port(&network.ip, port.value));
        self.vars.insert(format!("NOMAD_IP_{label}"), network.ip.clone());
        self.vars.insert(format!("NOMAD_PORT_{label}"), port.value.to_string());
    }

    fn meta(&mut self, job: &Job, group: &TaskGroup, task: &Task) {
        // What a dispatch may leave out is empty, not unknown.
        for key in job.parameterized.iter().flat_map(|rules| &rules.meta_optional) {
            let key = clean(key);
            self.vars.insert(format!("NOMAD_META_{}", key.to_uppercase()), String::new());
            self.vars.insert(format!("NOMAD_META_{key}"), String::new());
        }
        for (key, value) in job.meta.iter().chain(&group.meta).chain(&task.meta) {
            let key = clean(key);
            let value = self.replace(value);
            self.vars.insert(format!("NOMAD_META_{}", key.to_uppercase()), value.clone());
            self.vars.insert(format!("NOMAD_META_{key}"), value);
        }
    }
}

/// Where a task keeps what must outlive its allocation: by job, group, task and index, handed from old to new.
pub fn state_dir(
    config: &ClientConfig,
    alloc: &Allocation,
    job: &Job,
    group: &TaskGroup,
    task: &Task,
) -> std::path::PathBuf {
    // A job's id may hold slashes and dots; one safe component each.
    let part = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '+' }).collect()
    };
    config
        .state_dir
        .join(part(&job.namespace))
        .join(part(&job.id))
        .join(part(&group.name))
        .join(part(&task.name))
        .join(alloc.index().unwrap_or(0).to_string())
}

/// `ip:port`, with brackets for IPv6.
pub fn join_host_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn clean(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

fn host() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !DENIED.contains(&name.as_str()))
        .collect()
}

fn node_values(node: &Node, job: &Job) -> BTreeMap<String, String> {
    let mut values = BTreeMap::from([
        ("node.unique.id".to_owned(), node.id.clone()),
        ("node.unique.name".to_owned(), node.name.clone()),
        ("node.datacenter".to_owned(), node.datacenter.clone()),
        ("node.region".to_owned(), job.region.clone()),
        ("node.class".to_owned(), node.node_class.clone()),
        ("node.pool".to_owned(), node.node_pool.clone()),
    ]);
    values.extend(node.attributes.iter().map(|(name, value)| (format!("attr.{name}"), value.clone())));
    values.extend(node.meta.iter().map(|(name, value)| (format!("meta.{name}"), value.clone())));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_is_known_and_keeps_the_rest() {
        let env = TaskEnv {
            vars: BTreeMap::from([("HOME".into(), "/h".into()), ("NOMAD_PORT_http".into(), "8080".into())]),
            node: BTreeMap::from([("meta.client_type".into(), "edge".into())]),
        };
        assert_eq!(env.replace("${meta.client_type}:${NOMAD_PORT_http}"), "edge:8080");
        assert_eq!(env.replace("${env[\"HOME\"]} ${ HOME } $HOME ${x} ${"), "/h /h $HOME ${x} ${");
    }

    #[test]
    fn labels_with_a_dash_are_known_by_both_spellings() {
        let vars = BTreeMap::from([("NOMAD_PORT_http_api".to_owned(), "80".to_owned())]);
        let env = TaskEnv { vars, node: BTreeMap::new() };
        assert_eq!(env.replace("${NOMAD_PORT_http-api} ${NOMAD_PORT_http_api} ${http-api}"), "80 80 ${http-api}");
    }

    #[test]
    fn values_name_each_other_and_themselves() {
        let mut env = TaskEnv { vars: BTreeMap::from([("PATH".into(), "/bin".into())]), node: BTreeMap::new() };
        let pairs =
            [("A", "${B}/a"), ("B", "${C}/b"), ("C", "c"), ("PATH", "${PATH}:/x"), ("X", "${Y}"), ("Y", "${X}")];
        env.own(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!((env.vars["A"].as_str(), env.vars["PATH"].as_str()), ("c/b/a", "/bin:/x"));
        assert_eq!((env.vars["X"].as_str(), env.vars["Y"].as_str()), ("${Y}", "${Y}"));
    }

    #[test]
    fn optional_meta_of_a_dispatch_is_empty_unless_given() {
        let rules = baton_model::job::Parameterized {
            meta_optional: vec!["given".into(), "left-out".into()],
            ..Default::default()
        };
        let job =
            Job { parameterized: Some(rules), meta: BTreeMap::from([("given".into(), "v".into())]), ..Job::default() };
        let mut env = TaskEnv::default();
        env.meta(&job, &TaskGroup::default(), &Task::default());
        assert_eq!((env.vars["NOMAD_META_given"].as_str(), env.vars["NOMAD_META_LEFT_OUT"].as_str()), ("v", ""));
    }

    #[test]
    fn addresses_of_both_families() {
        assert_eq!(join_host_port("10.0.0.1", 80), "10.0.0.1:80");
        assert_eq!(join_host_port("::1", 80), "[::1]:80");
    }
}
