//! A route table together with everything that the engine needs to serve it, built once per configuration.
//!
//! Input is [`RouteTable`]; output is shared by all cores until the next one. What did not change is carried over from
//! the previous snapshot: balancers with their turn and health, servers with their pooled connections, middlewares with
//! their state. Nothing here is mutable except through atomics inside those objects.

use crate::balance::{Balancer, Server};
use crate::counters::Counter;
use crate::limits::{RETRY_BODY_BYTES, WRITE_STALL};
use crate::middleware::{self, Layer};
use crate::normalize::PathRules;
use crate::service::{Failover, InternalService, Kind, Mirroring, Service, Weighted};
use crate::tls::TlsState;
use crate::upstream::{Denied, Transport};
use baton_routing::config::{self, Internal};
use baton_routing::table::{EntryPointRoutes, NamedMiddleware, NamedService};
use baton_routing::{Kind as ObjectKind, Problem, Route, RouteTable, Severity};
use ipnet::IpNet;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The transport of services that name none.
const DEFAULT_TRANSPORT: &str = "default";

/// Services answered inside the process, by kind.
pub type Internals = HashMap<Internal, Arc<dyn InternalService>>;

/// Everything that one configuration serves.
pub struct Snapshot {
    /// The table this was built from.
    pub table: Arc<RouteTable>,
    /// Plans by route id.
    pub plans: Vec<Arc<Plan>>,
    /// Services by qualified name.
    pub services: HashMap<Arc<str>, Arc<Service>>,
    /// Entry points by slot; a slot belongs to one name for the life of the process.
    pub entry_points: Vec<Option<EntryPoint>>,
    /// Certificates and TLS options.
    pub tls: TlsState,
    names: Vec<Arc<str>>,
    middlewares: HashMap<Arc<str>, (Arc<NamedMiddleware>, Layer)>,
    transports: HashMap<Arc<str>, Arc<Transport>>,
    counters: HashMap<Arc<str>, Arc<Counter>>,
    servers: HashSet<u64>,
}

/// A core's hold on a snapshot: cloned without touching memory that other cores write.
#[derive(Clone)]
pub struct View(Rc<Held>);

struct Held(Arc<Snapshot>);

impl View {
    /// Holds `snapshot`.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self(Rc::new(Held(snapshot)))
    }
}

impl Deref for View {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0.0
    }
}

/// How one route is served.
pub struct Plan {
    /// The route.
    pub route: Arc<Route>,
    /// Middlewares, outermost first.
    pub layers: Vec<Layer>,
    /// What answers.
    pub service: Arc<Service>,
    /// No middleware touches bodies and all servers speak HTTP/1.1 in clear text.
    pub fast: bool,
    /// Whether some filter edits responses.
    pub edits_responses: bool,
    /// Answer 503 only.
    pub closed: bool,
    /// Requests of the service by status class.
    pub counter: Arc<Counter>,
}

/// An entry point's behaviour.
pub struct EntryPoint {
    /// Its name.
    pub name: Arc<str>,
    /// As configured.
    pub options: config::EntryPoint,
    /// What happens to paths.
    pub paths: PathRules,
    /// Largest request head in bytes.
    pub header_bytes: usize,
    /// Time to receive a request; zero means no limit.
    pub read_timeout: Duration,
    /// Time in which a client takes some of its answer; `writeTimeout`, or a limit of our own.
    pub write_timeout: Duration,
    /// Keep-alive idle time; zero means no limit.
    pub idle_timeout: Duration,
    /// Whether anything here has TLS, so that connections begin with a handshake more often than not.
    pub expects_tls: bool,
    /// Requests by status class.
    pub counter: Arc<Counter>,
    trusted: Trust,
    /// Its place in the table.
    index: usize,
}

#[derive(Debug, Default)]
struct Trust {
    everyone: bool,
    networks: Vec<IpNet>,
}

