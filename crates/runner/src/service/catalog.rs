//! The catalog that services register in: Baton's own, or a real Consul's agent.

use std::collections::BTreeMap;

use baton_consul::Client;
use baton_consul::client::Read;
use baton_consul::wire::{
    AgentService, CatalogDeregistration, CatalogRegistration, CheckRegistration, HealthCheck, NodeService,
    ServiceRegistration, Status, Text, Weights,
};
use baton_model::service::ServiceWeights;
use baton_model::{Nanos, Node};
use futures::future::{BoxFuture, FutureExt as _};

use super::definition::{CheckKind, CheckSpec, Registration, SERVICE_PREFIX};

/// A TTL check must be updated three times as often as it expires.
const TTL_FACTOR: i64 = 3;

/// What a check last said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub status: Status,
    pub output: String,
}

/// By check id.
pub type Reports = BTreeMap<String, Report>;

/// A service as the catalog has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Without its checks.
    pub service: Registration,
    /// By id.
    pub checks: BTreeMap<String, Status>,
}

impl Known {
    /// The catalog has the service as it is to be registered, checks aside. Tags may be another's when the job lets them; a
    /// catalog may add tagged addresses of its own.
    pub fn is(&self, wanted: &Registration) -> bool {
        let known = &self.service;
        let has = |(name, address)| known.tagged_addresses.get(name) == Some(address);
        known.name == wanted.name
            && known.address == wanted.address
            && known.port == wanted.port
            && known.meta == wanted.meta
            && known.enable_tag_override == wanted.enable_tag_override
            && (known.tags == wanted.tags || wanted.enable_tag_override)
            && weights(known).unwrap_or_default() == weights(wanted).unwrap_or_default()
            && wanted.tagged_addresses.iter().all(has)
    }
}

/// What the runner needs of a catalog.
pub trait Catalog: Send + Sync {
    /// Registers a service with all its checks in one call; a check without a report is in its initial state.
    fn register<'a>(&'a self, service: &'a Registration, reports: &'a Reports) -> BoxFuture<'a, Result<(), String>>;

    fn deregister<'a>(&'a self, service_id: &'a str) -> BoxFuture<'a, Result<(), String>>;

    /// The result of a check that the runner ran.
    fn report<'a>(
        &'a self,
        service: &'a Registration,
        check: &'a CheckSpec,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<(), String>>;

    /// Takes one check out of a service that stays. That it is gone already is no error.
    fn deregister_check<'a>(&'a self, check_id: &'a str) -> BoxFuture<'a, Result<(), String>>;

    /// Jobs' services that the catalog has for this node, by id.
    fn registered(&self) -> BoxFuture<'_, Result<BTreeMap<String, Known>, String>>;

    /// The catalog serves this node alone: whatever job's service it has and the runner does not know is left over.
    fn is_exclusive(&self) -> bool;

    /// The catalog runs HTTP and TCP checks itself; their results come from [`Catalog::reports`].
    fn runs_checks(&self) -> bool;

    fn reports(&self) -> BoxFuture<'_, Result<Reports, String>>;

    /// Requests that proxies have running at these services, as far as they tell the catalog; `None` while none has told.
    fn in_flight<'a>(&'a self, service_ids: &'a [String]) -> BoxFuture<'a, Result<Option<u64>, String>>;
}

/// Baton's catalog, by its node-level endpoints: each (virtual) node has its own entry there.
#[derive(Clone, Debug)]
pub struct NodeCatalog {
    client: Client,
    node: String,
    address: String,
    id: String,
}

impl NodeCatalog {
    pub fn new(client: Client, node: &Node) -> Self {
        let address = node.node_resources.networks.first().map(|network| network.ip.clone()).unwrap_or_default();
        Self { client, node: node.name.clone(), address, id: node.id.clone() }
    }

    fn check(&self, service: &Registration, check: &CheckSpec, report: Option<&Report>) -> HealthCheck {
        HealthCheck {
            node: self.node.clone(),
            check_id: check.id.clone(),
            name: check.name.clone(),
            notes: check.notes.clone(),
            status: report.map_or_else(|| initial(check), |report| report.status),
            output: report.map(|report| report.output.clone()).unwrap_or_default(),
            service_id: service.id.clone(),
            service_name: service.name.clone(),
            service_tags: service.tags.clone(),
            r#type: kind(&check.kind).to_owned(),
            ..HealthCheck::default()
        }
    }

