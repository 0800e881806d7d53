//! The agent's configuration: HCL or JSON with Nomad's keys, and few of Baton's own (`catalog`, `acl.default`,
//! `acl.token_file`, `addresses.socket`).
//!
//! Input: files and directories, in order; a later file wins, lists and maps are joined. Output: [`AgentConfig`] with every
//! default filled in, or every mistake of every file at its place. A file with a mistake is never used in part.

mod rules;
mod scan;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use baton_jobspec::{Diagnostic, NoHost, Severity, Source, hcl};
use baton_model::Nanos;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::{jobfile, places};

pub use rules::with_port;

pub const HTTP_PORT: u16 = 4646;
/// Where the embedded catalog answers unless configured.
pub const CATALOG_ADDRESS: &str = "127.0.0.1:8500";

/// What the files say; absent means the default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentConfig {
    pub name: Option<String>,
    pub region: Option<String>,
    pub datacenter: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub bind_addr: Option<String>,
    pub log_level: Option<String>,
    pub log_json: bool,
    pub ports: Ports,
    pub addresses: Addresses,
    pub advertise: Advertise,
    pub server: Server,
    pub client: Client,
    pub consul: Consul,
    pub catalog: Catalog,
    pub acl: Acl,
    pub plugin: BTreeMap<String, Plugin>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ports {
    pub http: Option<u16>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Addresses {
    /// One or several, with spaces between.
    pub http: Option<String>,
    pub socket: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Advertise {
    /// `host` or `host:port`.
    pub http: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Server {
    pub enabled: bool,
    pub heartbeat_grace: Option<Nanos>,
    pub min_heartbeat_ttl: Option<Nanos>,
    pub failover_heartbeat_ttl: Option<Nanos>,
    pub job_gc_interval: Option<Nanos>,
    pub job_gc_threshold: Option<Nanos>,
    pub eval_gc_threshold: Option<Nanos>,
    pub batch_eval_gc_threshold: Option<Nanos>,
    pub deployment_gc_threshold: Option<Nanos>,
    pub node_gc_threshold: Option<Nanos>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Client {
    pub enabled: bool,
    pub node_class: String,
    pub node_pool: Option<String>,
    pub meta: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub servers: Vec<String>,
    pub server_join: ServerJoin,
    pub network_interface: Option<String>,
    pub min_dynamic_port: Option<u16>,
    pub max_dynamic_port: Option<u16>,
    pub max_kill_timeout: Option<Nanos>,
    pub gc_max_allocs: Option<usize>,
    pub cpu_total_compute: Option<i64>,
    pub memory_total_mb: Option<i64>,
    pub disk_total_mb: Option<i64>,
    pub reserved: Reserved,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ServerJoin {
    pub retry_join: Vec<String>,
    pub start_join: Vec<String>,
}

/// Kept back from jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Reserved {
    /// MHz
    pub cpu: i64,
    /// MB
    pub memory: i64,
    /// MB
    pub disk: i64,
    /// `22,80,8500-8600`
    pub reserved_ports: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Consul {
    pub address: Option<String>,
    pub token: Option<String>,
    pub ssl: bool,
    pub verify_ssl: Option<bool>,
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Catalog {
    /// Where the embedded catalog answers; without a server, the one that is used.
    pub address: Option<String>,
    pub enable_script_checks: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Acl {
    /// `allow` or `deny`.
    pub default: Option<String>,
    pub token_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Plugin {
    pub config: Map<String, Value>,
}

/// Whether a text is an agent's configuration and no job file.
pub fn is_agent_configuration(text: &str) -> bool {
    let json = serde_json::from_str::<Map<String, Value>>(text).ok();
    let names: Vec<&str> = match &json {
        Some(members) => members.keys().map(String::as_str).collect(),
        None => scan::top_level(text),
    };
    const JOB_FILE: [&str; 5] = ["job", "Job", "variable", "variables", "locals"];
    let known = |name: &&str| schema::ROOT.block(name).is_some() || schema::ROOT.argument(name).is_some();
    !names.iter().any(|name| JOB_FILE.contains(name)) && names.iter().any(known)
}

/// Every mistake and warning of one file.
pub fn check(text: &str, name: &str) -> Vec<Diagnostic> {
    read(text, name).1
}

/// One file on its own: what fits, and everything that is to be said about it.
fn read(text: &str, name: &str) -> (Value, Vec<Diagnostic>) {
    match hcl::decode(&scan::modern(text), name, &schema::ROOT, &NoHost) {
        Err(mistakes) => (Value::Null, mistakes),
        Ok(mut decoded) => {
            let mut found = std::mem::take(&mut decoded.mistakes);
            found.extend(rules::check(&decoded));
            found.sort_by_key(|finding| (finding.line, finding.column));
            (decoded.value, found)
        }
    }
}

/// What was read, and from where.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: AgentConfig,
    pub files: Vec<PathBuf>,
    /// What is accepted and has no effect, one line each.
    pub warnings: Vec<String>,
}

/// Reads files and directories, in order. Mistakes are shown on standard error.
pub fn load(paths: &[PathBuf]) -> Result<Loaded> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        bail!(
            "no configuration: give --config FILE (a minimum: server {{ enabled = true }}, client {{ enabled = true }})"
        );
    }
    let (mut merged, mut warnings, mut mistakes) = (Value::Object(Map::new()), Vec::new(), 0);
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.display().to_string();
        let (value, found) = read(&text, &name);
        let (errors, told): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|finding| finding.severity == Severity::Error);
        mistakes += errors.len();
        jobfile::show(&errors, &Source::new(&name, text));
        warnings.extend(told.iter().map(Diagnostic::compact));
        merge(&mut merged, value);
    }
    if mistakes > 0 {
        let many = if mistakes == 1 { "mistake" } else { "mistakes" };
        return Err(anyhow!("the configuration has {mistakes} {many}; nothing was started"));
    }
    let config: AgentConfig = serde_json::from_value(merged).context("the configuration has an unexpected shape")?;
    Ok(Loaded { config, files, warnings })
}

/// A directory stands for its `.hcl` and `.json` files, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = || format!("cannot read {}", path.display());
    if !std::fs::metadata(path).with_context(unreadable)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let ours = |path: &PathBuf| path.extension().is_some_and(|end| end == "hcl" || end == "json");
    let entries = std::fs::read_dir(path).with_context(unreadable)?;
    let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(ours).collect();
    inside.sort();
    files.extend(inside);
    Ok(())
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (_, Value::Null) => {}
        (into, from) => *into = from,
    }
}

impl AgentConfig {
    /// What no single file can be blamed for.
    pub fn whole(&self) -> Result<()> {
        if !self.server.enabled && !self.client.enabled {
            bail!(
                "neither server nor client is enabled: write server {{ enabled = true }} or client {{ enabled = true }}, or both"
            );
        }
        if self.client.enabled && !self.server.enabled && self.servers().is_empty() {
            bail!("a client without a server needs one: client {{ servers = [\"HOST:{HTTP_PORT}\"] }}");
        }
        let (first, last) = self.dynamic_ports();
        if first > last {
            bail!("client.min_dynamic_port ({first}) is above client.max_dynamic_port ({last})");
        }
        Ok(())
    }

    pub fn data_dir(&self) -> Result<PathBuf> {
        let path = self.data_dir.clone().or_else(places::data_dir);
        path.context("no data directory: HOME is not set; give --data-dir or set data_dir")
    }

    /// The node's name, `hostname` unless configured.
    pub fn name(&self) -> Result<String> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => Ok(nix::unistd::gethostname().context("no host name; set name")?.to_string_lossy().into_owned()),
        }
    }

    pub fn region(&self) -> String {
        self.region.clone().unwrap_or_else(|| "global".to_owned())
    }

    pub fn datacenter(&self) -> String {
        self.datacenter.clone().unwrap_or_else(|| "dc1".to_owned())
    }

    pub fn log_level(&self) -> String {
        self.log_level.clone().unwrap_or_else(|| "info".to_owned())
    }

    pub fn http_port(&self) -> u16 {
        self.ports.http.unwrap_or(HTTP_PORT)
    }

    /// Where the API is to answer.
    pub fn http_addresses(&self) -> Result<Vec<IpAddr>> {
        let text = self.addresses.http.as_deref().or(self.bind_addr.as_deref()).unwrap_or("127.0.0.1");
        text.split_ascii_whitespace().map(|one| one.parse().with_context(|| format!("{one:?} is no address"))).collect()
    }

    /// First and last.
    pub fn dynamic_ports(&self) -> (u16, u16) {
        (self.client.min_dynamic_port.unwrap_or(20_000), self.client.max_dynamic_port.unwrap_or(32_000))
    }

    /// Servers of a client, `host:port` each.
    pub fn servers(&self) -> Vec<String> {
        let join = &self.client.server_join;
        let named = self.client.servers.iter().chain(&join.retry_join).chain(&join.start_join);
        named.map(|server| with_port(server, HTTP_PORT)).collect()
    }

    /// Whether everybody may write (`acl { default = "allow" }`).
    pub fn allows_everything(&self) -> bool {
        self.acl.default.as_deref() == Some("allow")
    }

    /// Whether jobs may use `raw_exec`.
    pub fn raw_exec(&self) -> bool {
        let option =
            self.client.options.get("driver.raw_exec.enable").map(|value| matches!(value.as_str(), "1" | "true"));
        let plugin = self.plugin.get("raw_exec").and_then(|plugin| plugin.config.get("enabled")?.as_bool());
        plugin.or(option).unwrap_or(true)
    }
}
