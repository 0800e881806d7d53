//! Many instances' configurations become one: the newest definition of an object stands, servers add up.

use std::collections::HashMap;

use baton_routing::{
    Kind, ObjectRef, Problem,
    config::{LoadBalancer, Named, Service, TcpLoadBalancer, TcpService, UdpService},
    problem,
};

use super::Instance;
use crate::{
    dynamic::ProviderConfig,
    finding::{Finding, Mark, Severity},
};

/// Merges; ties of age are broken by the instances' ids.
pub(super) fn merge(mut parts: Vec<(&Instance, ProviderConfig)>, findings: &mut Vec<Finding>) -> ProviderConfig {
    parts.sort_by(|(a, _), (b, _)| b.index.cmp(&a.index).then_with(|| a.id.cmp(&b.id)));
    let mut all = ProviderConfig::default();
    let mut owners: HashMap<ObjectRef, String> = HashMap::new();
    for (instance, part) in parts {
        let mut newest = Newest { instance, owners: &mut owners, findings, lost: Vec::new(), told: Vec::new() };
        newest.take(Kind::Router, &mut all.http.routers, part.http.routers, same);
        newest.take(Kind::Middleware, &mut all.http.middlewares, part.http.middlewares, same);
        newest.take(Kind::ServersTransport, &mut all.http.servers_transports, part.http.servers_transports, same);
        newest.take(Kind::Service, &mut all.http.services, part.http.services, join_service);
        newest.take(Kind::TcpRouter, &mut all.tcp.routers, part.tcp.routers, same);
        newest.take(Kind::TcpMiddleware, &mut all.tcp.middlewares, part.tcp.middlewares, same);
        newest.take(Kind::TcpService, &mut all.tcp.services, part.tcp.services, join_tcp);
        newest.take(Kind::UdpRouter, &mut all.udp.routers, part.udp.routers, same);
        newest.take(Kind::UdpService, &mut all.udp.services, part.udp.services, join_udp);
        let Newest { lost, told, .. } = newest;
        all.problems.extend(told);
        for problem in part.problems {
            if !lost.contains(&problem.object) && !all.problems.contains(&problem) {
                all.problems.push(problem);
            }
        }
    }
    sort_servers(&mut all);
    all
}

struct Newest<'a> {
    instance: &'a Instance,
    owners: &'a mut HashMap<ObjectRef, String>,
    findings: &'a mut Vec<Finding>,
    lost: Vec<ObjectRef>,
    told: Vec<Problem>,
}

impl Newest<'_> {
    /// `join` adds an older definition to a newer one; false when they contradict each other.
    fn take<T>(&mut self, kind: Kind, kept: &mut Named<T>, objects: Named<T>, join: fn(&mut T, T) -> bool) {
        for (name, object) in objects {
            let reference = ObjectRef::new(kind, name.clone());
            let Some(newer) = kept.get_mut(&name) else {
                let owner = format!("{} of {}", self.instance.id, self.instance.name);
                self.owners.insert(reference, owner);
                kept.insert(name, object);
                continue;
            };
            if join(newer, object) {
                continue;
            }
            let owner = self.owners.get(&reference).map_or("another instance", String::as_str);
            let message = format!(
                "{name:?} is defined differently by {} of {} and by the newer {owner}: the newer definition is used",
                self.instance.id, self.instance.name
            );
            self.findings.push(Finding::new(Severity::Warning, "", &Mark::labelled(&name), "", message.clone()));
            self.told.push(Problem::new(kind, name, problem::Severity::Warning, message));
            self.lost.push(reference);
        }
    }
}

fn same<T: PartialEq>(newer: &mut T, older: T) -> bool {
    *newer == older
}

fn join_service(newer: &mut Service, older: Service) -> bool {
    let (Service::LoadBalancer(newer), Service::LoadBalancer(older)) = (&mut *newer, &older) else {
        return *newer == older;
    };
    for server in &older.servers {
        if !newer.servers.iter().any(|s| s.url == server.url) {
            newer.servers.push(server.clone());
        }
    }
    let options = |b: &LoadBalancer| LoadBalancer { servers: Vec::new(), ..b.clone() };
    options(newer) == options(older)
}

fn join_tcp(newer: &mut TcpService, older: TcpService) -> bool {
    let (TcpService::LoadBalancer(newer), TcpService::LoadBalancer(older)) = (&mut *newer, &older) else {
        return *newer == older;
    };
    for server in &older.servers {
        if !newer.servers.iter().any(|s| s.address == server.address) {
            newer.servers.push(server.clone());
        }
    }
    let options = |b: &TcpLoadBalancer| TcpLoadBalancer { servers: Vec::new(), ..b.clone() };
    options(newer) == options(older)
}

fn join_udp(newer: &mut UdpService, older: UdpService) -> bool {
    let (UdpService::LoadBalancer(newer), UdpService::LoadBalancer(older)) = (&mut *newer, &older) else {
        return *newer == older;
    };
    let more: Vec<_> = older.servers.iter().filter(|s| !newer.servers.contains(s)).cloned().collect();
    newer.servers.extend(more);
    true
}

/// The order of servers must not depend on the age of instances, or every restart would look like a change.
fn sort_servers(all: &mut ProviderConfig) {
    for service in all.http.services.values_mut() {
        if let Service::LoadBalancer(balancer) = service {
            balancer.servers.sort_by(|a, b| a.url.cmp(&b.url));
        }
    }
    for service in all.tcp.services.values_mut() {
        if let TcpService::LoadBalancer(balancer) = service {
            balancer.servers.sort_by(|a, b| a.address.cmp(&b.address));
        }
    }
    for service in all.udp.services.values_mut() {
        if let UdpService::LoadBalancer(balancer) = service {
            balancer.servers.sort_by(|a, b| a.address.cmp(&b.address));
        }
    }
    all.http.routers.sort_unstable_keys();
    all.http.services.sort_unstable_keys();
    all.http.middlewares.sort_unstable_keys();
}
