//! HTTP routers: which requests go where.

use serde::{Deserialize, Serialize};

use super::record::record;
use crate::rule::Rule;

/// One router as declared. `matcher` is the parsed form of `rule`, `None` when the rule is wrong (a problem
/// then says why).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Router {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule_syntax: String,
    /// 0 means the length of the rule's text in bytes.
    pub priority: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RouterTls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observability: Option<Observability>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<String>,
    #[serde(skip)]
    pub matcher: Option<Rule>,
}

impl Router {
    /// The priority that counts: as set, else the rule's length in bytes.
    pub fn effective_priority(&self) -> i64 {
        if self.priority == 0 { self.rule.len() as i64 } else { self.priority }
    }
}

record! {
    /// TLS at a router: present means that it serves TLS connections only.
    pub struct RouterTls {
        pub options: String,
        pub cert_resolver: String,
        pub domains: Vec<Domain>,
    }
}

record! {
    /// Names that one certificate must cover.
    pub struct Domain {
        pub main: String,
        pub sans: Vec<String>,
    }
}

record! {
    /// What is recorded about requests; unset means on.
    pub struct Observability {
        pub access_logs: Option<bool>,
        pub metrics: Option<bool>,
        pub tracing: Option<bool>,
        pub trace_verbosity: String,
    }
}
