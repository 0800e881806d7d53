//! Data for templates from a Consul-compatible catalog.

use std::time::Duration;

use baton_consul::Client;
use baton_consul::client::{Answered, Error, Read};
use baton_consul::wire;
use baton_template::{
    Check, Data, Dependency, KvPair, Node, NodeService, NodeServices, NomadInstance, ServiceInstance, ServiceName,
    ServiceQuery,
};
use futures::future::{BoxFuture, FutureExt as _};

use super::hub::{Fetched, Fetcher};
use crate::service::{JOB_META, SERVICE_PREFIX};

/// Why variables have no answer.
const VARIABLES: &str = "variables are not kept here: put the value into a key and read it with `key`";
/// The catalog's service for itself, which is no job's.
const CATALOG: &str = "consul";
/// The length of an allocation's id, a UUID in text.
const ALLOC_ID_LEN: usize = 36;

/// Asks through the client given.
#[derive(Clone, Debug)]
pub struct ConsulFetcher {
    client: Client,
    /// This node's name in the catalog, for `node` without a name.
    node: String,
}

impl ConsulFetcher {
    pub fn new(client: Client, node: impl Into<String>) -> Self {
        Self { client, node: node.into() }
    }

    async fn ask(&self, dependency: &Dependency, index: u64, wait: Duration) -> Result<Fetched, String> {
        let read = |dc: &Option<String>| {
            let read = Read { index, wait, stale: true, ..Read::default() };
            match dc {
                Some(dc) => read.with("dc", dc),
                None => read,
            }
        };
        let client = &self.client;
        match dependency {
            Dependency::Key { path, dc }
            | Dependency::KeyOrDefault { path, dc }
            | Dependency::KeyExists { path, dc } => done(client.kv_get(path, &read(dc)).await, |pair| {
                pair.map_or(Data::Absent, |pair| Data::Text(value(&pair)))
            }),
            Dependency::KvList { prefix, dc } => {
                done(client.kv_list(prefix, &read(dc)).await, |pairs| Data::Pairs(pairs.iter().map(pair).collect()))
            }
            Dependency::Service(query) => self.service(query, read(&query.dc)).await,
            Dependency::Services { dc } => done(client.catalog_services(&read(dc)).await, |services| {
                Data::Services(services.into_iter().map(|(name, tags)| ServiceName { name, tags }).collect())
            }),
            Dependency::Nodes { dc, near } => {
                let read = near.iter().fold(read(dc), |read, near| read.with("near", near));
                done(client.catalog_nodes(&read).await, |nodes| Data::Nodes(nodes.into_iter().map(node).collect()))
            }
            Dependency::Node { name, dc } => {
                let name = name.as_deref().unwrap_or(&self.node);
                done(client.catalog_node(name, &read(dc)).await, |found| match found {
                    Some(found) => Data::Node(Box::new(node_services(found))),
                    None => Data::Absent,
                })
            }
            Dependency::Datacenters => {
                let names = client.catalog_datacenters().await.map_err(|error| error.to_string())?;
                // There is nothing to wait on: asked again after a while.
                tokio::time::sleep(if index == 0 { Duration::ZERO } else { wait }).await;
                Ok(Fetched { data: Data::Datacenters(names), index: 1 })
            }
            Dependency::File { .. } => Err("files are read from the task's directory".to_owned()),
            Dependency::NomadServices { .. } => done(client.catalog_services(&read(&None)).await, |services| {
                let jobs = services.into_iter().filter(|(name, _)| name != CATALOG);
                Data::Services(jobs.map(|(name, tags)| ServiceName { name, tags }).collect())
            }),
            Dependency::NomadService { name, .. } => {
                let read = read(&None).with("passing", "1");
                done(client.health_service(name, &read).await, |entries| {
                    Data::NomadInstances(entries.iter().filter_map(job_instance).collect())
                })
            }
            Dependency::NomadVar(_) | Dependency::NomadVarExists(_) | Dependency::NomadVarList(_) => {
                Err(VARIABLES.to_owned())
            }
        }
    }

    async fn service(&self, query: &ServiceQuery, mut read: Read) -> Result<Fetched, String> {
        for (name, value) in [("tag", &query.tag), ("near", &query.near)] {
            if let Some(value) = value {
                read = read.with(name, value);
            }
        }
        if let Some(filter) = &query.query {
            read = match filter.split_once('=') {
                Some((name, value)) if !name.contains(' ') => read.with(name, value),
                _ => Read { filter: filter.clone(), ..read },
            };
        }
        done(self.client.health_service(&query.name, &read).await, |entries| {
            let mut found: Vec<ServiceInstance> = entries.iter().map(instance).collect();
            found.retain(|instance| query.admits(&instance.status));
            if query.near.is_none() {
                found.sort_by(|a, b| (&a.node, &a.id).cmp(&(&b.node, &b.id)));
            }
            Data::Instances(found)
        })
    }
}

