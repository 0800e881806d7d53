//! What a template can ask of the outside, and the shapes of the answers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::dependency::Dependency;
use crate::value::{Record, Value};

/// The outside as a template sees it. Answers come from memory: nothing here waits.
pub trait Source {
    /// The last known answer for a dependency.
    fn fetch(&self, dependency: &Dependency) -> Answer;

    /// Wall-clock time of this rendering.
    fn now(&self) -> jiff::Timestamp;

    /// A name of `env` that is not in the task's environment: `node.*`, `attr.*`, `meta.*`.
    fn environment(&self, name: &str) -> Option<String>;

    /// Addresses of this machine's interfaces, for `sockaddr`.
    fn interfaces(&self) -> Vec<Interface>;
}

/// What is known about a dependency.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Fetched; an empty list or `Data::Absent` is an answer too.
    Found(Data),
    /// Never fetched yet: the template waits.
    NotYet,
    /// Cannot be fetched, and waiting would not help (a path outside the sandbox, a refused query).
    Error(String),
}

/// The answer to a [`Dependency`], one shape per kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// The key, variable or file does not exist; the node is unknown.
    Absent,
    /// `Key`, `KeyOrDefault`, `KeyExists`, `File`.
    Text(String),
    /// `KvList`: paths are whole, the keys are made relative here.
    Pairs(Vec<KvPair>),
    /// `Service`.
    Instances(Vec<ServiceInstance>),
    /// `Services`, `NomadServices`.
    Services(Vec<ServiceName>),
    /// `Nodes`.
    Nodes(Vec<Node>),
    /// `Node`.
    Node(Box<NodeServices>),
    /// `Datacenters`, nearest first.
    Datacenters(Vec<String>),
    /// `NomadService`.
    NomadInstances(Vec<NomadInstance>),
    /// `NomadVar`.
    Variable(Box<Variable>),
    /// `NomadVarList`.
    Variables(Vec<VariableMeta>),
}

/// An interface's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub address: IpAddr,
    /// Length of the network prefix in bits.
    pub prefix: u8,
    pub up: bool,
    /// The default route leaves through this interface.
    pub default_route: bool,
}

/// A key with its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KvPair {
    pub path: String,
    pub value: String,
    pub create_index: u64,
    pub modify_index: u64,
    pub lock_index: u64,
    pub flags: u64,
    pub session: String,
}

/// One instance of a service with its health.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceInstance {
    pub node: String,
    pub node_id: String,
    pub node_address: String,
    pub node_datacenter: String,
    pub node_tagged_addresses: BTreeMap<String, String>,
    pub node_meta: BTreeMap<String, String>,
    pub service_meta: BTreeMap<String, String>,
    /// The service's address; the node's where the service has none.
    pub address: String,
    pub id: String,
    pub name: String,
    pub tags: Vec<String>,
    pub checks: Vec<Check>,
    /// `passing`, `warning`, `critical` or `maintenance`: the worst of its checks.
    pub status: String,
    pub port: u16,
    pub weight_passing: u32,
    pub weight_warning: u32,
}

/// A health check's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    pub node: String,
    pub id: String,
    pub name: String,
    pub status: String,
    pub notes: String,
    pub output: String,
    pub service_id: String,
    pub service_name: String,
}

/// A service's name and the tags that any instance has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceName {
    pub name: String,
    pub tags: Vec<String>,
}

/// A node of the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    pub id: String,
    pub node: String,
    pub address: String,
    pub datacenter: String,
    pub tagged_addresses: BTreeMap<String, String>,
    pub meta: BTreeMap<String, String>,
}

/// A node with the services on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeServices {
    pub node: Node,
    pub services: Vec<NodeService>,
}

/// A service as a node's entry lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeService {
    pub id: String,
    pub service: String,
    pub tags: Vec<String>,
    pub meta: BTreeMap<String, String>,
    pub address: String,
    pub port: u16,
}

/// One instance of a service registered with `provider = "nomad"`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NomadInstance {
    pub id: String,
    pub name: String,
    pub node: String,
    pub address: String,
    pub port: u16,
    pub datacenter: String,
    pub tags: Vec<String>,
    pub job_id: String,
    pub alloc_id: String,
}

/// A variable: items and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variable {
    pub meta: VariableMeta,
    pub items: BTreeMap<String, String>,
}

/// Where a variable is, and when it changed (nanoseconds since 1970).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariableMeta {
    pub namespace: String,
    pub path: String,
    pub create_index: u64,
    pub modify_index: u64,
    pub create_time: i64,
    pub modify_time: i64,
}

