//! Services in the four shapes the API shows them in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Aggregate, CheckRegistration, HealthCheck, Meta, Node, Object};

/// Relative shares for DNS answers; Traefik ignores them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Weights {
    /// One that is left out is 0, as in Consul.
    #[serde(default)]
    pub passing: i64,
    #[serde(default)]
    pub warning: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1, warning: 1 }
    }
}

/// An address of a service under a name such as `lan_ipv4`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceAddress {
    pub address: String,
    pub port: i64,
}

/// A service instance as the catalog keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeService {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(rename = "ID")]
    pub id: String,
    pub service: String,
    pub tags: Vec<String>,
    pub address: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    pub meta: Meta,
    pub port: i64,
    pub weights: Weights,
    pub enable_tag_override: bool,
    /// Consul's service mesh; carried, never used.
    pub proxy: Object,
    pub connect: Object,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Default for NodeService {
    fn default() -> Self {
        Self {
            kind: String::new(),
            id: String::new(),
            service: String::new(),
            tags: Vec::new(),
            address: String::new(),
            tagged_addresses: BTreeMap::new(),
            meta: Meta::new(),
            port: 0,
            weights: Weights::default(),
            enable_tag_override: false,
            proxy: no_proxy(),
            connect: Object::new(),
            create_index: 0,
            modify_index: 0,
        }
    }
}

impl NodeService {
    /// Fills what Consul derives: the id from the name, and the IPv4 or IPv6 tagged addresses from the address.
    pub fn complete(&mut self) {
        if self.id.is_empty() {
            self.id.clone_from(&self.service);
        }
        let family = match self.address.parse() {
            Ok(std::net::IpAddr::V4(_)) => "ipv4",
            Ok(std::net::IpAddr::V6(_)) => "ipv6",
            Err(_) => return,
        };
        for scope in ["lan", "wan"] {
            let address = ServiceAddress { address: self.address.clone(), port: self.port };
            self.tagged_addresses.entry(format!("{scope}_{family}")).or_insert(address);
        }
    }
}

/// A service instance as the agent that registered it shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AgentService {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(rename = "ID")]
    pub id: String,
    pub service: String,
    pub tags: Vec<String>,
    pub meta: Meta,
    pub port: i64,
    pub address: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    pub weights: Weights,
    pub enable_tag_override: bool,
    #[serde(skip_serializing_if = "Object::is_empty")]
    pub connect: Object,
    /// Only in the answer for a single service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content_hash: String,
}

impl From<&NodeService> for AgentService {
    fn from(service: &NodeService) -> Self {
        Self {
            kind: service.kind.clone(),
            id: service.id.clone(),
            service: service.service.clone(),
            tags: service.tags.clone(),
            meta: service.meta.clone(),
            port: service.port,
            address: service.address.clone(),
            tagged_addresses: service.tagged_addresses.clone(),
            weights: service.weights,
            enable_tag_override: service.enable_tag_override,
            connect: service.connect.clone(),
            content_hash: String::new(),
        }
    }
}

/// An element of `GET /v1/catalog/service/:name`: instance and node in one flat object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CatalogService {
    #[serde(rename = "ID")]
    pub id: String,
    pub node: String,
    pub address: String,
    pub datacenter: String,
    pub tagged_addresses: Meta,
    pub node_meta: Meta,
    pub service_kind: String,
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    pub service_name: String,
    pub service_tags: Vec<String>,
    pub service_address: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub service_tagged_addresses: BTreeMap<String, ServiceAddress>,
    pub service_weights: Weights,
    pub service_meta: Meta,
    pub service_port: i64,
    pub service_enable_tag_override: bool,
    pub service_proxy: Object,
    pub service_connect: Object,
    pub create_index: u64,
    pub modify_index: u64,
}

impl CatalogService {
    pub fn new(node: &Node, service: &NodeService) -> Self {
        Self {
            id: node.id.clone(),
            node: node.node.clone(),
            address: node.address.clone(),
            datacenter: node.datacenter.clone(),
            tagged_addresses: node.tagged_addresses.clone(),
            node_meta: node.meta.clone(),
            service_kind: service.kind.clone(),
            service_id: service.id.clone(),
            service_name: service.service.clone(),
            service_tags: service.tags.clone(),
            service_address: service.address.clone(),
            service_tagged_addresses: service.tagged_addresses.clone(),
            service_weights: service.weights,
            service_meta: service.meta.clone(),
            service_port: service.port,
            service_enable_tag_override: service.enable_tag_override,
            service_proxy: service.proxy.clone(),
            service_connect: service.connect.clone(),
            create_index: service.create_index,
            modify_index: service.modify_index,
        }
    }
}