    async fn put(&self, service: &Registration, checks: Vec<HealthCheck>) -> Result<(), String> {
        let instance = NodeService {
            id: service.id.clone(),
            service: service.name.clone(),
            tags: service.tags.clone(),
            address: service.address.clone(),
            port: service.port,
            tagged_addresses: service.tagged_addresses.clone(),
            meta: service.meta.clone(),
            weights: weights(service).unwrap_or_default(),
            enable_tag_override: service.enable_tag_override,
            ..NodeService::default()
        };
        let registration = CatalogRegistration {
            id: self.id.clone(),
            node: self.node.clone(),
            address: self.address.clone(),
            skip_node_update: true,
            service: Some(instance),
            checks,
            ..CatalogRegistration::default()
        };
        self.client.catalog_register(&registration).await.map_err(|error| error.to_string())
    }
}

impl Catalog for NodeCatalog {
    fn register<'a>(&'a self, service: &'a Registration, reports: &'a Reports) -> BoxFuture<'a, Result<(), String>> {
        let checks = service.checks.iter().map(|check| self.check(service, check, reports.get(&check.id))).collect();
        self.put(service, checks).boxed()
    }

    fn deregister<'a>(&'a self, service_id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let target = CatalogDeregistration {
                node: self.node.clone(),
                service_id: service_id.to_owned(),
                ..CatalogDeregistration::default()
            };
            self.client.catalog_deregister(&target).await.map_err(|error| error.to_string())
        }
        .boxed()
    }

    fn report<'a>(
        &'a self,
        service: &'a Registration,
        check: &'a CheckSpec,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<(), String>> {
        self.put(service, vec![self.check(service, check, Some(report))]).boxed()
    }

    fn deregister_check<'a>(&'a self, check_id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let target = CatalogDeregistration {
                node: self.node.clone(),
                check_id: check_id.to_owned(),
                ..CatalogDeregistration::default()
            };
            self.client.catalog_deregister(&target).await.map_err(|error| error.to_string())
        }
        .boxed()
    }

    fn registered(&self) -> BoxFuture<'_, Result<BTreeMap<String, Known>, String>> {
        async move {
            let node =
                self.client.catalog_node(&self.node, &Read::default()).await.map_err(|error| error.to_string())?;
            let services = node.data.map(|node| node.services).unwrap_or_default();
            let checks =
                self.client.health_node(&self.node, &Read::default()).await.map_err(|error| error.to_string())?;
            Ok(known(services.into_values().map(|service| AgentService::from(&service)), checks.data))
        }
        .boxed()
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    fn runs_checks(&self) -> bool {
        false
    }

    fn reports(&self) -> BoxFuture<'_, Result<Reports, String>> {
        async { Ok(Reports::new()) }.boxed()
    }

    fn in_flight<'a>(&'a self, service_ids: &'a [String]) -> BoxFuture<'a, Result<Option<u64>, String>> {
        async move {
            let mut counts = Vec::new();
            for id in service_ids {
                let told = self.client.drain_counts(id).await.map_err(|error| error.to_string())?;
                counts.extend(told.into_values());
            }
            Ok((!counts.is_empty()).then(|| counts.iter().sum()))
        }
        .boxed()
    }
}

/// A real Consul's agent. Several virtual nodes may share it.
#[derive(Clone, Debug)]
pub struct AgentCatalog {
    client: Client,
}