fn number(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

impl KvPair {
    /// The pair as `ls` (under `prefix`) shows it: `Key` is relative to the prefix.
    pub(crate) fn value(&self, prefix: &str) -> Value {
        let key = self.path.strip_prefix(prefix).unwrap_or(&self.path).trim_start_matches('/');
        Value::record(Record::new(
            "KeyPair",
            vec![
                ("Path", Value::text(&self.path)),
                ("Key", Value::text(key)),
                ("Value", Value::text(&self.value)),
                ("CreateIndex", number(self.create_index)),
                ("ModifyIndex", number(self.modify_index)),
                ("LockIndex", number(self.lock_index)),
                ("Flags", number(self.flags)),
                ("Session", Value::text(&self.session)),
            ],
        ))
    }
}

impl ServiceInstance {
    pub(crate) fn value(&self) -> Value {
        let checks = self.checks.iter().map(Check::value).collect();
        Value::record(Record::new(
            "HealthService",
            vec![
                ("Node", Value::text(&self.node)),
                ("NodeID", Value::text(&self.node_id)),
                ("NodeAddress", Value::text(&self.node_address)),
                ("NodeDatacenter", Value::text(&self.node_datacenter)),
                ("NodeTaggedAddresses", Value::text_map(&self.node_tagged_addresses)),
                ("NodeMeta", Value::text_map(&self.node_meta)),
                ("ServiceMeta", Value::text_map(&self.service_meta)),
                ("Address", Value::text(&self.address)),
                ("ID", Value::text(&self.id)),
                ("Name", Value::text(&self.name)),
                ("Tags", Value::texts(&self.tags)),
                ("Checks", Value::list(checks)),
                ("Status", Value::text(&self.status)),
                ("Port", Value::Int(self.port.into())),
                (
                    "Weights",
                    Value::record(Record::new(
                        "AgentWeights",
                        vec![
                            ("Passing", Value::Int(self.weight_passing.into())),
                            ("Warning", Value::Int(self.weight_warning.into())),
                        ],
                    )),
                ),
            ],
        ))
    }
}

impl Check {
    fn value(&self) -> Value {
        Value::record(Record::new(
            "HealthCheck",
            vec![
                ("Node", Value::text(&self.node)),
                ("CheckID", Value::text(&self.id)),
                ("Name", Value::text(&self.name)),
                ("Status", Value::text(&self.status)),
                ("Notes", Value::text(&self.notes)),
                ("Output", Value::text(&self.output)),
                ("ServiceID", Value::text(&self.service_id)),
                ("ServiceName", Value::text(&self.service_name)),
            ],
        ))
    }
}

impl ServiceName {
    pub(crate) fn value(&self) -> Value {
        Value::record(Record::new(
            "CatalogSnippet",
            vec![("Name", Value::text(&self.name)), ("Tags", Value::texts(&self.tags))],
        ))
    }
}

impl Node {
    pub(crate) fn value(&self) -> Value {
        Value::record(Record::new(
            "Node",
            vec![
                ("ID", Value::text(&self.id)),
                ("Node", Value::text(&self.node)),
                ("Address", Value::text(&self.address)),
                ("Datacenter", Value::text(&self.datacenter)),
                ("TaggedAddresses", Value::text_map(&self.tagged_addresses)),
                ("Meta", Value::text_map(&self.meta)),
            ],
        ))
    }
}

impl NodeServices {
    pub(crate) fn value(&self) -> Value {
        let services = self
            .services
            .iter()
            .map(|service| {
                Value::record(Record::new(
                    "CatalogNodeService",
                    vec![
                        ("ID", Value::text(&service.id)),
                        ("Service", Value::text(&service.service)),
                        ("Tags", Value::texts(&service.tags)),
                        ("Meta", Value::text_map(&service.meta)),
                        ("Port", Value::Int(service.port.into())),
                        ("Address", Value::text(&service.address)),
                    ],
                ))
            })
            .collect();
        Value::record(Record::new(
            "CatalogNode",
            vec![("Node", self.node.value()), ("Services", Value::list(services))],
        ))
    }
}

impl NomadInstance {
    pub(crate) fn value(&self) -> Value {
        Value::record(Record::new(
            "NomadService",
            vec![
                ("ID", Value::text(&self.id)),
                ("Name", Value::text(&self.name)),
                ("Node", Value::text(&self.node)),
                ("Address", Value::text(&self.address)),
                ("Port", Value::Int(self.port.into())),
                ("Datacenter", Value::text(&self.datacenter)),
                ("Tags", Value::texts(&self.tags)),
                ("JobID", Value::text(&self.job_id)),
                ("AllocID", Value::text(&self.alloc_id)),
            ],
        ))
    }
}

impl VariableMeta {
    pub(crate) fn value(&self) -> Value {
        Value::record(
            Record::new(
                "NomadVarMeta",
                vec![
                    ("Namespace", Value::text(&self.namespace)),
                    ("Path", Value::text(&self.path)),
                    ("CreateIndex", number(self.create_index)),
                    ("ModifyIndex", number(self.modify_index)),
                    ("CreateTime", Value::Int(self.create_time)),
                    ("ModifyTime", Value::Int(self.modify_time)),
                ],
            )
            .with_text(&self.path),
        )
    }
}

impl Variable {
    /// A map of items with `.Keys`, `.Values`, `.Tuples`, `.Metadata`; an item prints as its value.
    pub(crate) fn value(&self) -> Value {
        let item = |key: &String, value: &String| {
            Value::record(
                Record::new("NomadVarItem", vec![("Key", Value::text(key)), ("Value", Value::text(value))])
                    .with_text(value),
            )
        };
        let tuples = self.items.iter().map(|(key, value)| item(key, value));
        let items = self.items.iter().map(|(key, value)| (key.as_str().into(), item(key, value)));
        Value::record(
            Record::new(
                "NomadVarItems",
                vec![
                    ("Keys", Value::texts(self.items.keys())),
                    ("Values", Value::texts(self.items.values())),
                    ("Tuples", Value::list(tuples.collect())),
                    ("Metadata", self.meta.value()),
                    ("Parent", self.meta.value()),
                ],
            )
            .with_items(Value::map(items.collect())),
        )
    }
}
