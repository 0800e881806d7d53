//! Port numbers on a node: which are taken, which are given.
//!
//! Invariant: no number is given twice on one address of a node, except to an allocation and its successor.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use baton_model::resources::{AllocatedPort, NetworkResource, Port};
use baton_model::{Allocation, Node, TaskGroup};
use serde_json::Value;

/// The range for dynamic ports of nodes that name none.
pub const DYNAMIC_PORTS: RangeInclusive<u16> = 20_000..=32_000;

/// What a group was given on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenPorts {
    /// The group's networks with numbers filled in.
    pub(crate) networks: Vec<NetworkResource>,
    pub(crate) ports: Vec<AllocatedPort>,
    /// Per task, the networks of its `resources` block with numbers filled in.
    pub(crate) tasks: BTreeMap<String, Vec<NetworkResource>>,
}

/// Why a group's ports cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PortRefusal {
    /// In the words of failure metrics: `network: reserved port collision http=8080`.
    Exhausted { dimension: String, holder: Option<String> },
    /// The node has no such network.
    Missing(String),
}

/// The ports in use on one node.
pub(crate) struct PortMap<'a> {
    node: &'a Node,
    /// By address; the holder's name for explanations.
    used: BTreeMap<(String, u16), String>,
    reserved: BTreeSet<u16>,
    /// Not to be given dynamically, though free by the book.
    avoided: BTreeSet<u16>,
}

impl<'a> PortMap<'a> {
    pub(crate) fn new(node: &'a Node) -> Self {
        let reserved = parse_ranges(&node.reserved_resources.networks.reserved_host_ports);
        Self { node, used: BTreeMap::new(), reserved, avoided: BTreeSet::new() }
    }

    pub(crate) fn hold(&mut self, alloc: &Allocation) {
        for (ip, port) in ports_of(alloc) {
            self.used.entry((ip, port)).or_insert_with(|| alloc.name.clone());
        }
    }

    pub(crate) fn avoid(&mut self, alloc: &Allocation) {
        self.avoided.extend(ports_of(alloc).into_iter().map(|(_, port)| port));
    }

    /// Gives every port that the group asks for. `previous` is an allocation whose dynamic numbers are kept where it has
    /// the same label; `seed` spreads the first tries over the range.
    pub(crate) fn give(
        &self,
        group: &TaskGroup,
        previous: Option<&Allocation>,
        seed: &str,
    ) -> Result<GivenPorts, PortRefusal> {
        let mut giving = Giving { map: self, taken: BTreeSet::new(), previous, next: offset(seed) };
        // Static numbers of all networks first, so that no dynamic one takes them.
        let mut networks = giving.fixed(&group.networks)?;
        let mut tasks = BTreeMap::new();
        for task in &group.tasks {
            if !task.resources.networks.is_empty() {
                tasks.insert(task.name.clone(), giving.fixed(&task.resources.networks)?);
            }
        }
        giving.dynamic(&mut networks)?;
        for task in tasks.values_mut() {
            giving.dynamic(task)?;
        }
        let mut ports = Vec::new();
        for network in &networks {
            for port in network.ports() {
                let host_ip = self.host_ip(&port.host_network, &port.label)?;
                ports.push(AllocatedPort { label: port.label.clone(), value: port.value, to: port.to, host_ip });
            }
        }
        Ok(GivenPorts { networks, ports, tasks })
    }

    /// The address that a host network stands for.
    fn host_ip(&self, name: &str, label: &str) -> Result<String, PortRefusal> {
        let default =
            || self.node.node_resources.networks.first().map(|network| network.ip.clone()).unwrap_or_default();
        if name.is_empty() || name == "default" {
            return Ok(default());
        }
        let Some(network) = self.node.host_networks.get(name) else {
            return Err(PortRefusal::Missing(format!("missing host network {name:?} for port {label:?}")));
        };
        let text = |key: &str| network.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let cidr_address = |cidr: &str| cidr.split('/').next().unwrap_or(cidr).to_owned();
        Ok(text("IP").map(str::to_owned).or_else(|| text("CIDR").map(cidr_address)).unwrap_or_else(default))
    }

    fn reserved_on(&self, host_network: &str, port: u16) -> bool {
        self.reserved.contains(&port)
            || self
                .node
                .host_networks
                .get(host_network)
                .and_then(|network| network.get("ReservedPorts"))
                .and_then(Value::as_str)
                .is_some_and(|text| parse_ranges(text).contains(&port))
    }

    fn range(&self) -> RangeInclusive<u16> {
        let resources = &self.node.node_resources;
        match (u16::try_from(resources.min_dynamic_port), u16::try_from(resources.max_dynamic_port)) {
            (Ok(min), Ok(max)) if min > 0 && max >= min => min..=max,
            _ => DYNAMIC_PORTS,
        }
    }
}

struct Giving<'m, 'a> {
    map: &'m PortMap<'a>,
    taken: BTreeSet<(String, u16)>,
    previous: Option<&'m Allocation>,
    next: u32,
}