impl Trust {
    fn new(everyone: bool, list: &[String]) -> Self {
        Self { everyone, networks: list.iter().filter_map(|text| middleware::network(text)).collect() }
    }

    fn holds(&self, ip: IpAddr) -> bool {
        self.everyone || self.networks.iter().any(|network| network.contains(&ip))
    }
}

impl EntryPoint {
    fn new(name: &Arc<str>, index: usize, routes: &EntryPointRoutes, previous: Option<&EntryPoint>) -> Self {
        let options = &routes.options;
        let http = &options.http;
        Self {
            name: name.clone(),
            index,
            paths: PathRules::new(http.sanitize_path, http.encode_query_semicolons, http.encoded_characters.as_ref()),
            header_bytes: usize::try_from(http.max_header_bytes).unwrap_or(usize::MAX).max(1024),
            read_timeout: *options.transport.responding_timeouts.read_timeout,
            write_timeout: match *options.transport.responding_timeouts.write_timeout {
                Duration::ZERO => WRITE_STALL,
                configured => configured,
            },
            idle_timeout: *options.transport.responding_timeouts.idle_timeout,
            expects_tls: routes.expects_tls(),
            counter: previous.map_or_else(Default::default, |previous| previous.counter.clone()),
            trusted: Trust::new(options.forwarded_headers.insecure, &options.forwarded_headers.trusted_ips),
            options: options.clone(),
        }
    }

    /// Whether forwarding headers of `peer` are believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.holds(peer)
    }
}

impl Snapshot {
    /// A snapshot that serves nothing.
    pub fn empty(table: Arc<RouteTable>) -> Self {
        Self {
            table,
            plans: Vec::new(),
            services: HashMap::new(),
            entry_points: Vec::new(),
            tls: TlsState::default(),
            names: Vec::new(),
            middlewares: HashMap::new(),
            transports: HashMap::new(),
            counters: HashMap::new(),
            servers: HashSet::new(),
        }
    }