impl AgentCatalog {
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Catalog for AgentCatalog {
    fn register<'a>(&'a self, service: &'a Registration, reports: &'a Reports) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let checks = service.checks.iter().map(|check| native(check, reports.get(&check.id))).collect();
            let registration = ServiceRegistration {
                id: service.id.clone(),
                name: service.name.clone(),
                tags: service.tags.clone(),
                address: service.address.clone(),
                port: service.port,
                tagged_addresses: service.tagged_addresses.clone(),
                meta: service.meta.clone(),
                weights: weights(service),
                enable_tag_override: service.enable_tag_override,
                checks,
                ..ServiceRegistration::default()
            };
            self.client.register_service(&registration).await.map_err(|error| error.to_string())
        }
        .boxed()
    }

    fn deregister<'a>(&'a self, service_id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        async move { self.client.deregister_service(service_id).await.map_err(|error| error.to_string()) }.boxed()
    }

    fn report<'a>(
        &'a self,
        _service: &'a Registration,
        check: &'a CheckSpec,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let result = self.client.update_check(&check.id, report.status, &report.output).await;
            result.map_err(|error| error.to_string())
        }
        .boxed()
    }

    fn deregister_check<'a>(&'a self, check_id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        async move { self.client.deregister_check(check_id).await.map_err(|error| error.to_string()) }.boxed()
    }

    fn registered(&self) -> BoxFuture<'_, Result<BTreeMap<String, Known>, String>> {
        async move {
            let services = self.client.agent_services().await.map_err(|error| error.to_string())?;
            let checks = self.client.agent_checks().await.map_err(|error| error.to_string())?;
            Ok(known(services.into_values(), checks.into_values()))
        }
        .boxed()
    }

    fn is_exclusive(&self) -> bool {
        false
    }

    fn runs_checks(&self) -> bool {
        true
    }

    fn reports(&self) -> BoxFuture<'_, Result<Reports, String>> {
        async move {
            let checks = self.client.agent_checks().await.map_err(|error| error.to_string())?;
            let report = |check: HealthCheck| (check.check_id, Report { status: check.status, output: check.output });
            Ok(checks.into_values().map(report).collect())
        }
        .boxed()
    }

    /// Consul has no place for it.
    fn in_flight<'a>(&'a self, _service_ids: &'a [String]) -> BoxFuture<'a, Result<Option<u64>, String>> {
        async { Ok(Some(0)) }.boxed()
    }
}

fn known(
    services: impl IntoIterator<Item = AgentService>,
    checks: impl IntoIterator<Item = HealthCheck>,
) -> BTreeMap<String, Known> {
    let ours = services.into_iter().filter(|service| service.id.starts_with(SERVICE_PREFIX));
    let mut all: BTreeMap<String, Known> = ours
        .map(|service| {
            let weights = ServiceWeights { passing: service.weights.passing, warning: service.weights.warning };
            let registration = Registration {
                id: service.id.clone(),
                name: service.service,
                tags: service.tags,
                address: service.address,
                port: service.port,
                tagged_addresses: service.tagged_addresses,
                meta: service.meta,
                weights: Some(weights),
                enable_tag_override: service.enable_tag_override,
                checks: Vec::new(),
            };
            (service.id, Known { service: registration, checks: BTreeMap::new() })
        })
        .collect();
    for check in checks {
        if let Some(known) = all.get_mut(&check.service_id) {
            known.checks.insert(check.check_id, check.status);
        }
    }
    all
}

fn native(check: &CheckSpec, report: Option<&Report>) -> CheckRegistration {
    let mut registration = CheckRegistration {
        check_id: check.id.clone(),
        name: check.name.clone(),
        notes: check.notes.clone(),
        status: report.map_or_else(|| initial(check), |report| report.status).as_str().to_owned(),
        interval: Text(check.interval),
        timeout: Text(check.timeout),
        success_before_passing: check.success_before_passing,
        failures_before_critical: check.failures_before_critical,
        failures_before_warning: check.failures_before_warning,
        ..CheckRegistration::default()
    };
    match &check.kind {
        CheckKind::Http { url, method, header, body, tls_skip_verify, tls_server_name } => {
            registration.http.clone_from(url);
            registration.method.clone_from(method);
            registration.header.clone_from(header);
            registration.body.clone_from(body);
            registration.tls_skip_verify = *tls_skip_verify;
            registration.tls_server_name.clone_from(tls_server_name);
        }
        CheckKind::Tcp { address } => registration.tcp.clone_from(address),
        CheckKind::Grpc { address, service, use_tls, tls_skip_verify } => {
            registration.grpc = if service.is_empty() { address.clone() } else { format!("{address}/{service}") };
            registration.grpc_use_tls = *use_tls;
            registration.tls_skip_verify = *tls_skip_verify;
        }
        CheckKind::Script { .. } => {
            registration.ttl = Text(Nanos((check.interval.0 + check.timeout.0) * TTL_FACTOR));
            registration.interval = Text::default();
            registration.timeout = Text::default();
        }
    }
    registration
}

fn initial(check: &CheckSpec) -> Status {
    check.initial_status.parse().unwrap_or(Status::Critical)
}

fn kind(kind: &CheckKind) -> &'static str {
    match kind {
        CheckKind::Http { .. } => "http",
        CheckKind::Tcp { .. } => "tcp",
        CheckKind::Grpc { .. } => "grpc",
        CheckKind::Script { .. } => "script",
    }
}

fn weights(service: &Registration) -> Option<Weights> {
    service.weights.as_ref().map(|weights| Weights { passing: weights.passing, warning: weights.warning })
}
