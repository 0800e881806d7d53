//! Dynamic configuration: routers, services, middlewares and TLS as files or tags say them.

mod file;
mod lower;
mod merge;

use std::collections::{BTreeMap, HashMap};

use baton_routing::{
    ObjectRef, Problem,
    config::{Http, Tcp, Tls, Udp},
};

use baton_template::Moment;

use crate::finding::{Finding, Mark};
pub use file::{FileConfig, parse_file};
pub(crate) use lower::{NoRule, lower};
pub use merge::{merge, merge_files};

use crate::rules::Syntax;

/// What reading depends on besides the text itself.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Vocabulary of rules that do not name one (`core.defaultRuleSyntax`).
    pub default_syntax: Syntax,
    /// For templates' `env`.
    pub env: BTreeMap<String, String>,
    /// For templates' `now`, `uuidv4` and `htpasswd`.
    pub moment: Option<Moment>,
}

/// What one provider says. Names are not yet qualified, neither are problems'.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderConfig {
    pub http: Http,
    pub tcp: Tcp,
    pub udp: Udp,
    pub tls: Tls,
    pub problems: Vec<Problem>,
}

impl ProviderConfig {
    /// Whether nothing at all is configured.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Objects with their places in the text.
pub(crate) type Places = HashMap<ObjectRef, Mark>;

/// The outcome of reading a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lowered {
    pub(crate) config: ProviderConfig,
    pub(crate) findings: Vec<Finding>,
    pub(crate) places: Places,
}

#[cfg(test)]
mod tests;
