//! Which TLS options hold for which host name.
//!
//! Options are bound to names, not to routers: the handshake knows the name only. Two routers that claim one
//! name with different options are a conflict; both then use `default` (or are disabled, where the
//! configuration is strict), and both are told.

use std::{collections::HashMap, sync::Arc};

use crate::config::TlsOptions;

/// TLS options with their qualified name.
#[derive(Debug, PartialEq)]
pub struct NamedTlsOptions {
    pub name: Arc<str>,
    pub config: TlsOptions,
    /// Refuse every handshake, because of this.
    pub closed: Option<String>,
}

/// Host names of an entry point that have options of their own.
#[derive(Debug, Default)]
pub struct TlsHosts {
    pub(super) exact: HashMap<Box<str>, Arc<NamedTlsOptions>>,
    /// By the domain after `*.`.
    pub(super) wildcards: HashMap<Box<str>, Arc<NamedTlsOptions>>,
}

impl TlsHosts {
    /// Options for a lower-case name (of the SNI, or of the `Host` header); `None` means the default options.
    /// A request whose `Host` gives other options than its connection's SNI is misdirected (421).
    pub fn get(&self, name: &str) -> Option<&Arc<NamedTlsOptions>> {
        self.exact.get(name).or_else(|| self.wildcards.get(name.split_once('.')?.1))
    }
}
