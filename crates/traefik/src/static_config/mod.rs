//! Static configuration: what is fixed when the proxy starts.
//!
//! Read from a file, from flags or from the environment – the first of these that says anything wins entirely,
//! as Traefik documents it. Options are decoded into [`StaticConfig`]; [`check`](check) then looks at what the
//! options demand of each other.

mod check;
mod dns_providers;
mod flags;
mod load;
pub mod recognised;
mod removed;

use baton_routing::config::{
    AccessLog, Api, CertificateResolver, ConsulCatalog, EntryPoint, FileProvider, HttpProvider, Log, Metrics, Named,
    Ping, ServersTransport, TcpServersTransport, Timespan,
};
use serde::{Deserialize, Serialize};

use crate::rules::Syntax;

pub use flags::{config_file_flag, default_files};
pub(crate) use load::SECTIONS;
pub use load::{Loaded, Origin, Sources, load};

/// Name of the entry point that exists without being declared when something is routed there.
pub const IMPLICIT_ENTRY_POINT: &str = "traefik";

/// Address of the implicit entry point.
pub const IMPLICIT_ADDRESS: &str = ":8080";

/// All options that are fixed at the start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StaticConfig {
    pub global: Global,
    pub servers_transport: Option<ServersTransport>,
    pub tcp_servers_transport: Option<TcpServersTransport>,
    pub entry_points: Named<EntryPoint>,
    pub providers: Providers,
    pub api: Option<Api>,
    pub metrics: Option<Metrics>,
    pub ping: Option<Ping>,
    pub log: Option<Log>,
    pub access_log: Option<AccessLog>,
    pub tracing: Option<recognised::Tracing>,
    pub host_resolver: Option<HostResolver>,
    pub certificates_resolvers: Named<CertificateResolver>,
    pub experimental: Option<recognised::Experimental>,
    pub core: Option<Core>,
    pub spiffe: Option<recognised::SpiffeClient>,
    pub ocsp: Option<recognised::Ocsp>,
}

impl StaticConfig {
    /// The rule syntax of routers that do not name one.
    pub fn default_syntax(&self) -> Syntax {
        self.core.as_ref().and_then(|c| Syntax::parse(&c.default_rule_syntax)).unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Global {
    /// Accepted; nothing is ever asked of the outside.
    pub check_new_version: bool,
    /// Accepted; nothing is ever sent.
    pub send_anonymous_usage: bool,
    #[serde(rename = "notAppendXForwardedFor")]
    pub not_append_x_forwarded_for: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Core {
    /// v3 (or empty) or v2.
    pub default_rule_syntax: String,
    #[serde(rename = "strictTLSOptions")]
    pub strict_tls_options: bool,
}

/// Where dynamic configuration comes from. Those kept as plain values are recognised but not implemented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Providers {
    /// Changes of one provider are applied at most this often.
    pub providers_throttle_duration: Timespan,
    pub precedence: Vec<String>,
    pub file: Option<FileProvider>,
    pub consul_catalog: Option<ConsulCatalog>,
    pub http: Option<HttpProvider>,
    pub rest: Option<recognised::Rest>,
    pub docker: Option<recognised::Docker>,
    pub swarm: Option<recognised::Swarm>,
    #[serde(rename = "kubernetesIngress")]
    pub kubernetes_ingress: Option<recognised::KubernetesIngress>,
    #[serde(rename = "kubernetesIngressNGINX")]
    pub kubernetes_ingress_nginx: Option<recognised::KubernetesIngressNginx>,
    #[serde(rename = "kubernetesCRD")]
    pub kubernetes_crd: Option<recognised::KubernetesCrd>,
    pub kubernetes_gateway: Option<recognised::KubernetesGateway>,
    pub knative: Option<recognised::Knative>,
    pub nomad: Option<recognised::Nomad>,
    pub ecs: Option<recognised::Ecs>,
    pub consul: Option<recognised::ConsulKv>,
    pub etcd: Option<recognised::Etcd>,
    pub zoo_keeper: Option<recognised::ZooKeeper>,
    pub redis: Option<recognised::Redis>,
    pub plugin: Option<Named<recognised::PluginOptions>>,
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            providers_throttle_duration: Timespan::from_secs(2),
            precedence: Vec::new(),
            file: None,
            consul_catalog: None,
            http: None,
            rest: None,
            docker: None,
            swarm: None,
            kubernetes_ingress: None,
            kubernetes_ingress_nginx: None,
            kubernetes_crd: None,
            kubernetes_gateway: None,
            knative: None,
            nomad: None,
            ecs: None,
            consul: None,
            etcd: None,
            zoo_keeper: None,
            redis: None,
            plugin: None,
        }
    }
}

impl Providers {
    /// Keys of configured providers that are recognised but not implemented.
    pub fn unimplemented(&self) -> Vec<&'static str> {
        [
            ("rest", self.rest.is_some()),
            ("docker", self.docker.is_some()),
            ("swarm", self.swarm.is_some()),
            ("kubernetesIngress", self.kubernetes_ingress.is_some()),
            ("kubernetesIngressNGINX", self.kubernetes_ingress_nginx.is_some()),
            ("kubernetesCRD", self.kubernetes_crd.is_some()),
            ("kubernetesGateway", self.kubernetes_gateway.is_some()),
            ("knative", self.knative.is_some()),
            ("nomad", self.nomad.is_some()),
            ("ecs", self.ecs.is_some()),
            ("consul", self.consul.is_some()),
            ("etcd", self.etcd.is_some()),
            ("zooKeeper", self.zoo_keeper.is_some()),
            ("redis", self.redis.is_some()),
            ("plugin", self.plugin.is_some()),
        ]
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(key, _)| key)
        .collect()
    }

    /// Configured providers in the words of the read API.
    pub fn names(&self) -> Vec<&'static str> {
        [("File", self.file.is_some()), ("ConsulCatalog", self.consul_catalog.is_some()), ("HTTP", self.http.is_some())]
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| name)
            .collect()
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostResolver {
    pub cname_flattening: bool,
    pub resolv_config: String,
    pub resolv_depth: u32,
}

#[cfg(test)]
mod tests;
