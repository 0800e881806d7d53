//! Finds the best route for a request without looking at all of them.
//!
//! The naive way asks every rule in order of priority. Here each rule is filed under something that a request
//! must have for the rule to match: a host, a domain above the host, then a path or path prefix. A request asks
//! the few files that fit it; each is sorted by rank, and reading stops at the best rank found so far. A rule
//! that demands nothing of the kind stands in a file that every request reads. Filing is by necessary
//! conditions only and every candidate's whole rule is evaluated, so the answer equals the naive one
//! (`tests::lookup_equals_naive_order`).

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use super::{Route, RouteId};
use crate::rule::{Request, Rule};

/// Keys come from the configuration alone, never from clients, so the hash may be a quick one.
type Filed<T> = HashMap<Box<str>, T, RandomState>;

/// The longest host that may stand below a domain.
const HOST_BYTES_MAX: usize = 255;

/// The routes of one entry point and one security, ordered and indexed.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Best first; a rank is an index here.
    ranked: Vec<Arc<Route>>,
    hosts: Filed<Drawer>,
    /// Rules that demand a host below this domain.
    domains: Filed<Drawer>,
    anywhere: Drawer,
}

/// Ranks of the routes that share a host condition, filed by path condition.
#[derive(Debug, Default)]
struct Drawer {
    paths: Filed<Vec<u32>>,
    prefixes: Filed<Vec<u32>>,
    /// Distinct lengths of `prefixes`' keys.
    prefix_lengths: Vec<usize>,
    any_path: Vec<u32>,
}

/// Something that a request must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum HostKey {
    Exact(String),
    Below(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum PathKey {
    Exact(String),
    Prefix(String),
}

impl Matcher {
    /// Builds the index; routes come best first.
    pub(super) fn new(ranked: Vec<Arc<Route>>) -> Self {
        let mut matcher = Self::default();
        for (rank, route) in ranked.iter().enumerate() {
            let rank = rank as u32;
            let paths = demanded(&route.rule, &path_key);
            match demanded(&route.rule, &host_key) {
                None => matcher.anywhere.file(rank, paths.as_deref()),
                Some(keys) => {
                    for key in keys {
                        let drawer = match key {
                            HostKey::Exact(host) => matcher.hosts.entry(host.into()).or_default(),
                            HostKey::Below(domain) => matcher.domains.entry(domain.into()).or_default(),
                        };
                        drawer.file(rank, paths.as_deref());
                    }
                }
            }
        }
        matcher.ranked = ranked;
        matcher
    }

    /// The best route whose rule the request satisfies.
    pub fn lookup(&self, request: &impl Request) -> Option<RouteId> {
        let mut best = u32::MAX;
        let host = request.host();
        if let Some(drawer) = self.hosts.get(host) {
            drawer.search(&self.ranked, request, &mut best);
        }
        // No domain name is longer (RFC 1035 §2.3.4), and a host that is would be asked for at every dot.
        if !self.domains.is_empty() && host.len() <= HOST_BYTES_MAX {
            let mut rest = host;
            while let Some((_, parent)) = rest.split_once('.') {
                if let Some(drawer) = self.domains.get(parent) {
                    drawer.search(&self.ranked, request, &mut best);
                }
                rest = parent;
            }
        }
        self.anywhere.search(&self.ranked, request, &mut best);
        self.ranked.get(best as usize).map(|route| route.id)
    }

    /// All routes, best first.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.ranked
    }

    pub fn is_empty(&self) -> bool {
        self.ranked.is_empty()
    }
}

impl Drawer {
    fn file(&mut self, rank: u32, keys: Option<&[PathKey]>) {
        let Some(keys) = keys else {
            self.any_path.push(rank);
            return;
        };
        for key in keys {
            match key {
                PathKey::Exact(path) => self.paths.entry(path.as_str().into()).or_default().push(rank),
                PathKey::Prefix(prefix) => {
                    self.prefixes.entry(prefix.as_str().into()).or_default().push(rank);
                    if !self.prefix_lengths.contains(&prefix.len()) {
                        self.prefix_lengths.push(prefix.len());
                    }
                }
            }
        }
    }

    fn search(&self, ranked: &[Arc<Route>], request: &impl Request, best: &mut u32) {
        let mut read = |ranks: &[u32]| {
            for &rank in ranks {
                if rank >= *best {
                    break;
                }
                if ranked[rank as usize].rule.matches(request) {
                    *best = rank;
                }
            }
        };
        read(&self.any_path);
        let path = request.path();
        if !self.paths.is_empty()
            && let Some(ranks) = self.paths.get(path)
        {
            read(ranks);
        }
        for &length in &self.prefix_lengths {
            if let Some(ranks) = path.get(..length).and_then(|prefix| self.prefixes.get(prefix)) {
                read(ranks);
            }
        }
    }
}

/// Keys of which a matching request must have one; `None` when the rule demands nothing that can be filed.
fn demanded<K: Clone + PartialEq>(rule: &Rule, key: &impl Fn(&Rule) -> Option<K>) -> Option<Vec<K>> {
    match rule {
        Rule::And(rules) => rules.iter().filter_map(|r| demanded(r, key)).min_by_key(Vec::len),
        Rule::Or(rules) => {
            let mut all = Vec::new();
            for rule in rules {
                for key in demanded(rule, key)? {
                    if !all.contains(&key) {
                        all.push(key);
                    }
                }
            }
            Some(all)
        }
        Rule::Not(_) => None,
        leaf => key(leaf).map(|k| vec![k]),
    }
}

fn host_key(rule: &Rule) -> Option<HostKey> {
    match rule {
        Rule::Host(name) if name == "*" => None,
        Rule::Host(name) => Some(match name.strip_prefix("*.") {
            Some(parent) => HostKey::Below(parent.to_owned()),
            None => HostKey::Exact(name.clone()),
        }),
        Rule::HostRegexp(pattern) => pattern.ending().and_then(|ending| {
            // `.example.org` or `x.example.org`: whole labels after the first dot are certain.
            ending.split_once('.').map(|(_, domain)| HostKey::Below(domain.to_owned()))
        }),
        _ => None,
    }
}

fn path_key(rule: &Rule) -> Option<PathKey> {
    match rule {
        Rule::Path(path) => Some(PathKey::Exact(path.clone())),
        Rule::PathPrefix(prefix) => Some(PathKey::Prefix(prefix.clone())),
        _ => None,
    }
}
