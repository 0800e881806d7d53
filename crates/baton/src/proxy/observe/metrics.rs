//! `/metrics` in Prometheus' text format, with Traefik's names and labels.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;

use baton_proxy::access::AccessEntry;
use baton_proxy::engine::Traffic;
use baton_proxy::service::Kind;
use baton_proxy::snapshot::Snapshot;
use baton_routing::RouteTable;
use baton_routing::config::Prometheus;
use baton_traefik::api::CertificateInfo;

/// Workers share these; each mostly finds its own.
const SHARDS: usize = 16;
/// Methods that count under their own name.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];
/// What all other methods count as: clients must not be able to make series.
const OTHER_METHOD: &str = "EXTENSION_METHOD";

/// Counts since the start.
pub struct Metrics {
    bounds: Vec<f64>,
    entry_points: bool,
    routers: bool,
    services: bool,
    shards: [Mutex<Shard>; SHARDS],
    reloads: AtomicU64,
    last_reload: AtomicI64,
}

type Group = HashMap<Box<str>, HashMap<Labels, Series>>;

#[derive(Default)]
struct Shard {
    entry_points: Group,
    routers: Group,
    services: Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Labels {
    code: u16,
    method: &'static str,
    protocol: &'static str,
}

#[derive(Debug, Clone, Default)]
struct Series {
    count: u64,
    seconds: f64,
    buckets: Vec<u64>,
    bytes_out: u64,
}

/// What else there is to tell besides counts of requests.
pub struct Now<'a> {
    pub traffic: Option<Traffic>,
    pub snapshot: &'a Snapshot,
    pub certificates: &'a [CertificateInfo],
}

impl Metrics {
    pub fn new(options: &Prometheus) -> Self {
        let mut bounds = options.buckets.clone();
        bounds.sort_by(f64::total_cmp);
        Self {
            bounds,
            entry_points: options.add_entry_points_labels,
            routers: options.add_routers_labels,
            services: options.add_services_labels,
            shards: Default::default(),
            reloads: AtomicU64::new(0),
            last_reload: AtomicI64::new(0),
        }
    }

    /// Notes a configuration; forgets what it does not have any more.
    pub fn applied(&self, table: &RouteTable) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.last_reload.store(jiff::Timestamp::now().as_second(), Ordering::Relaxed);
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.entry_points.retain(|name, _| table.entry_points.keys().any(|known| **known == **name));
            shard.routers.retain(|name, _| table.report.routers.contains_key(&**name));
            shard.services.retain(|name, _| table.report.services.contains_key(&**name));
        }
    }

    /// Counts a request.
    pub fn count(&self, entry: &AccessEntry<'_>) {
        let method = METHODS.into_iter().find(|known| *known == entry.method).unwrap_or(OTHER_METHOD);
        let protocol = if entry.status == 101 { "websocket" } else { "http" };
        let labels = Labels { code: entry.status, method, protocol };
        let mut shard = self.shards[own_shard()].lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |group: fn(&mut Shard) -> &mut Group, name: &str| {
            let group = group(&mut shard);
            if !group.contains_key(name) {
                group.insert(name.into(), HashMap::new());
            }
            if let Some(of_name) = group.get_mut(name) {
                of_name.entry(labels).or_default().add(entry, &self.bounds);
            }
        };
        if self.entry_points {
            add(|shard| &mut shard.entry_points, entry.entry_point);
        }
        if let Some(router) = entry.router.filter(|_| self.routers) {
            add(|shard| &mut shard.routers, router);
        }
        if let Some(service) = entry.service.filter(|_| self.services) {
            add(|shard| &mut shard.services, service);
        }
    }

    /// The page.
    pub fn page(&self, now: &Now<'_>) -> String {
        let mut out = String::with_capacity(8 * 1024);
        let last = self.last_reload.load(Ordering::Relaxed);
        family(&mut out, "traefik_config_reloads_total", "counter", "Configurations applied");
        let _ = writeln!(out, "traefik_config_reloads_total {}", self.reloads.load(Ordering::Relaxed));
        family(
            &mut out,
            "traefik_config_last_reload_success",
            "gauge",
            "When a configuration was applied last, in seconds since 1970",
        );
        let _ = writeln!(out, "traefik_config_last_reload_success {last}");
        if let Some(traffic) = &now.traffic {
            family(&mut out, "traefik_open_connections", "gauge", "Open client connections");
            let _ = writeln!(out, "traefik_open_connections{{protocol=\"TCP\"}} {}", traffic.open);
        }
        certificates(&mut out, now.certificates);
        let none = |_: &str| String::new();
        self.group(&mut out, "entrypoint", |shard| &shard.entry_points, none);
        let service_of = |router: &str| {
            let known = now.snapshot.table.report.routers.get(router);
            known.map_or_else(String::new, |known| format!(",service=\"{}\"", Escaped(&known.object.service)))
        };
        self.group(&mut out, "router", |shard| &shard.routers, service_of);
        self.group(&mut out, "service", |shard| &shard.services, none);
        if self.services {
            servers(&mut out, now.snapshot);
        }
        out
    }

    fn group(&self, out: &mut String, kind: &str, pick: fn(&Shard) -> &Group, more: impl Fn(&str) -> String) {
        let sums = self.sum(pick);
        if sums.is_empty() {
            return;
        }
        let labels = |name: &str, labels: &Labels| {
            let Labels { code, method, protocol } = labels;
            format!(
                "code=\"{code}\",{kind}=\"{}\",method=\"{method}\",protocol=\"{protocol}\"{}",
                Escaped(name),
                more(name)
            )
        };
        let metric = format!("traefik_{kind}_requests_total");
        family(out, &metric, "counter", "Requests answered");
        for ((name, key), series) in &sums {
            let _ = writeln!(out, "{metric}{{{}}} {}", labels(name, key), series.count);
        }
        let metric = format!("traefik_{kind}_request_duration_seconds");
        family(out, &metric, "histogram", "Time from a request's head to the last byte of its answer");
        for ((name, key), series) in &sums {
            let labels = labels(name, key);
            for (bound, count) in self.bounds.iter().zip(&series.buckets) {
                let _ = writeln!(out, "{metric}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(out, "{metric}_bucket{{{labels},le=\"+Inf\"}} {}", series.count);
            let _ = writeln!(out, "{metric}_sum{{{labels}}} {}", series.seconds);
            let _ = writeln!(out, "{metric}_count{{{labels}}} {}", series.count);
        }
        let metric = format!("traefik_{kind}_responses_bytes_total");
        family(out, &metric, "counter", "Bytes of bodies answered");
        for ((name, key), series) in &sums {
            let _ = writeln!(out, "{metric}{{{}}} {}", labels(name, key), series.bytes_out);
        }
    }

    fn sum(&self, pick: fn(&Shard) -> &Group) -> BTreeMap<(Box<str>, Labels), Series> {
        let mut sums: BTreeMap<(Box<str>, Labels), Series> = BTreeMap::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, of_name) in pick(&shard) {
                for (labels, series) in of_name {
                    sums.entry((name.clone(), *labels)).or_default().merge(series);
                }
            }
        }
        sums
    }
}