impl Giving<'_, '_> {
    /// Copies networks as asked, with the node's address in, and takes their fixed ports.
    fn fixed(&mut self, networks: &[NetworkResource]) -> Result<Vec<NetworkResource>, PortRefusal> {
        let node_network = self.map.node.node_resources.networks.first();
        let mut given = Vec::with_capacity(networks.len());
        for asked in networks {
            let mut network = asked.clone();
            if let Some(own) = node_network {
                network.ip.clone_from(&own.ip);
                network.device.clone_from(&own.device);
            }
            for port in &mut network.reserved_ports {
                self.take_fixed(port)?;
            }
            given.push(network);
        }
        Ok(given)
    }

    fn take_fixed(&mut self, port: &mut Port) -> Result<(), PortRefusal> {
        let ip = self.map.host_ip(&port.host_network, &port.label)?;
        let Some(number) = u16::try_from(port.value).ok().filter(|number| *number > 0) else {
            return Err(exhausted(format!("network: invalid port {} (out of range)", port.value), None));
        };
        let key = (ip, number);
        let holder = self.map.used.get(&key).cloned();
        let collides =
            holder.is_some() || self.map.reserved_on(&port.host_network, number) || self.taken.contains(&key);
        if collides && !port.ignore_collision {
            let dimension = format!("network: reserved port collision {}={number}", port.label);
            return Err(exhausted(dimension, holder));
        }
        self.taken.insert(key);
        if port.to == -1 {
            port.to = port.value;
        }
        Ok(())
    }

    fn dynamic(&mut self, networks: &mut [NetworkResource]) -> Result<(), PortRefusal> {
        for port in networks.iter_mut().flat_map(|network| &mut network.dynamic_ports) {
            let ip = self.map.host_ip(&port.host_network, &port.label)?;
            let number = self
                .kept(&ip, port)
                .or_else(|| self.choose(&ip, port))
                .ok_or_else(|| exhausted("network: dynamic port selection failed".to_owned(), None))?;
            self.taken.insert((ip, number));
            port.value = i64::from(number);
            if port.to == -1 {
                port.to = port.value;
            }
        }
        Ok(())
    }

    fn free(&self, ip: &str, port: &Port, number: u16) -> bool {
        let key = (ip.to_owned(), number);
        !self.map.used.contains_key(&key)
            && !self.taken.contains(&key)
            && !self.map.reserved_on(&port.host_network, number)
    }

    fn kept(&self, ip: &str, port: &Port) -> Option<u16> {
        let number = dynamic_ports(self.previous?).find(|old| old.label == port.label)?.value;
        u16::try_from(number).ok().filter(|number| *number > 0 && self.free(ip, port, *number))
    }

    fn choose(&mut self, ip: &str, port: &Port) -> Option<u16> {
        let range = self.map.range();
        let size = u32::from(*range.end()) - u32::from(*range.start()) + 1;
        let candidates = (0..size).map(|step| range.start() + ((self.next.wrapping_add(step)) % size) as u16);
        let (mut first_free, mut best) = (None, None);
        for number in candidates {
            if self.free(ip, port, number) {
                first_free = first_free.or(Some(number));
                if !self.map.avoided.contains(&number) {
                    best = Some(number);
                    break;
                }
            }
        }
        let number = best.or(first_free)?;
        self.next = self.next.wrapping_add(1);
        Some(number)
    }
}

fn exhausted(dimension: String, holder: Option<String>) -> PortRefusal {
    PortRefusal::Exhausted { dimension, holder }
}

/// Every port that an allocation has, with its address; those that tolerate collisions are left out.
pub(crate) fn ports_of(alloc: &Allocation) -> Vec<(String, u16)> {
    let resources = &alloc.allocated_resources;
    let mut ports = BTreeSet::new();
    let tolerant: BTreeSet<&str> = resources
        .shared
        .networks
        .iter()
        .flat_map(NetworkResource::ports)
        .filter(|port| port.ignore_collision)
        .map(|port| port.label.as_str())
        .collect();
    for port in resources.shared.ports.iter().filter(|port| !tolerant.contains(port.label.as_str())) {
        ports.extend(u16::try_from(port.value).ok().map(|number| (port.host_ip.clone(), number)));
    }
    for network in resources.tasks.values().flat_map(|task| &task.networks) {
        for port in network.ports().filter(|port| !port.ignore_collision) {
            ports.extend(u16::try_from(port.value).ok().map(|number| (network.ip.clone(), number)));
        }
    }
    ports.into_iter().collect()
}

fn dynamic_ports(alloc: &Allocation) -> impl Iterator<Item = &Port> {
    let resources = &alloc.allocated_resources;
    resources
        .shared
        .networks
        .iter()
        .chain(resources.tasks.values().flat_map(|task| &task.networks))
        .flat_map(|network| &network.dynamic_ports)
}

/// `22,8500-8600` as numbers; parts that are none are left out.
fn parse_ranges(text: &str) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            ports.extend(first..=last);
        }
    }
    ports
}

