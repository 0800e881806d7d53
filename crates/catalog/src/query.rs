//! Reading the catalog. Every query is a plain function of the state; [`State::index_of`] tells what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use baton_consul::wire::{
    Aggregate, CatalogService, CheckRegistration, HealthCheck, KvPair, Node, NodeService, ServiceEntry, Session,
    UserEvent,
};

use crate::State;
use crate::row::{OnNode, SessionRow};
use crate::state::Map;

/// A check that somebody on its node has to run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnableCheck {
    pub check_id: String,
    pub registration: CheckRegistration,
}

impl State {
    /// All nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// The services of a node, by id.
    pub fn services_on<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a NodeService> {
        on_node(&self.services, node).map(|(_, service)| service)
    }

    pub fn service_on(&self, node: &str, id: &str) -> Option<&NodeService> {
        self.services.get(&(node.to_owned(), id.to_owned()))
    }

    /// All checks of a node, of its services too, by id.
    pub fn checks_on<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a HealthCheck> {
        on_node(&self.checks, node).map(|(_, row)| &row.check)
    }

    pub fn check_on(&self, node: &str, id: &str) -> Option<&HealthCheck> {
        self.checks.get(&(node.to_owned(), id.to_owned())).map(|row| &row.check)
    }

    /// Checks on a node that are neither driven by heartbeats nor by their owner: HTTP, TCP, gRPC and script checks.
    pub fn runnable_checks(&self, node: &str) -> Vec<RunnableCheck> {
        let runnable = |(key, row): (&OnNode, &crate::row::CheckRow)| {
            let registration = row.registration.clone().filter(|registration| registration.kind() != "ttl")?;
            Some(RunnableCheck { check_id: key.1.clone(), registration: *registration })
        };
        on_node(&self.checks, node).filter_map(runnable).collect()
    }

    /// Every service name with the union of its instances' tags, in the order first met.
    pub fn service_names(&self) -> BTreeMap<String, Vec<String>> {
        self.service_names_where(|_| true)
    }

    /// As [`State::service_names`], only over instances on nodes that `accept`.
    pub fn service_names_where(&self, accept: impl Fn(&Node) -> bool) -> BTreeMap<String, Vec<String>> {
        let mut names = BTreeMap::new();
        for (name, keys) in &self.instances {
            let mut seen = BTreeSet::new();
            for key in keys {
                let (Some(node), Some(service)) = (self.nodes.get(&key.0), self.services.get(key)) else { continue };
                if accept(node) {
                    let tags: &mut Vec<String> = names.entry(name.clone()).or_default();
                    tags.extend(service.tags.iter().filter(|tag| seen.insert(tag.as_str())).cloned());
                }
            }
        }
        names
    }

    /// The instances of a service with their nodes.
    pub fn service_instances<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a Node, &'a NodeService)> {
        let keys = self.instances.get(name).into_iter().flat_map(|keys| keys.iter());
        keys.filter_map(|key| Some((self.nodes.get(&key.0)?, self.services.get(key)?)))
    }

    pub fn catalog_service(&self, name: &str) -> Vec<CatalogService> {
        self.service_instances(name).map(|(node, service)| CatalogService::new(node, service)).collect()
    }

    /// The instances of a service, each with the checks that count for it: its own and its node's.
    pub fn health_service(&self, name: &str) -> Vec<ServiceEntry> {
        let entry = |(node, service): (&Node, &NodeService)| {
            let checks = self.checks_counting_for(&node.node, &service.id).cloned().collect();
            ServiceEntry { node: node.clone(), service: service.clone(), checks }
        };
        self.service_instances(name).map(entry).collect()
    }

    /// The checks of a service instance and those of its node, these first, as in Consul.
    pub fn checks_counting_for<'a>(&'a self, node: &str, service_id: &str) -> impl Iterator<Item = &'a HealthCheck> {
        let own = (!service_id.is_empty()).then(|| self.checks_of(node, service_id));
        self.checks_of(node, "").chain(own.into_iter().flatten())
    }

    /// The checks of one service instance; of the node itself where `service_id` is empty.
    fn checks_of<'a>(&'a self, node: &str, service_id: &str) -> impl Iterator<Item = &'a HealthCheck> + use<'a> {
        let node = node.to_owned();
        let ids = self.checks_of.get(&(node.clone(), service_id.to_owned()));
        let row = move |id: &String| self.checks.get(&(node.clone(), id.clone()));
        ids.into_iter().flat_map(|ids| ids.iter()).filter_map(row).map(|row| &row.check)
    }

    /// The status of one instance over all checks that count for it.
    pub fn service_status(&self, node: &str, service_id: &str) -> Aggregate {
        Aggregate::of(self.checks_counting_for(node, service_id))
    }

    /// The checks that belong to instances of a service; not those of their nodes.
    pub fn service_checks<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HealthCheck> {
        self.service_instances(name).flat_map(|(node, service)| self.checks_of(&node.node, &service.id))
    }

    /// All checks of all nodes.
    pub fn checks(&self) -> impl Iterator<Item = &HealthCheck> {
        self.checks.values().map(|row| &row.check)
    }

    pub fn key(&self, key: &str) -> Option<&KvPair> {
        self.kv.get(key)
    }

    /// All keys that start with `prefix`, in order.
    pub fn keys_under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a KvPair> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.kv.range::<str, _>(from).map(|(_, pair)| pair).take_while(move |pair| pair.key.starts_with(prefix))
    }

    /// Key names under `prefix`, those behind a further `separator` folded into one entry that ends with it.
    pub fn key_names(&self, prefix: &str, separator: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for pair in self.keys_under(prefix) {
            let rest = &pair.key[prefix.len()..];
            let name = match rest.find(separator).filter(|_| !separator.is_empty()) {
                Some(at) => &pair.key[..prefix.len() + at + separator.len()],
                None => &pair.key,
            };
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    pub fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.get(id).map(|row| &row.session)
    }

    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().map(|row| &row.session)
    }

    /// Remembered user events, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &UserEvent> {
        self.events.iter()
    }

    pub(crate) fn sessions_on(&self, node: &str) -> impl Iterator<Item = &SessionRow> {
        let ids = self.sessions_on.get(node).into_iter().flat_map(|ids| ids.iter());
        ids.filter_map(|id| self.sessions.get(id))
    }

    pub(crate) fn service_names_on(&self, node: &str) -> BTreeSet<String> {
        self.services_on(node).map(|service| service.service.clone()).collect()
    }

    pub(crate) fn service_keys_on(&self, node: &str) -> Vec<OnNode> {
        on_node(&self.services, node).map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn check_keys_on(&self, node: &str) -> Vec<OnNode> {
        on_node(&self.checks, node).map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn check_keys_of(&self, service: &OnNode) -> Vec<OnNode> {
        let ids = self.checks_of.get(service).into_iter().flat_map(|ids| ids.iter());
        ids.map(|id| (service.0.clone(), id.clone())).collect()
    }
}

fn on_node<'a, V>(map: &'a Map<OnNode, V>, node: &str) -> impl Iterator<Item = (&'a OnNode, &'a V)> {
    let from = (node.to_owned(), String::new());
    let node = node.to_owned();
    map.range(from..).take_while(move |(key, _)| key.0 == node)
}
