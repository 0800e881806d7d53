//! One instance: its tags as a configuration, completed by its address and by defaults.

use std::collections::BTreeMap;

use baton_routing::{
    Kind, Problem,
    config::{
        ConsulCatalog, LoadBalancer, Router, Server, Service, TcpLoadBalancer, TcpServer, TcpService, UdpLoadBalancer,
        UdpServer, UdpService,
    },
    problem,
};
use serde::Deserialize;

use super::{DefaultRule, Instance, TAGS_MAX, normalize};
use crate::{
    decode::decode,
    document::{Entry, Node, Tree, Value, put},
    dynamic::{Context, Lowered, NoRule, ProviderConfig, lower},
    finding::{Finding, Mark, Severity},
    rules,
};

pub(super) struct Reader<'a> {
    pub(super) options: &'a ConsulCatalog,
    pub(super) context: &'a Context,
    pub(super) rule: Option<&'a DefaultRule>,
}

/// What an instance says; nothing when its tags are wrong.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) config: Option<ProviderConfig>,
    pub(super) findings: Vec<Finding>,
}

/// `loadbalancer.server.*`: the instance itself as a server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Own {
    port: String,
    scheme: String,
    url: String,
    weight: Option<i64>,
    preserve_path: bool,
    tls: bool,
}

