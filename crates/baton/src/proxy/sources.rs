//! What the providers said last, and the configuration that all of it makes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use baton_consul::wire::{ServiceEntry, Status};
use baton_proxy::providers::catalog::Picture;
use baton_proxy::providers::files::Found;
use baton_routing::Config;
use baton_routing::config::ConsulCatalog;
use baton_template::Moment;
use baton_traefik::Finding;
use baton_traefik::assemble;
use baton_traefik::dynamic::{Context, FileConfig, ProviderConfig, merge_files, parse_file};
use baton_traefik::static_config::StaticConfig;
use baton_traefik::tags::{self, Instance};

use super::startup::log;

/// Names of the providers, as qualified names show them.
const FILE: &str = "file";
const CATALOG: &str = "consulcatalog";
/// Check ids with these beginnings are Consul's maintenance mode.
const MAINTENANCE: [&str; 2] = ["_node_maintenance", "_service_maintenance:"];
/// A service with this in its metadata is about to stop: nothing new is sent to it.
const DRAINING: &str = "baton-draining";

/// Static options and the last good reading of each source.
pub struct Sources {
    pub fixed: StaticConfig,
    context: Context,
    files: BTreeMap<String, GoodFile>,
    catalog: ProviderConfig,
    told: HashMap<String, String>,
}

struct GoodFile {
    bytes: Vec<u8>,
    good: Option<FileConfig>,
}

impl Sources {
    pub fn new(fixed: StaticConfig, env: BTreeMap<String, String>) -> Self {
        let context = Context { default_syntax: fixed.default_syntax(), env, moment: None };
        Self { fixed, context, files: BTreeMap::new(), catalog: ProviderConfig::default(), told: HashMap::new() }
    }

    /// Other static options; files are read with them again at the next [`Sources::take_files`].
    pub fn replace_fixed(&mut self, fixed: StaticConfig) {
        self.context.default_syntax = fixed.default_syntax();
        self.fixed = fixed;
        self.files.values_mut().for_each(|file| file.bytes.clear());
    }

    /// Takes the files as they are now. A file with mistakes keeps its last good version, a file that cannot be read too.
    pub fn take_files(&mut self, found: Found) {
        self.context.moment = Some(moment());
        for error in &found.errors {
            tracing::error!("dynamic configuration: {error}");
        }
        let unreadable = |name: &str| found.errors.iter().any(|error| error.starts_with(name));
        let names: Vec<&String> = found.files.iter().map(|file| &file.name).collect();
        self.files.retain(|name, _| names.contains(&name) || unreadable(name));
        for file in found.files {
            let known = self.files.entry(file.name.clone());
            let entry = known.or_insert_with(|| GoodFile { bytes: Vec::new(), good: None });
            if entry.bytes == file.bytes && entry.good.is_some() {
                continue;
            }
            entry.read(&file.name, file.bytes, &self.context);
        }
    }

    /// Takes the catalog as it is now.
    pub fn take_catalog(&mut self, picture: &Picture) {
        let Some(options) = self.fixed.providers.consul_catalog.as_ref() else { return };
        let Some(picture) = picture else { return };
        let instances: Vec<Instance> = picture.values().flat_map(|entries| entries.iter().map(instance)).collect();
        let read = tags::read(&instances, options, &self.context);
        if self.catalog.tcp != read.config.tcp || self.catalog.udp != read.config.udp {
            unserved(CATALOG, &read.config);
        }
        self.tell(read.findings);
        self.catalog = read.config;
    }

    /// Instances that are about to stop: id and address of each.
    pub fn draining(picture: &Picture) -> Vec<(String, String)> {
        let entries = picture.iter().flat_map(|services| services.values()).flat_map(|entries| entries.iter());
        let leaving = entries.filter(|entry| entry.service.meta.contains_key(DRAINING));
        leaving
            .map(|entry| {
                let service = &entry.service;
                let host = if service.address.is_empty() { &entry.node.address } else { &service.address };
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                (service.id.clone(), format!("{host}:{}", service.port))
            })
            .collect()
    }

