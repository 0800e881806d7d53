//! Which TLS options hold for which host name.
//!
//! Options are bound to names, not to routers: the handshake knows the name only. Two routers that claim one
//! name with different options are a conflict; both then use `default` (or are disabled, where the
//! configuration is strict), and both are told.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::resolve::{Faults, provider_of, qualify};
use crate::{
    config::{ClientAuthMode, Config, DEFAULT_TLS_OPTIONS, Named, Router, TlsOptions},
    problem::{Kind, Severity},
};

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

/// The key of options that an object of a provider names; empty means the default ones.
pub(super) fn options_name(name: &str, provider: &str) -> String {
    if name.is_empty() || name == DEFAULT_TLS_OPTIONS {
        DEFAULT_TLS_OPTIONS.to_owned()
    } else {
        qualify(name, provider)
    }
}

/// All options, with `default` always among them.
pub(super) fn options(config: &Config, faults: &Faults) -> HashMap<String, Arc<NamedTlsOptions>> {
    let named = |name: &str, options: &TlsOptions| {
        let closed = faults
            .reason(Kind::TlsOptions, name, Severity::Closed)
            .or_else(|| faults.reason(Kind::TlsOptions, name, Severity::Disabled))
            .map(|reason| format!("TLS options {name:?}: {reason}"));
        Arc::new(NamedTlsOptions { name: name.into(), config: options.clone(), closed })
    };
    let mut all: HashMap<_, _> =
        config.tls.options.iter().map(|(name, options)| (name.clone(), named(name, options))).collect();
    all.entry(DEFAULT_TLS_OPTIONS.to_owned()).or_insert_with(|| named(DEFAULT_TLS_OPTIONS, &TlsOptions::default()));
    all
}

/// Who claims a name with which options.
struct Claim {
    options: Arc<NamedTlsOptions>,
    routers: Vec<String>,
    conflict: bool,
    /// Whether any of them has client certificates verified.
    verified: bool,
}

/// Binds host names to options per entry point, by the names in the rules of TLS routers.
pub(super) fn bind_hosts(
    config: &Config,
    routers: &Named<Router>,
    options: &HashMap<String, Arc<NamedTlsOptions>>,
    faults: &mut Faults,
) -> HashMap<String, TlsHosts> {
    let default = &options[DEFAULT_TLS_OPTIONS];
    let mut claims: BTreeMap<(String, String), Claim> = BTreeMap::new();
    for (name, router) in routers {
        let (Some(tls), Some(rule)) = (&router.tls, &router.matcher) else { continue };
        if faults.reason(Kind::Router, name, Severity::Disabled).is_some() {
            continue;
        }
        let wanted = options_name(&tls.options, provider_of(name));
        let hosts = rule.hosts();
        if hosts.is_empty() && wanted != DEFAULT_TLS_OPTIONS {
            let message = format!(
                "the rule names no host, so the TLS options {wanted:?} are not used: they are chosen by server name"
            );
            faults.add(Kind::Router, name, Severity::Warning, message);
        }
        // Unknown options refuse their hosts: falling back could weaken what the router asked for.
        let own = options.get(&wanted).cloned().unwrap_or_else(|| {
            let reason = format!("unknown TLS options: {wanted}");
            Arc::new(NamedTlsOptions {
                name: wanted.as_str().into(),
                config: TlsOptions::default(),
                closed: Some(reason),
            })
        });
        for host in hosts {
            for entry_point in &router.entry_points {
                let claim = claims.entry((entry_point.clone(), host.to_owned())).or_insert_with(|| Claim {
                    options: own.clone(),
                    routers: Vec::new(),
                    conflict: false,
                    verified: false,
                });
                claim.conflict |= claim.options.name != own.name;
                claim.verified |= verifies(&own.config);
                claim.routers.push(name.clone());
            }
        }
    }
    let severity = if config.strict_tls_options { Severity::Disabled } else { Severity::Warning };
    let mut bound: HashMap<String, TlsHosts> = HashMap::new();
    for ((entry_point, host), claim) in claims {
        if claim.conflict {
            let consequence = match (config.strict_tls_options, claim.verified && !verifies(&default.config)) {
                (true, _) => "they are disabled",
                (false, false) => "the default options are used instead",
                (false, true) => "the default options are used instead, so client certificates are NOT verified there",
            };
            let message = format!(
                "different TLS options on the host {host:?} by the routers {}: {consequence}",
                claim.routers.join(", ")
            );
            for router in &claim.routers {
                faults.add(Kind::Router, router, severity, message.clone());
            }
        }
        let hosts = bound.entry(entry_point).or_default();
        let options = if claim.conflict { default.clone() } else { claim.options };
        match host.strip_prefix("*.") {
            Some(domain) => hosts.wildcards.insert(domain.into(), options),
            None => hosts.exact.insert(host.into(), options),
        };
    }
    bound
}

/// Whether clients without a certificate of a known authority are turned away.
fn verifies(options: &TlsOptions) -> bool {
    options.client_auth.mode() == Some(ClientAuthMode::RequireAndVerifyClientCert)
}