impl Reader<'_> {
    /// Whether tags take part at all; of contradicting ones the last counts.
    pub(super) fn is_enabled(&self, tags: &[&String]) -> bool {
        let key = format!("{}.enable", self.options.prefix);
        let said = tags.iter().rev().find_map(|tag| {
            let (name, value) = tag.split_once('=')?;
            name.eq_ignore_ascii_case(&key).then_some(value)
        });
        said.map_or(self.options.exposed_by_default, |value| {
            matches!(value, "1" | "t" | "T" | "true" | "True" | "TRUE")
        })
    }

    pub(super) fn is_healthy(&self, instance: &Instance) -> bool {
        let wanted = &self.options.strict_checks;
        wanted.iter().any(|s| s == "any" || *s == instance.status)
    }

    /// Reads one instance; `serving` says whether it may get requests.
    pub(super) fn read(&self, instance: &Instance, serving: bool) -> Read {
        let source = format!("service {}, instance {}", instance.name, instance.id);
        let mut read = Read::default();
        let labels = self.labels(instance);
        let fail = |option: &str, message: String| {
            Finding::new(Severity::Error, &source, &Mark::labelled(option), "", message)
        };
        if instance.tags.len() > TAGS_MAX {
            read.findings.push(fail("tags", format!("more than {TAGS_MAX} tags")));
            return read;
        }
        let mut tree = Tree::map(Mark::default());
        for (tag, key, value) in &labels {
            let section = key.split('.').next().unwrap_or_default().to_ascii_lowercase();
            if matches!(section.as_str(), "enable" | "consulcatalog" | "docker" | "nomad" | "ecs") {
                if key.eq_ignore_ascii_case("consulcatalog.connect") && value == "true" {
                    read.findings.push(fail(tag, "Consul Connect is known but not implemented".to_owned()));
                    return read;
                }
                continue;
            }
            if let Err(error) = put(&mut tree, key, value, &Mark::labelled(tag), false) {
                read.findings.push(fail(tag, error.to_string()));
            }
        }
        let mut own = BTreeMap::new();
        for section in ["http", "tcp", "udp"] {
            take_servers(&mut tree, section, &source, &mut own, &mut read.findings);
        }
        let lowered = lower(&tree, &source, self.context, NoRule::Filled);
        let refused = lowered.findings.iter().any(Finding::is_fatal) || read.findings.iter().any(Finding::is_error);
        read.findings.extend(lowered.findings.iter().cloned());
        if refused {
            return read;
        }
        match self.complete(instance, lowered, &own, &labels, serving, &mut read.findings) {
            Ok(config) => read.config = Some(config),
            Err(message) => read.findings.push(fail("", message)),
        }
        read
    }

    /// Tags with the prefix: the tag's name, the path behind the prefix, the value.
    fn labels(&self, instance: &Instance) -> Vec<(String, String, String)> {
        let prefix = format!("{}.", self.options.prefix);
        let label = |tag: &String| {
            let (name, value) = tag.split_once('=')?;
            let head = name.get(..prefix.len())?;
            head.eq_ignore_ascii_case(&prefix)
                .then(|| (name.to_owned(), name[prefix.len()..].to_owned(), value.to_owned()))
        };
        instance.tags.iter().filter_map(label).collect()
    }

    fn complete(
        &self,
        instance: &Instance,
        lowered: Lowered,
        own: &BTreeMap<(String, String), Own>,
        labels: &[(String, String, String)],
        serving: bool,
        findings: &mut Vec<Finding>,
    ) -> Result<ProviderConfig, String> {
        let mut config = lowered.config;
        let name = service_name(instance, labels);
        let own = |section: &str, service: &str| {
            own.get(&(section.to_owned(), service.to_ascii_lowercase())).cloned().unwrap_or_default()
        };
        let tcp = !config.tcp.routers.is_empty() || !config.tcp.services.is_empty();
        let udp = !config.udp.routers.is_empty() || !config.udp.services.is_empty();
        if tcp {
            if config.tcp.services.is_empty() {
                config.tcp.services.insert(name.clone(), TcpService::LoadBalancer(TcpLoadBalancer::default()));
            }
            for (service, object) in &mut config.tcp.services {
                if let (TcpService::LoadBalancer(balancer), true) = (object, serving) {
                    let own = own("tcp", service);
                    balancer.servers = vec![TcpServer { address: address(instance, &own)?, tls: own.tls }];
                }
            }
            let services: Vec<String> = config.tcp.services.keys().cloned().collect();
            config.tcp.routers.retain(|router, object| only_service(router, &mut object.service, &services, findings));
        }
        if udp {
            if config.udp.services.is_empty() {
                config.udp.services.insert(name.clone(), UdpService::LoadBalancer(UdpLoadBalancer::default()));
            }
            for (service, object) in &mut config.udp.services {
                if let (UdpService::LoadBalancer(balancer), true) = (object, serving) {
                    balancer.servers = vec![UdpServer { address: address(instance, &own("udp", service))? }];
                }
            }
            let services: Vec<String> = config.udp.services.keys().cloned().collect();
            config.udp.routers.retain(|router, object| only_service(router, &mut object.service, &services, findings));
        }
        let http = &mut config.http;
        if (tcp || udp) && http.routers.is_empty() && http.services.is_empty() && http.middlewares.is_empty() {
            return Ok(config);
        }
        if http.services.is_empty() {
            http.services.insert(name.clone(), Service::LoadBalancer(LoadBalancer::default()));
        }
        for (service, object) in &mut http.services {
            if let (Service::LoadBalancer(balancer), true) = (object, serving) {
                balancer.servers = vec![server(instance, &own("http", service))?];
            }
        }
        if http.routers.is_empty() {
            if http.services.len() > 1 {
                return Err(
                    "no router is named, and there are several services for one: name a router with its service"
                        .to_owned(),
                );
            }
            http.routers.insert(name.clone(), Router::default());
        }
        let services: Vec<String> = http.services.keys().cloned().collect();
        http.routers.retain(|router, object| only_service(router, &mut object.service, &services, findings));
        self.default_rules(&name, labels, &mut config)?;
        Ok(config)
    }

    fn default_rules(
        &self,
        name: &str,
        labels: &[(String, String, String)],
        config: &mut ProviderConfig,
    ) -> Result<(), String> {
        let unnamed: Vec<String> =
            config.http.routers.iter().filter(|(_, r)| r.rule.is_empty()).map(|(n, _)| n.clone()).collect();
        if unnamed.is_empty() {
            return Ok(());
        }
        let labels = labels.iter().map(|(_, key, value)| (format!("traefik.{key}"), value.clone())).collect();
        let rule = self.rule.ok_or("the default rule cannot be read")?;
        let text = rule.render(name, &labels, &self.context.env).map_err(|error| error.to_string())?;
        for router in unnamed {
            let Some(object) = config.http.routers.get_mut(&router) else { continue };
            text.trim().clone_into(&mut object.rule);
            let syntax = rules::Syntax::parse(&object.rule_syntax).unwrap_or(self.context.default_syntax);
            match rules::parse_http(&object.rule, syntax) {
                Ok(parsed) => object.matcher = Some(parsed.rule),
                Err(error) => {
                    let message = format!("error while parsing rule {}: {error}", object.rule);
                    config.problems.push(Problem::new(Kind::Router, router, problem::Severity::Disabled, message));
                }
            }
        }
        Ok(())
    }
}