/// FNV-1a: the same text always starts at the same place.
fn offset(seed: &str) -> u32 {
    seed.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use baton_model::resources::AllocatedResources;

    use super::*;

    fn port(label: &str, value: i64) -> Port {
        Port { label: label.into(), value, ..Port::default() }
    }

    fn node(min: i64, max: i64) -> Node {
        let mut node = Node::default();
        node.node_resources.networks = vec![NetworkResource { ip: "10.0.0.1".into(), ..NetworkResource::default() }];
        node.node_resources.min_dynamic_port = min;
        node.node_resources.max_dynamic_port = max;
        node.reserved_resources.networks.reserved_host_ports = "22, 8500-8501".into();
        node
    }

    fn group(fixed: &[Port], dynamic: &[Port]) -> TaskGroup {
        let network = NetworkResource {
            reserved_ports: fixed.to_vec(),
            dynamic_ports: dynamic.to_vec(),
            ..NetworkResource::default()
        };
        TaskGroup { networks: vec![network], ..TaskGroup::default() }
    }

    fn alloc_with(given: GivenPorts) -> Allocation {
        let mut allocated_resources = AllocatedResources::default();
        allocated_resources.shared.networks = given.networks;
        allocated_resources.shared.ports = given.ports;
        Allocation { name: "other.web[0]".into(), allocated_resources, ..Allocation::default() }
    }

    #[test]
    fn static_ports_collide_with_others_and_with_the_reserved_ones() {
        let node = node(0, 0);
        let mut map = PortMap::new(&node);
        let first = map.give(&group(&[port("http", 8080)], &[]), None, "").unwrap();
        assert_eq!(first.ports[0].host_ip, "10.0.0.1");
        map.hold(&alloc_with(first));
        assert_eq!(
            map.give(&group(&[port("http", 8080)], &[]), None, ""),
            Err(PortRefusal::Exhausted {
                dimension: "network: reserved port collision http=8080".into(),
                holder: Some("other.web[0]".into())
            })
        );
        for taken in [22, 8501] {
            let refusal = map.give(&group(&[port("x", taken)], &[]), None, "").unwrap_err();
            assert!(matches!(refusal, PortRefusal::Exhausted { holder: None, .. }), "{refusal:?}");
        }
        let tolerant = Port { ignore_collision: true, ..port("http", 8080) };
        assert!(map.give(&group(&[tolerant], &[]), None, "").is_ok());
    }

    #[test]
    fn dynamic_ports_stay_in_the_nodes_range_until_it_is_full() {
        let node = node(20_000, 20_002);
        let mut map = PortMap::new(&node);
        let mut seen = BTreeSet::new();
        for seed in ["a", "b", "c"] {
            let given = map.give(&group(&[], &[port("http", 0)]), None, seed).unwrap();
            assert!(seen.insert(given.ports[0].value));
            map.hold(&alloc_with(given));
        }
        assert_eq!(seen, BTreeSet::from([20_000, 20_001, 20_002]));
        let refusal = map.give(&group(&[], &[port("http", 0)]), None, "d").unwrap_err();
        assert!(matches!(refusal, PortRefusal::Exhausted { dimension, .. }
            if dimension == "network: dynamic port selection failed"));
    }

    #[test]
    fn a_successor_keeps_its_numbers_and_lingering_ones_are_avoided() {
        let node = node(20_000, 20_001);
        let mut map = PortMap::new(&node);
        let old = alloc_with(map.give(&group(&[], &[port("http", 0)]), None, "x").unwrap());
        let number = old.allocated_resources.shared.ports[0].value;
        let kept = map.give(&group(&[], &[port("http", 0)]), Some(&old), "y").unwrap();
        assert_eq!(kept.ports[0].value, number);
        map.avoid(&old);
        for seed in ["x", "y", "z"] {
            let other = map.give(&group(&[], &[port("http", 0)]), None, seed).unwrap();
            assert_ne!(other.ports[0].value, number);
        }
    }

    #[test]
    fn host_networks_have_their_own_addresses() {
        let mut node = node(0, 0);
        node.host_networks.insert("public".into(), serde_json::json!({"CIDR": "192.0.2.7/32"}));
        let mut map = PortMap::new(&node);
        map.hold(&alloc_with(map.give(&group(&[port("http", 80)], &[]), None, "").unwrap()));
        let public = Port { host_network: "public".into(), ..port("http", 80) };
        let given = map.give(&group(&[public], &[]), None, "").unwrap();
        assert_eq!(given.ports[0].host_ip, "192.0.2.7");
        let missing = Port { host_network: "none".into(), ..port("http", 81) };
        assert_eq!(
            map.give(&group(&[missing], &[]), None, ""),
            Err(PortRefusal::Missing("missing host network \"none\" for port \"http\"".into()))
        );
    }

    #[test]
    fn to_minus_one_means_the_same_number() {
        let node = node(20_000, 20_000);
        let map = PortMap::new(&node);
        let same = Port { to: -1, ..port("http", 0) };
        assert_eq!(map.give(&group(&[], &[same]), None, "").unwrap().ports[0].to, 20_000);
    }
}