    /// Builds the snapshot of `table`. What cannot work is closed and listed, the rest serves.
    pub fn build(table: Arc<RouteTable>, previous: &Self, internals: &Internals) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut next = Self::empty(table.clone());
        next.names = previous.names.clone();
        next.build_transports(previous, &mut problems);
        let mut builder = Services {
            table: &table,
            previous,
            transports: &next.transports,
            internals,
            done: HashMap::new(),
            problems: &mut problems,
        };
        for service in table.services.values() {
            builder.service(service);
        }
        for route in &table.routes {
            builder.service(&route.service);
        }
        next.services = builder.done;
        for route in &table.routes {
            let plan = next.plan(route, previous, &mut problems);
            next.plans.push(Arc::new(plan));
        }
        next.build_entry_points(previous);
        next.tls = TlsState::build(&table, &previous.tls, &mut problems);
        next.servers = next.servers().map(|server| server.id).collect();
        (next, problems)
    }

    fn build_transports(&mut self, previous: &Self, problems: &mut Vec<Problem>) {
        for (name, config) in &self.table.servers_transports {
            let transport = match previous.transports.get(name) {
                Some(known) if known.config == **config => known.clone(),
                _ => Arc::new(Transport::new(config, !config.disable_http2)),
            };
            if let Err(reason) = &transport.tls {
                problems.push(Problem::new(ObjectKind::ServersTransport, &**name, Severity::Closed, reason.clone()));
            }
            self.transports.insert(name.clone(), transport);
        }
        let name: Arc<str> = DEFAULT_TRANSPORT.into();
        let known = previous.transports.get(&name);
        self.transports.entry(name).or_insert_with(|| {
            let plain = config::ServersTransport::default();
            let known = known.filter(|known| known.config == plain).cloned();
            known.unwrap_or_else(|| Arc::new(Transport::new(&plain, true)))
        });
    }

    fn plan(&mut self, route: &Arc<Route>, previous: &Self, problems: &mut Vec<Problem>) -> Plan {
        let mut closed = route.closed.is_some();
        let mut layers = Vec::with_capacity(route.middlewares.len());
        for named in &route.middlewares {
            let key: Arc<str> = match middleware::is_per_route(&named.config) {
                true => format!("{} of {}", named.name, route.name).into(),
                false => named.name.clone(),
            };
            let kept = previous.middlewares.get(&key).filter(|_| !middleware::reads_files(&named.config));
            let known = [self.middlewares.get(&key), kept].into_iter().flatten().find(|(old, _)| old == named);
            let layer = match known {
                Some((_, layer)) => layer.clone(),
                None => match middleware::build(&key, &named.config) {
                    Ok(layer) => layer,
                    Err(reason) => {
                        problems.push(Problem::new(ObjectKind::Middleware, &*named.name, Severity::Closed, reason));
                        closed = true;
                        continue;
                    }
                },
            };
            self.middlewares.insert(key, (named.clone(), layer.clone()));
            layers.push(layer);
        }
        let service = self.services[&route.service.name].clone();
        let known = previous.counters.get(&service.name).cloned();
        let counter = self.counters.entry(service.name.clone()).or_insert_with(|| known.unwrap_or_default()).clone();
        Plan {
            route: route.clone(),
            fast: service.is_plain() && layers.iter().all(|layer| matches!(layer, Layer::Head(_))),
            edits_responses: layers
                .iter()
                .any(|layer| matches!(layer, Layer::Head(filter) if filter.edits_responses())),
            layers,
            service,
            closed,
            counter,
        }
    }

    fn build_entry_points(&mut self, previous: &Self) {
        let table = self.table.clone();
        for (index, (name, routes)) in table.entry_points.iter().enumerate() {
            let slot = match self.names.iter().position(|known| **known == **name) {
                Some(slot) => slot,
                None => {
                    self.names.push(name.as_str().into());
                    self.names.len() - 1
                }
            };
            if self.entry_points.len() <= slot {
                self.entry_points.resize_with(slot + 1, || None);
            }
            let before = previous.entry_points.get(slot).and_then(Option::as_ref);
            self.entry_points[slot] = Some(EntryPoint::new(&self.names[slot], index, routes, before));
        }
    }

    /// The slot of an entry point.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| **known == *name)
    }

    /// The entry point in a slot, unless the configuration has lost it.
    pub fn entry_point(&self, slot: usize) -> Option<&EntryPoint> {
        self.entry_points.get(slot)?.as_ref()
    }

    /// The routes of the entry point in a slot.
    pub fn routes(&self, slot: usize) -> Option<&EntryPointRoutes> {
        let (_, routes) = self.table.entry_points.get_index(self.entry_point(slot)?.index)?;
        Some(routes)
    }

    /// Every server.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.services
            .values()
            .filter_map(|service| match &service.kind {
                Kind::Balancer(balancer) => Some(balancer.servers.iter()),
                _ => None,
            })
            .flatten()
    }

    /// Servers whose address is written in the configuration and that requests may not be sent to. Those behind names are
    /// found when they are dialled.
    pub fn denied(&self, denied: &Denied) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, service) in &self.services {
            let Kind::Balancer(balancer) = &service.kind else { continue };
            for server in balancer
                .servers
                .iter()
                .filter(|server| server.address.is_some_and(|address| denied.holds(address, None)))
            {
                problems.push(Problem::new(
                    ObjectKind::Service,
                    &**name,
                    Severity::Warning,
                    Denied::reason(&server.url),
                ));
            }
        }
        problems
    }

    /// Whether the server of this id is still configured.
    pub fn has_server(&self, id: u64) -> bool {
        self.servers.contains(&id)
    }
}

/// Builds services with their children first.
struct Services<'a> {
    table: &'a RouteTable,
    previous: &'a Snapshot,
    transports: &'a HashMap<Arc<str>, Arc<Transport>>,
    internals: &'a Internals,
    done: HashMap<Arc<str>, Arc<Service>>,
    problems: &'a mut Vec<Problem>,
}