impl Series {
    fn add(&mut self, entry: &AccessEntry<'_>, bounds: &[f64]) {
        let seconds = entry.duration.as_secs_f64();
        self.count += 1;
        self.seconds += seconds;
        self.bytes_out += entry.bytes_out;
        self.buckets.resize(bounds.len(), 0);
        for (bucket, bound) in self.buckets.iter_mut().zip(bounds) {
            *bucket += u64::from(seconds <= *bound);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.seconds += other.seconds;
        self.bytes_out += other.bytes_out;
        self.buckets.resize(other.buckets.len(), 0);
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
    }
}

/// This thread's shard; stays the same for the thread's life.
fn own_shard() -> usize {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
    thread_local! {
        static OWN: usize = {
            let id: ThreadId = std::thread::current().id();
            let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(id);
            usize::try_from(hash % SHARDS as u64).unwrap_or(0)
        };
    }
    OWN.with(|own| *own)
}

fn certificates(out: &mut String, certificates: &[CertificateInfo]) {
    if certificates.is_empty() {
        return;
    }
    family(out, "traefik_tls_certs_not_after", "gauge", "When a certificate ends, in seconds since 1970");
    for certificate in certificates {
        let end = certificate.not_after.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
        let (name, serial) = (Escaped(&certificate.common_name), Escaped(&certificate.serial_number));
        let sans = certificate.sans.join(",");
        let _ = writeln!(
            out,
            "traefik_tls_certs_not_after{{cn=\"{name}\",sans=\"{}\",serial=\"{serial}\"}} {end}",
            Escaped(&sans)
        );
    }
}

fn servers(out: &mut String, snapshot: &Snapshot) {
    let mut lines: Vec<String> = Vec::new();
    for (name, service) in &snapshot.services {
        let Kind::Balancer(balancer) = &service.kind else { continue };
        lines.extend(balancer.servers.iter().map(|server| {
            let up = u8::from(server.is_healthy());
            format!(
                "traefik_service_server_up{{service=\"{}\",url=\"{}\"}} {up}\n",
                Escaped(name),
                Escaped(&server.url)
            )
        }));
    }
    if lines.is_empty() {
        return;
    }
    lines.sort();
    family(out, "traefik_service_server_up", "gauge", "Whether a server is up");
    out.extend(lines);
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label's value (text exposition format: backslash, quote and line feed are escaped).
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
