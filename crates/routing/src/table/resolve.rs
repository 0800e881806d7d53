//! Follows the names that objects give each other, and remembers what is wrong with each object.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Implemented, NamedMiddleware, NamedService};
use crate::{
    config::{Config, Middleware, Named, Service},
    problem::{Kind, ObjectRef, Problem, Severity, Status},
};

/// Chains inside chains deeper than this are refused.
const CHAIN_DEPTH_MAX: usize = 32;

/// Services inside services deeper than this are refused.
const SERVICE_DEPTH_MAX: usize = 32;

/// The provider part of a qualified name; empty when there is none.
pub(super) fn provider_of(name: &str) -> &str {
    name.rsplit_once('@').map_or("", |(_, provider)| provider)
}

/// A reference made by an object of a provider, in qualified form.
pub(super) fn qualify(name: &str, provider: &str) -> String {
    if name.contains('@') || provider.is_empty() { name.to_owned() } else { format!("{name}@{provider}") }
}

/// What is wrong with which object.
#[derive(Debug, Default)]
pub(super) struct Faults {
    by_object: HashMap<ObjectRef, Vec<usize>>,
    problems: Vec<Problem>,
}

impl Faults {
    pub(super) fn add(&mut self, kind: Kind, name: &str, severity: Severity, message: impl Into<String>) {
        self.push(Problem::new(kind, name, severity, message));
    }

    pub(super) fn push(&mut self, problem: Problem) {
        let seen = self.by_object.entry(problem.object.clone()).or_default();
        if seen.iter().any(|&i| self.problems[i] == problem) {
            return;
        }
        seen.push(self.problems.len());
        self.problems.push(problem);
    }

    /// A copy of an object has the original's problems.
    pub(super) fn inherit(&mut self, kind: Kind, from: &str, to: &str) {
        if from == to {
            return;
        }
        let copies: Vec<Problem> =
            self.of(kind, from).map(|p| Problem::new(kind, to, p.severity, p.message.clone())).collect();
        copies.into_iter().for_each(|p| self.push(p));
    }

    pub(super) fn of(&self, kind: Kind, name: &str) -> impl Iterator<Item = &Problem> {
        let key = ObjectRef::new(kind, name);
        self.by_object.get(&key).into_iter().flatten().map(|&i| &self.problems[i])
    }

    /// The first problem of the severity.
    pub(super) fn reason(&self, kind: Kind, name: &str, severity: Severity) -> Option<&str> {
        self.of(kind, name).find(|p| p.severity == severity).map(|p| p.message.as_str())
    }

    pub(super) fn status(&self, kind: Kind, name: &str) -> Status {
        match self.of(kind, name).map(|p| p.severity).max() {
            None => Status::Enabled,
            Some(Severity::Warning) => Status::Warning,
            Some(Severity::Disabled | Severity::Closed) => Status::Disabled,
        }
    }