/// The name of what the instance does not name itself. Canaries stand apart from the service's other instances.
fn service_name(instance: &Instance, labels: &[(String, String, String)]) -> String {
    let name = normalize(&instance.name);
    let canary =
        labels.iter().any(|(_, key, value)| key.eq_ignore_ascii_case("consulcatalog.canary") && value == "true");
    if !canary {
        return name;
    }
    let mut tags = instance.tags.clone();
    tags.sort();
    // FNV-1, 64 bits (RFC 9923), over the sorted tags.
    let hash = tags
        .concat()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    format!("{name}-{hash}")
}

/// Gives a router the only service; a router that could mean several is left out.
fn only_service(router: &str, service: &mut String, services: &[String], findings: &mut Vec<Finding>) -> bool {
    if service.is_empty() {
        let [only] = services else {
            let message =
                format!("the router {router:?} does not say which of {} it means and is left out", services.join(", "));
            findings.push(Finding::new(Severity::Warning, "", &Mark::labelled(router), "", message));
            return false;
        };
        only.clone_into(service);
    }
    true
}

fn host(instance: &Instance) -> &str {
    if instance.address.is_empty() { &instance.node_address } else { &instance.address }
}

fn address(instance: &Instance, own: &Own) -> Result<String, String> {
    let port = match own.port.as_str() {
        "" if instance.port == 0 => return Err("port is missing".to_owned()),
        "" => instance.port,
        text => text.parse().map_err(|_| format!("server.port {text:?} is not a port"))?,
    };
    match host(instance) {
        "" => Err("address is missing".to_owned()),
        host if host.contains(':') => Ok(format!("[{host}]:{port}")),
        host => Ok(format!("{host}:{port}")),
    }
}

fn server(instance: &Instance, own: &Own) -> Result<Server, String> {
    let url = if own.url.is_empty() {
        let scheme = if own.scheme.is_empty() { "http" } else { &own.scheme };
        format!("{scheme}://{}", address(instance, own)?)
    } else if own.port.is_empty() && own.scheme.is_empty() {
        own.url.clone()
    } else {
        return Err("defining scheme or port is not allowed when URL is defined".to_owned());
    };
    Ok(Server { url, weight: own.weight, preserve_path: own.preserve_path, fenced: instance.draining })
}

/// Takes `services.<name>.loadbalancer.server` out of the tree: files do not know it.
fn take_servers(
    tree: &mut Tree,
    section: &str,
    source: &str,
    own: &mut BTreeMap<(String, String), Own>,
    findings: &mut Vec<Finding>,
) {
    let Some(services) = child(tree, section).and_then(|s| child(s, "services")) else { return };
    let Value::Map(services) = &mut services.value else { return };
    for service in services {
        let Some(balancer) = child(&mut service.value, "loadbalancer") else { continue };
        if let Value::Map(options) = &mut balancer.value
            && let Some(at) = options.iter().position(|e| e.key.eq_ignore_ascii_case("server"))
        {
            let entry = options.remove(at);
            // The instance is the only server; it is filled in once everything else is read.
            let servers = Node { value: Value::List(Vec::new()), at: entry.at.clone() };
            options.push(Entry { key: "servers".to_owned(), at: entry.at.clone(), value: servers });
            let path = format!("{section}.services.{}.loadbalancer.server", service.key);
            let (value, mistakes) = decode::<Own>(&entry.value, source, &path);
            findings.extend(mistakes.into_iter().map(|(_, finding)| finding));
            own.insert((section.to_owned(), service.key.to_ascii_lowercase()), value);
        }
    }
}

fn child<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    match &mut node.value {
        Value::Map(entries) => entries.iter_mut().find(|e| e.key.eq_ignore_ascii_case(key)).map(|e| &mut e.value),
        _ => None,
    }
}
