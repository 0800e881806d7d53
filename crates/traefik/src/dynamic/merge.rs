//! Several files become one provider's configuration, several providers one configuration.

use baton_routing::{
    Config, Kind, Problem,
    config::{DEFAULT_TLS_OPTIONS, Named},
    problem,
};

use super::{FileConfig, ProviderConfig};
use crate::finding::{Finding, Mark, Severity};

/// Merges files in the order of their names; of objects with one name the first stays.
pub fn merge_files(mut files: Vec<(String, FileConfig)>) -> (ProviderConfig, Vec<Finding>) {
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let mut merged = ProviderConfig::default();
    let mut findings = Vec::new();
    for (file, parsed) in files {
        let mut kept = Keeper { file: &file, parsed: &parsed, findings: &mut findings, lost: Vec::new() };
        let config = parsed.config.clone();
        kept.take(Kind::Router, &mut merged.http.routers, config.http.routers);
        kept.take(Kind::Service, &mut merged.http.services, config.http.services);
        kept.take(Kind::Middleware, &mut merged.http.middlewares, config.http.middlewares);
        kept.take(Kind::ServersTransport, &mut merged.http.servers_transports, config.http.servers_transports);
        kept.take(Kind::TcpRouter, &mut merged.tcp.routers, config.tcp.routers);
        kept.take(Kind::TcpService, &mut merged.tcp.services, config.tcp.services);
        kept.take(Kind::TcpMiddleware, &mut merged.tcp.middlewares, config.tcp.middlewares);
        kept.take(Kind::TcpServersTransport, &mut merged.tcp.servers_transports, config.tcp.servers_transports);
        kept.take(Kind::UdpRouter, &mut merged.udp.routers, config.udp.routers);
        kept.take(Kind::UdpService, &mut merged.udp.services, config.udp.services);
        kept.take(Kind::TlsOptions, &mut merged.tls.options, config.tls.options);
        kept.take(Kind::TlsStore, &mut merged.tls.stores, config.tls.stores);
        let lost = kept.lost;
        for certificate in config.tls.certificates {
            if !merged.tls.certificates.contains(&certificate) {
                merged.tls.certificates.push(certificate);
            }
        }
        let concerns = |p: &Problem| !lost.iter().any(|(kind, name)| *kind == p.object.kind && *name == p.object.name);
        merged.problems.extend(config.problems.into_iter().filter(concerns));
    }
    (merged, findings)
}

struct Keeper<'a> {
    file: &'a str,
    parsed: &'a FileConfig,
    findings: &'a mut Vec<Finding>,
    lost: Vec<(Kind, String)>,
}

impl Keeper<'_> {
    fn take<T>(&mut self, kind: Kind, kept: &mut Named<T>, objects: Named<T>) {
        for (name, object) in objects {
            if kept.contains_key(&name) {
                let at = self.parsed.places.get(&baton_routing::ObjectRef::new(kind, name.clone()));
                let at = at.cloned().unwrap_or_else(Mark::default);
                let message = "the name is taken by an earlier file; this one is left out";
                self.findings.push(Finding::new(Severity::Warning, self.file, &at, &name, message));
                self.lost.push((kind, name));
            } else {
                kept.insert(name, object);
            }
        }
    }
}

/// Adds providers to a configuration: names become `name@provider`. Only the default TLS options and store
/// keep their bare name; of several the first provider's stay, and the others are told.
pub fn merge(config: &mut Config, providers: Vec<(String, ProviderConfig)>) {
    for (provider, own) in providers {
        let qualified = |name: &str| format!("{name}@{provider}");
        let http = &mut config.http;
        add(&mut http.routers, own.http.routers, &qualified);
        add(&mut http.services, own.http.services, &qualified);
        add(&mut http.middlewares, own.http.middlewares, &qualified);
        add(&mut http.servers_transports, own.http.servers_transports, &qualified);
        add(&mut config.tcp.routers, own.tcp.routers, &qualified);
        add(&mut config.tcp.services, own.tcp.services, &qualified);
        add(&mut config.tcp.middlewares, own.tcp.middlewares, &qualified);
        add(&mut config.tcp.servers_transports, own.tcp.servers_transports, &qualified);
        add(&mut config.udp.routers, own.udp.routers, &qualified);
        add(&mut config.udp.services, own.udp.services, &qualified);
        let bare = |name: &str| if name == DEFAULT_TLS_OPTIONS { name.to_owned() } else { qualified(name) };
        let mut told = |kind, name: &str| {
            let message = format!("the provider {provider} defines {name:?} too; the first one stays");
            config.problems.push(Problem::new(kind, name, problem::Severity::Warning, message));
        };
        for (name, options) in own.tls.options {
            if config.tls.options.contains_key(&bare(&name)) {
                told(Kind::TlsOptions, &name);
            } else {
                config.tls.options.insert(bare(&name), options);
            }
        }
        for (name, store) in own.tls.stores {
            if config.tls.stores.contains_key(&bare(&name)) {
                told(Kind::TlsStore, &name);
            } else {
                config.tls.stores.insert(bare(&name), store);
            }
        }
        for certificate in own.tls.certificates {
            if !config.tls.certificates.contains(&certificate) {
                config.tls.certificates.push(certificate);
            }
        }
        for mut problem in own.problems {
            problem.object.name = match problem.object.kind {
                Kind::TlsOptions | Kind::TlsStore => bare(&problem.object.name),
                _ => qualified(&problem.object.name),
            };
            config.problems.push(problem);
        }
    }
}

fn add<T>(all: &mut Named<T>, own: Named<T>, qualified: &impl Fn(&str) -> String) {
    for (name, object) in own {
        // A name that is qualified already says so itself (`x@file` in a file is not another provider's).
        all.entry(qualified(&name)).or_insert(object);
    }
}