    pub(super) fn messages(&self, kind: Kind, name: &str) -> Vec<String> {
        self.of(kind, name).map(|p| p.message.clone()).collect()
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// A usable object, or one that must answer 503 for a reason.
#[derive(Debug, Clone)]
pub(super) struct Usable<T> {
    pub(super) object: T,
    pub(super) closed: Option<String>,
}

/// Resolves the names in a configuration. Errors are sentences about the object that was asked for.
pub(super) struct Resolver<'a> {
    config: &'a Config,
    implemented: &'a Implemented,
    middlewares: HashMap<String, Arc<NamedMiddleware>>,
    services: HashMap<String, Result<Usable<Arc<NamedService>>, String>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(config: &'a Config, implemented: &'a Implemented) -> Self {
        Self { config, implemented, middlewares: HashMap::new(), services: HashMap::new() }
    }

    /// The middlewares of a router in order, chains replaced by their members.
    pub(super) fn middlewares(
        &mut self,
        names: &[String],
        provider: &str,
        faults: &mut Faults,
    ) -> Result<Usable<Vec<Arc<NamedMiddleware>>>, String> {
        let mut usable = Usable { object: Vec::new(), closed: None };
        for name in names {
            self.add_middleware(&qualify(name, provider), &mut Vec::new(), &mut usable, faults)?;
        }
        Ok(usable)
    }

    fn add_middleware(
        &mut self,
        name: &str,
        path: &mut Vec<String>,
        usable: &mut Usable<Vec<Arc<NamedMiddleware>>>,
        faults: &mut Faults,
    ) -> Result<(), String> {
        if path.iter().any(|p| p == name) || path.len() >= CHAIN_DEPTH_MAX {
            path.push(name.to_owned());
            return Err(format!(
                "could not instantiate middleware {}: recursion detected in {}",
                path[0],
                path.join("->")
            ));
        }
        if let Some(reason) = faults.reason(Kind::Middleware, name, Severity::Closed) {
            usable.closed.get_or_insert_with(|| format!("middleware {name:?}: {reason}"));
            return Ok(());
        }
        if let Some(reason) = faults.reason(Kind::Middleware, name, Severity::Disabled) {
            return Err(format!("invalid middleware {name:?}: {reason}"));
        }
        let Some(config) = self.config.http.middlewares.get(name) else {
            return Err(format!("middleware {name:?} does not exist"));
        };
        match config {
            Middleware::Invalid => Err(format!("invalid middleware {name:?}")),
            Middleware::Chain(chain) => {
                path.push(name.to_owned());
                for member in &chain.middlewares {
                    self.add_middleware(&qualify(member, provider_of(name)), path, usable, faults)?;
                }
                path.pop();
                Ok(())
            }
            other => {
                if !self.implemented.middlewares.contains(&other.key()) {
                    let reason = format!("the kind {:?} is known but not implemented", other.key());
                    usable.closed.get_or_insert_with(|| format!("middleware {name:?}: {reason}"));
                    faults.add(Kind::Middleware, name, Severity::Closed, reason);
                    return Ok(());
                }
                let mut config = other.clone();
                if let Middleware::Errors(errors) = &mut config {
                    errors.service = qualify(&errors.service, provider_of(name));
                    let service = self
                        .service(&errors.service, faults)
                        .map_err(|reason| format!("invalid middleware {name:?}: {reason}"))?;
                    if let Some(reason) = service.closed {
                        usable.closed.get_or_insert(reason);
                    }
                }
                let named = self
                    .middlewares
                    .entry(name.to_owned())
                    .or_insert_with(|| Arc::new(NamedMiddleware { name: name.into(), config }));
                usable.object.push(named.clone());
                Ok(())
            }
        }
    }

    /// A service with everything below it.
    pub(super) fn service(&mut self, name: &str, faults: &mut Faults) -> Result<Usable<Arc<NamedService>>, String> {
        self.service_at(name, &mut Vec::new(), faults)
    }

    fn service_at(
        &mut self,
        name: &str,
        path: &mut Vec<String>,
        faults: &mut Faults,
    ) -> Result<Usable<Arc<NamedService>>, String> {
        if path.iter().any(|p| p == name) || path.len() >= SERVICE_DEPTH_MAX {
            path.push(name.to_owned());
            return Err(format!(
                "could not instantiate service {}: recursion detected in {}",
                path[0],
                path.join("->")
            ));
        }
        if let Some(known) = self.services.get(name) {
            return known.clone();
        }
        path.push(name.to_owned());
        let resolved = self.build_service(name, path, faults);
        path.pop();
        if let (Err(reason), true) = (&resolved, self.config.http.services.contains_key(name))
            && faults.reason(Kind::Service, name, Severity::Disabled).is_none()
        {
            faults.add(Kind::Service, name, Severity::Disabled, reason.clone());
        }
        self.services.insert(name.to_owned(), resolved.clone());
        resolved
    }

    fn build_service(
        &mut self,
        name: &str,
        path: &mut Vec<String>,
        faults: &mut Faults,
    ) -> Result<Usable<Arc<NamedService>>, String> {
        let Some(config) = self.config.http.services.get(name) else {
            return Err(format!("the service {name:?} does not exist"));
        };
        if let Some(reason) = faults.reason(Kind::Service, name, Severity::Disabled) {
            return Err(format!("the service {name:?} is unusable: {reason}"));
        }
        let mut closed = faults.reason(Kind::Service, name, Severity::Closed).map(|r| format!("service {name:?}: {r}"));
        if !self.implemented.services.contains(&config.kind()) && closed.is_none() {
            let reason = format!("the kind {:?} is known but not implemented", config.kind());
            closed = Some(format!("service {name:?}: {reason}"));
            faults.add(Kind::Service, name, Severity::Closed, reason);
        }
        let mut config = config.clone();
        let provider = provider_of(name);
        for child in child_names(&mut config) {
            *child = qualify(child, provider);
            let below = self.service_at(child, path, faults)?;
            closed = closed.or(below.closed);
        }
        if let Service::LoadBalancer(balancer) = &mut config
            && !balancer.servers_transport.is_empty()
        {
            let transport = qualify(&balancer.servers_transport, provider);
            if !self.config.http.servers_transports.contains_key(&transport) {
                return Err(format!("servers transport {transport:?} does not exist"));
            }
            if let Some(reason) = faults.reason(Kind::ServersTransport, &transport, Severity::Closed) {
                closed = closed.or(Some(format!("servers transport {transport:?}: {reason}")));
            }
            balancer.servers_transport = transport;
        }
        Ok(Usable { object: Arc::new(NamedService { name: name.into(), config }), closed })
    }

    /// All usable services that were asked for.
    pub(super) fn into_services(self) -> HashMap<Arc<str>, Arc<NamedService>> {
        self.services.into_values().flatten().map(|u| (u.object.name.clone(), u.object)).collect()
    }
}

fn child_names(service: &mut Service) -> Vec<&mut String> {
    match service {
        Service::Weighted(w) => w.services.iter_mut().map(|s| &mut s.name).collect(),
        Service::HighestRandomWeight(h) => h.services.iter_mut().map(|s| &mut s.name).collect(),
        Service::Mirroring(m) => {
            std::iter::once(&mut m.service).chain(m.mirrors.iter_mut().map(|s| &mut s.name)).collect()
        }
        Service::Failover(f) => vec![&mut f.service, &mut f.fallback],
        Service::LoadBalancer(_) | Service::Internal(_) | Service::Invalid => Vec::new(),
    }
}

/// Service names reachable from a weighted TCP or UDP service, checked for existence and cycles.
pub(super) fn check_weighted<T>(
    services: &Named<T>,
    name: &str,
    members: &impl Fn(&T) -> Vec<String>,
) -> Result<(), String> {
    let mut open = vec![name.to_owned()];
    let mut seen = HashSet::new();
    while let Some(current) = open.pop() {
        let Some(service) = services.get(&current) else {
            return Err(format!("the service {current:?} does not exist"));
        };
        for member in members(service) {
            let member = qualify(&member, provider_of(&current));
            if member == name {
                return Err(format!("could not instantiate service {name}: recursion detected"));
            }
            if seen.insert(member.clone()) {
                open.push(member);
            }
        }
    }
    Ok(())
}