    /// Tells findings that were not told before.
    fn tell(&mut self, findings: Vec<Finding>) {
        let told: HashMap<String, String> =
            findings.iter().map(|finding| (finding.to_string(), finding.option.clone())).collect();
        for finding in findings.iter().filter(|finding| !self.told.contains_key(&finding.to_string())) {
            log(finding);
        }
        self.told = told;
    }

    /// Everything together.
    pub fn config(&self) -> Config {
        let files = self.files.iter().filter_map(|(name, file)| Some((name.clone(), file.good.clone()?))).collect();
        let (file, findings) = merge_files(files);
        findings.iter().for_each(log);
        assemble(&self.fixed, vec![(FILE.to_owned(), file), (CATALOG.to_owned(), self.catalog.clone())])
    }

    pub fn catalog_options(&self) -> Option<&ConsulCatalog> {
        self.fixed.providers.consul_catalog.as_ref()
    }
}

/// For templates that tell the time or draw by lot.
pub fn moment() -> Moment {
    Moment { now: jiff::Timestamp::now(), random: uuid::Uuid::new_v4().into_bytes() }
}

impl GoodFile {
    fn read(&mut self, name: &str, bytes: Vec<u8>, context: &Context) {
        let parsed = parse_file(name, &bytes, context);
        self.bytes = bytes;
        match parsed {
            Ok(config) => {
                config.findings.iter().for_each(log);
                unserved(name, &config.config);
                if config.refused && self.good.is_some() {
                    tracing::error!("{name}: keeping its last good version");
                } else {
                    self.good = Some(config);
                }
            }
            Err(findings) => {
                findings.iter().for_each(log);
                let kept = if self.good.is_some() { "keeping its last good version" } else { "left out" };
                tracing::error!("{name}: {kept}");
            }
        }
    }
}

/// Tells which routers serve nothing.
fn unserved(source: &str, config: &ProviderConfig) {
    for router in config.tcp.routers.keys() {
        tracing::error!("{source}: the TCP router {router} serves nothing: TCP routers are not implemented");
    }
    for router in config.udp.routers.keys() {
        tracing::error!("{source}: the UDP router {router} serves nothing: UDP routers are not implemented");
    }
}

/// A catalog entry as the tag reader wants it.
fn instance(entry: &ServiceEntry) -> Instance {
    let service = &entry.service;
    let maintenance = entry.checks.iter().any(|check| MAINTENANCE.iter().any(|id| check.check_id.starts_with(id)));
    let worst = entry.checks.iter().map(|check| check.status).max_by_key(|status| severity(*status));
    let draining = service.meta.contains_key(DRAINING);
    let status = match worst {
        // It leaves in good order: what it has it finishes, whatever its checks tell others.
        _ if draining => "passing",
        _ if maintenance => "maintenance",
        None | Some(Status::Passing) => "passing",
        Some(Status::Warning) => "warning",
        Some(Status::Critical) => "critical",
    };
    Instance {
        id: format!("{}/{}", entry.node.id, service.id),
        name: service.service.clone(),
        tags: service.tags.clone(),
        address: service.address.clone(),
        port: u16::try_from(service.port).unwrap_or(0),
        node_address: entry.node.address.clone(),
        status: status.to_owned(),
        index: service.create_index,
        draining,
    }
}

fn severity(status: Status) -> u8 {
    match status {
        Status::Passing => 0,
        Status::Warning => 1,
        Status::Critical => 2,
    }
}

/// The last known catalog as bytes, and back.
pub mod saved {
    use super::{Arc, BTreeMap, Picture, ServiceEntry};

    pub fn to_bytes(picture: &Picture) -> Option<Vec<u8>> {
        let plain: BTreeMap<&String, &Vec<ServiceEntry>> =
            picture.as_ref()?.iter().map(|(name, entries)| (name, entries.as_ref())).collect();
        serde_json::to_vec(&plain).ok()
    }

    pub fn from_bytes(bytes: &[u8]) -> Picture {
        let plain: BTreeMap<String, Vec<ServiceEntry>> = serde_json::from_slice(bytes).ok()?;
        Some(Arc::new(plain.into_iter().map(|(name, entries)| (name, Arc::new(entries))).collect()))
    }
}
