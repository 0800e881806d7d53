//! Nodes and the catalog's low-level registration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{HealthCheck, Meta, NodeService};

/// A machine (or a virtual one) that services run on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    #[serde(rename = "ID")]
    pub id: String,
    /// The name; unique in the catalog.
    pub node: String,
    pub address: String,
    pub datacenter: String,
    pub tagged_addresses: Meta,
    pub meta: Meta,
    pub create_index: u64,
    pub modify_index: u64,
}

/// `GET /v1/catalog/node/:name`: a node with its services by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CatalogNode {
    pub node: Node,
    pub services: BTreeMap<String, NodeService>,
}

/// `GET /v1/catalog/node-services/:name`: a node with its services as a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CatalogNodeList {
    pub node: Node,
    pub services: Vec<NodeService>,
}

/// `PUT /v1/catalog/register`: an entry for something that runs no agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CatalogRegistration {
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub node: String,
    pub address: String,
    pub datacenter: String,
    pub tagged_addresses: Meta,
    pub node_meta: Meta,
    pub skip_node_update: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<NodeService>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<HealthCheck>,
    pub checks: Vec<HealthCheck>,
}

/// `PUT /v1/catalog/deregister`: a node, or one service or check of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CatalogDeregistration {
    pub node: String,
    pub address: String,
    pub datacenter: String,
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    #[serde(rename = "CheckID")]
    pub check_id: String,
    pub namespace: String,
}