/// An element of `GET /v1/health/service/:name`: the instance with its node and all checks that count for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceEntry {
    pub node: Node,
    pub service: NodeService,
    pub checks: Vec<HealthCheck>,
}

impl ServiceEntry {
    /// The address clients should dial: the service's own, else the node's.
    pub fn address(&self) -> &str {
        if self.service.address.is_empty() { &self.node.address } else { &self.service.address }
    }

    pub fn status(&self) -> Aggregate {
        Aggregate::of(&self.checks)
    }
}

/// `GET /v1/agent/health/service/…`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentHealth {
    pub aggregated_status: Aggregate,
    pub service: AgentService,
    pub checks: Vec<HealthCheck>,
}

/// `PUT /v1/agent/service/register`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceRegistration {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Unique on the node; the name when empty.
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub name: String,
    pub tags: Vec<String>,
    pub address: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    pub port: i64,
    pub meta: Meta,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    pub enable_tag_override: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckRegistration>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckRegistration>,
    /// For Consul's own access lists; known so that clients may send it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// Enterprise and mesh fields that clients send and nothing here acts on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Object>,
}

impl ServiceRegistration {
    /// The instance this registers, without its checks.
    pub fn service(&self) -> NodeService {
        let mut service = NodeService {
            kind: self.kind.clone(),
            id: self.id.clone(),
            service: self.name.clone(),
            tags: self.tags.clone(),
            address: self.address.clone(),
            tagged_addresses: self.tagged_addresses.clone(),
            meta: self.meta.clone(),
            port: self.port,
            weights: self.weights.unwrap_or_default(),
            enable_tag_override: self.enable_tag_override,
            ..NodeService::default()
        };
        if let Some(native) =
            self.connect.as_ref().and_then(|connect| connect.get("Native")?.as_bool()).filter(|on| *on)
        {
            service.connect.insert("Native".to_owned(), native.into());
        }
        service.complete();
        service
    }

    /// All checks, `Check` first; one that says nothing is none.
    pub fn all_checks(&self) -> impl Iterator<Item = &CheckRegistration> {
        self.check.iter().chain(&self.checks).filter(|check| !check.is_empty())
    }

    /// Why this cannot be registered, in Consul's words.
    pub fn problem(&self) -> Option<String> {
        if self.name.is_empty() {
            return Some("Missing service name".to_owned());
        }
        let wildcard = self.address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if wildcard {
            return Some("Invalid service address".to_owned());
        }
        if let Some(weights) = self.weights {
            if weights.passing < 1 {
                return Some("Invalid Weights: Passing must be greater than 0".to_owned());
            }
            if weights.warning < 0 {
                return Some("Invalid Weights: Warning must be greater or equal than 0".to_owned());
            }
        }
        meta_problem(&self.meta).map(|problem| format!("Invalid Service Meta: {problem}"))
    }
}

/// Most pairs, longest key and longest value of a service's meta.
const META_PAIRS: usize = 64;
const META_KEY: usize = 128;
const META_VALUE: usize = 512;
/// What Consul keeps for itself.
const META_RESERVED: &str = "consul-";

fn meta_problem(meta: &Meta) -> Option<String> {
    if meta.len() > META_PAIRS {
        return Some(format!("Node metadata cannot contain more than {META_PAIRS} key/value pairs"));
    }
    meta.iter().find_map(|(key, value)| {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let what = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if !key.chars().all(known) {
            "Key contains invalid characters".to_owned()
        } else if key.len() > META_KEY {
            format!("Key is too long (limit: {META_KEY} characters)")
        } else if key.starts_with(META_RESERVED) {
            format!("Key prefix '{META_RESERVED}' is reserved for internal use")
        } else if value.len() > META_VALUE {
            format!("Value is too long (limit: {META_VALUE} characters)")
        } else {
            return None;
        };
        Some(format!("Couldn't load metadata pair ('{key}', '{value}'): {what}"))
    })
}

fn no_proxy() -> Object {
    match json!({"MeshGateway": {}, "Expose": {}}) {
        serde_json::Value::Object(object) => object,
        _ => Object::new(),
    }
}