impl Fetcher for ConsulFetcher {
    fn fetch<'a>(
        &'a self,
        dependency: &'a Dependency,
        index: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Fetched, String>> {
        self.ask(dependency, index, wait).boxed()
    }

    fn refusal(&self, dependency: &Dependency) -> Option<String> {
        let variable =
            matches!(dependency, Dependency::NomadVar(_) | Dependency::NomadVarExists(_) | Dependency::NomadVarList(_));
        variable.then(|| VARIABLES.to_owned())
    }
}

fn done<T>(answer: Result<Answered<T>, Error>, data: impl FnOnce(T) -> Data) -> Result<Fetched, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    Ok(Fetched { index: answer.index, data: data(answer.data) })
}

fn value(pair: &wire::KvPair) -> String {
    String::from_utf8_lossy(&pair.value.0).into_owned()
}

fn pair(found: &wire::KvPair) -> KvPair {
    KvPair {
        path: found.key.clone(),
        value: value(found),
        create_index: found.create_index,
        modify_index: found.modify_index,
        lock_index: found.lock_index,
        flags: found.flags,
        session: found.session.clone(),
    }
}

fn node(found: wire::Node) -> Node {
    Node {
        id: found.id,
        node: found.node,
        address: found.address,
        datacenter: found.datacenter,
        tagged_addresses: found.tagged_addresses,
        meta: found.meta,
    }
}

fn node_services(found: wire::CatalogNode) -> NodeServices {
    let service = |service: wire::NodeService| NodeService {
        id: service.id,
        service: service.service,
        tags: service.tags,
        meta: service.meta,
        address: service.address,
        port: u16::try_from(service.port).unwrap_or(0),
    };
    NodeServices { node: node(found.node), services: found.services.into_values().map(service).collect() }
}

fn instance(entry: &wire::ServiceEntry) -> ServiceInstance {
    let weight = |weight: i64| u32::try_from(weight).unwrap_or(0);
    ServiceInstance {
        node: entry.node.node.clone(),
        node_id: entry.node.id.clone(),
        node_address: entry.node.address.clone(),
        node_datacenter: entry.node.datacenter.clone(),
        node_tagged_addresses: entry.node.tagged_addresses.clone(),
        node_meta: entry.node.meta.clone(),
        service_meta: entry.service.meta.clone(),
        address: entry.address().to_owned(),
        id: entry.service.id.clone(),
        name: entry.service.service.clone(),
        tags: entry.service.tags.clone(),
        checks: entry.checks.iter().map(check).collect(),
        status: entry.status().as_str().to_owned(),
        port: u16::try_from(entry.service.port).unwrap_or(0),
        weight_passing: weight(entry.service.weights.passing),
        weight_warning: weight(entry.service.weights.warning),
    }
}

fn check(found: &wire::HealthCheck) -> Check {
    Check {
        node: found.node.clone(),
        id: found.check_id.clone(),
        name: found.name.clone(),
        status: found.status.as_str().to_owned(),
        notes: found.notes.clone(),
        output: found.output.clone(),
        service_id: found.service_id.clone(),
        service_name: found.service_name.clone(),
    }
}

/// Only what a runner registered is an instance of a job.
fn job_instance(entry: &wire::ServiceEntry) -> Option<NomadInstance> {
    let service = &entry.service;
    let alloc_id = service.id.strip_prefix(SERVICE_PREFIX)?.get(..ALLOC_ID_LEN)?.to_owned();
    Some(NomadInstance {
        id: service.id.clone(),
        name: service.service.clone(),
        node: entry.node.node.clone(),
        address: entry.address().to_owned(),
        port: u16::try_from(service.port).unwrap_or(0),
        datacenter: entry.node.datacenter.clone(),
        tags: service.tags.clone(),
        job_id: service.meta.get(JOB_META).cloned().unwrap_or_default(),
        alloc_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_jobs_are_told_from_others() {
        let alloc = "12345678-1234-1234-1234-123456789abc";
        let mut entry = wire::ServiceEntry::default();
        entry.service.id = format!("{SERVICE_PREFIX}{alloc}-t-web-http");
        entry.service.service = "web".into();
        entry.service.port = 80;
        entry.service.meta.insert(JOB_META.into(), "j".into());
        let found = job_instance(&entry).unwrap();
        assert_eq!((found.alloc_id.as_str(), found.job_id.as_str(), found.port), (alloc, "j", 80));
        entry.service.id = "web-1".into();
        assert_eq!(job_instance(&entry), None);
    }
}