impl Services<'_> {
    fn service(&mut self, named: &Arc<NamedService>) -> Arc<Service> {
        if let Some(done) = self.done.get(&named.name) {
            return done.clone();
        }
        let kind = self.kind(named).unwrap_or_else(|reason| {
            self.problems.push(Problem::new(ObjectKind::Service, &*named.name, Severity::Closed, reason.clone()));
            Kind::Closed(reason)
        });
        let service = Arc::new(Service { name: named.name.clone(), kind });
        self.done.insert(named.name.clone(), service.clone());
        service
    }

    fn kind(&mut self, named: &NamedService) -> Result<Kind, String> {
        match &named.config {
            config::Service::LoadBalancer(config) => self.balancer(&named.name, config).map(Kind::Balancer),
            config::Service::Weighted(config) => {
                let mut children = Vec::new();
                let mut weights = Vec::new();
                for member in config.services.iter().filter(|member| member.effective_weight() > 0) {
                    children.push(self.child(&member.name)?);
                    weights.push(member.effective_weight());
                }
                Ok(Kind::Weighted(Weighted::new(&named.name, children, &weights, config.sticky.as_ref())))
            }
            config::Service::HighestRandomWeight(config) => {
                let members = config.services.iter().filter(|member| member.effective_weight() > 0);
                let members = members.map(|member| Ok((self.child(&member.name)?, member.effective_weight())));
                members.collect::<Result<_, String>>().map(Kind::HighestRandomWeight)
            }
            config::Service::Failover(config) => {
                let errors = config.errors.clone().unwrap_or_default();
                let status = |text: &String| {
                    middleware::status_range(text)
                        .ok_or_else(|| format!("errors: {text:?} is neither a status nor a range"))
                };
                let limit = errors.max_request_body_bytes;
                Ok(Kind::Failover(Failover {
                    main: self.child(&config.service)?,
                    fallback: self.child(&config.fallback)?,
                    statuses: errors.status.iter().map(status).collect::<Result<_, _>>()?,
                    body_bytes: limit.map_or(RETRY_BODY_BYTES, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
                }))
            }
            config::Service::Mirroring(config) => {
                let mirrors = config.mirrors.iter().map(|mirror| Ok((self.child(&mirror.name)?, mirror.percent)));
                let mirrors = mirrors.collect::<Result<_, String>>()?;
                let main = self.child(&config.service)?;
                Ok(Kind::Mirroring(Mirroring::new(main, mirrors, config.mirror_body, config.max_body_size)))
            }
            config::Service::Internal(internal) => match self.internals.get(internal) {
                Some(service) => Ok(Kind::Internal(service.clone())),
                None => Err(format!("{} is not offered by this process", internal.name())),
            },
            config::Service::Invalid => Err("the service is invalid".to_owned()),
        }
    }

    /// A service that another one sends requests to.
    fn child(&mut self, name: &str) -> Result<Arc<Service>, String> {
        let child = self.table.services.get(name).cloned().ok_or_else(|| format!("service {name} does not exist"))?;
        Ok(self.service(&child))
    }

    fn balancer(&self, name: &Arc<str>, config: &config::LoadBalancer) -> Result<Arc<Balancer>, String> {
        let transport_name =
            if config.servers_transport.is_empty() { DEFAULT_TRANSPORT } else { &config.servers_transport };
        let previous = self.previous.services.get(name).and_then(|service| match &service.kind {
            Kind::Balancer(balancer) => Some(balancer),
            _ => None,
        });
        let transport = match self.transports.get(transport_name) {
            Some(transport) => transport.clone(),
            None => return Err(format!("serversTransport {transport_name} does not exist")),
        };
        if let Some(previous) = previous
            && previous.config == *config
            && previous.servers.first().is_none_or(|server| Arc::ptr_eq(&server.transport, &transport))
        {
            return Ok(previous.clone());
        }
        Balancer::new(name, config, &transport, previous.map(Arc::as_ref)).map(Arc::new)
    }
}
