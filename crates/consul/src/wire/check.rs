//! Health checks: their state as shown, and how they are registered and updated.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Object, Text};

/// The check that says whether a node itself is alive; sessions hang on it by default.
pub const SERF_HEALTH: &str = "serfHealth";
/// The check that puts a whole node into maintenance.
pub const NODE_MAINTENANCE: &str = "_node_maintenance";
/// Prefix of the check that puts one service into maintenance; the service id follows.
pub const SERVICE_MAINTENANCE: &str = "_service_maintenance:";

/// What a check says. Unknown texts read as critical: what cannot be understood must not receive traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Passing,
    Warning,
    #[default]
    Critical,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "passing" => Ok(Self::Passing),
            "warning" => Ok(Self::Warning),
            "critical" => Ok(Self::Critical),
            _ => Err(()),
        }
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text.parse().unwrap_or_default())
    }
}

/// The status of an instance over all its checks; maintenance outranks everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    Passing,
    Warning,
    Critical,
    Maintenance,
}

impl Aggregate {
    /// The worst of `checks`; passing when there is none.
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a HealthCheck>) -> Self {
        checks.into_iter().map(HealthCheck::aggregate).max().unwrap_or(Self::Passing)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Maintenance => "maintenance",
        }
    }
}

/// A check and what it last said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthCheck {
    pub node: String,
    #[serde(rename = "CheckID")]
    pub check_id: String,
    pub name: String,
    pub status: Status,
    pub notes: String,
    pub output: String,
    /// Empty for a check of the node.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    pub service_name: String,
    pub service_tags: Vec<String>,
    pub r#type: String,
    pub definition: Object,
    pub create_index: u64,
    pub modify_index: u64,
}

impl HealthCheck {
    fn aggregate(&self) -> Aggregate {
        if self.check_id == NODE_MAINTENANCE || self.check_id.starts_with(SERVICE_MAINTENANCE) {
            return Aggregate::Maintenance;
        }
        match self.status {
            Status::Passing => Aggregate::Passing,
            Status::Warning => Aggregate::Warning,
            Status::Critical => Aggregate::Critical,
        }
    }
}

/// How a check is to be run; `PUT /v1/agent/check/register` or inside a service's registration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckRegistration {
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(rename = "CheckID", skip_serializing_if = "String::is_empty")]
    pub check_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// `passing`, `warning` or `critical`; critical when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    #[serde(rename = "ServiceID", skip_serializing_if = "String::is_empty")]
    pub service_id: String,
    #[serde(rename = "TTL", skip_serializing_if = "Text::is_zero")]
    pub ttl: Text,
    #[serde(rename = "HTTP", skip_serializing_if = "String::is_empty")]
    pub http: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    #[serde(rename = "TCP", skip_serializing_if = "String::is_empty")]
    pub tcp: String,
    #[serde(rename = "GRPC", skip_serializing_if = "String::is_empty")]
    pub grpc: String,
    #[serde(rename = "GRPCUseTLS", skip_serializing_if = "std::ops::Not::not")]
    pub grpc_use_tls: bool,
    #[serde(rename = "TLSServerName", skip_serializing_if = "String::is_empty")]
    pub tls_server_name: String,
    #[serde(rename = "TLSSkipVerify", skip_serializing_if = "std::ops::Not::not")]
    pub tls_skip_verify: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub script_args: Vec<String>,
    #[serde(skip_serializing_if = "Text::is_zero")]
    pub interval: Text,
    #[serde(skip_serializing_if = "Text::is_zero")]
    pub timeout: Text,
    #[serde(skip_serializing_if = "Text::is_zero")]
    pub deregister_critical_service_after: Text,
    #[serde(skip_serializing_if = "is_zero")]
    pub success_before_passing: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub failures_before_critical: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub failures_before_warning: i64,
    /// Fields of other editions and drivers; known so that they are refused or ignored by name.
    #[serde(rename = "DockerContainerID", skip_serializing_if = "String::is_empty")]
    pub docker_container_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shell: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias_node: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias_service: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
}

impl CheckRegistration {
    /// Nothing in it: clients send `"Check": {}` for "no check".
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The id given, under either of its names.
    pub fn given_id(&self) -> &str {
        if self.check_id.is_empty() { &self.id } else { &self.check_id }
    }

    /// `http`, `tcp`, `grpc`, `script` or `ttl`, as Consul names it in `Type`.
    pub fn kind(&self) -> &'static str {
        if !self.http.is_empty() {
            "http"
        } else if !self.tcp.is_empty() {
            "tcp"
        } else if !self.grpc.is_empty() {
            "grpc"
        } else if !self.args.is_empty() || !self.script_args.is_empty() {
            "script"
        } else {
            "ttl"
        }
    }

    /// Why this cannot be registered, in Consul's words.
    pub fn problem(&self) -> Option<String> {
        if !self.status.is_empty() && self.status.parse::<Status>().is_err() {
            return Some("Status for checks must 'passing', 'warning', 'critical'".into());
        }
        if !self.docker_container_id.is_empty() || !self.alias_node.is_empty() || !self.alias_service.is_empty() {
            return Some("Invalid check: docker and alias checks are not supported; use HTTP, TCP, GRPC or TTL".into());
        }
        if !self.ttl.is_zero() && (self.kind() != "ttl" || !self.interval.is_zero()) {
            return Some("Invalid check: Interval and TTL cannot both be specified".into());
        }
        if self.kind() == "ttl" {
            return (self.ttl.0.0 <= 0).then(|| "Invalid check: TTL must be > 0 for TTL checks".into());
        }
        (self.interval.0.0 <= 0).then(|| "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks".into())
    }
}

/// `PUT /v1/agent/check/update/:id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckUpdate {
    pub status: String,
    pub output: String,
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}
