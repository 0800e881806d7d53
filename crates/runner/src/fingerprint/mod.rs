//! What a node is: attributes, resources and drivers, read from the system.

mod platform;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use baton_model::node::{DriverInfo, NodeCpu, NodeDisk, NodeMemory, NodeResources};
use baton_model::resources::NetworkResource;
use baton_model::{Node, Timestamp};

/// The Nomad version whose API and semantics are answered for; jobs may constrain on it.
pub const NOMAD_VERSION: &str = "1.11.0";
/// The Consul version that the embedded catalog answers for.
pub const CONSUL_VERSION: &str = "1.8.7";
/// The signals a task may be sent, as `os.signals` lists them.
const SIGNALS: &str = "SIGABRT,SIGALRM,SIGBUS,SIGCHLD,SIGCONT,SIGFPE,SIGHUP,SIGILL,SIGINT,SIGIO,SIGIOT,SIGKILL,SIGNULL,SIGPIPE,\
                       SIGPROF,SIGQUIT,SIGSEGV,SIGSTOP,SIGSYS,SIGTERM,SIGTRAP,SIGTSTP,SIGTTIN,SIGTTOU,SIGURG,SIGUSR1,SIGUSR2,\
                       SIGWINCH,SIGXCPU,SIGXFSZ";
/// What a core is taken to give where its frequency cannot be read, in MHz.
const CORE_MHZ_DEFAULT: i64 = 1000;

/// What the operating system says about the machine.
#[derive(Debug, Default)]
pub struct Machine {
    pub kernel_name: String,
    pub kernel_version: String,
    pub arch: String,
    pub os_name: String,
    pub os_version: String,
    pub hostname: String,
    pub cores: u16,
    pub core_mhz: Option<i64>,
    pub cpu_model: Option<String>,
    pub memory_bytes: u64,
}

/// Fills in attributes, resources and drivers of `node`; its name, ids, datacenter and meta are the caller's.
///
/// `address` is where the node's ports are published; `data_dir` is where allocations live; `consul` describes the catalog
/// (`version`, `datacenter`) or is `None` where there is none.
pub fn fingerprint(node: &mut Node, address: IpAddr, data_dir: &Path, consul: Option<(&str, &str)>, now: Timestamp) {
    let machine = platform::machine();
    let (disk_total, disk_free) = platform::disk_bytes(data_dir).unwrap_or((0, 0));
    let core_mhz = machine.core_mhz.unwrap_or(CORE_MHZ_DEFAULT);
    let total_mhz = core_mhz * i64::from(machine.cores);
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            node.attributes.insert(name.to_owned(), value);
        }
    };
    set("kernel.name", machine.kernel_name);
    set("kernel.version", machine.kernel_version);
    set("kernel.arch", machine.arch.clone());
    set("os.name", machine.os_name);
    set("os.version", machine.os_version);
    set("os.signals", SIGNALS.to_owned());
    set("cpu.arch", go_arch(&machine.arch).to_owned());
    set("cpu.numcores", machine.cores.to_string());
    set("cpu.reservablecores", machine.cores.to_string());
    set("cpu.frequency", core_mhz.to_string());
    set("cpu.modelname", machine.cpu_model.unwrap_or_default());
    set("cpu.totalcompute", total_mhz.to_string());
    set("cpu.usablecompute", total_mhz.to_string());
    set("memory.totalbytes", machine.memory_bytes.to_string());
    set("unique.hostname", machine.hostname);
    set("unique.network.ip-address", address.to_string());
    set("unique.storage.volume", data_dir.display().to_string());
    set("unique.storage.bytestotal", disk_total.to_string());
    set("unique.storage.bytesfree", disk_free.to_string());
    set("nomad.version", NOMAD_VERSION.to_owned());
    set("nomad.service_discovery", "true".to_owned());
    set("nomad.advertise.address", node.http_addr.clone());
    set("unique.advertise.address", node.http_addr.clone());
    set("baton.version", env!("CARGO_PKG_VERSION").to_owned());
    set("driver.raw_exec", "1".to_owned());
    if let Some((version, datacenter)) = consul {
        set("consul.version", version.to_owned());
        set("consul.datacenter", datacenter.to_owned());
        set("consul.server", "true".to_owned());
        set("unique.consul.name", node.name.clone());
    }
    node.drivers = BTreeMap::from([("raw_exec".to_owned(), raw_exec(now))]);
    let minimum_port = node.node_resources.min_dynamic_port;
    let maximum_port = node.node_resources.max_dynamic_port;
    node.node_resources = NodeResources {
        cpu: NodeCpu {
            cpu_shares: total_mhz,
            total_cpu_cores: machine.cores,
            reservable_cpu_cores: (0..machine.cores).collect(),
        },
        memory: NodeMemory { memory_mb: megabytes(machine.memory_bytes) },
        disk: NodeDisk { disk_mb: megabytes(disk_free) },
        networks: vec![NetworkResource {
            mode: "host".to_owned(),
            ip: address.to_string(),
            cidr: format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }),
            ..NetworkResource::default()
        }],
        min_dynamic_port: if minimum_port > 0 { minimum_port } else { 20_000 },
        max_dynamic_port: if maximum_port > 0 { maximum_port } else { 32_000 },
    };
}

fn raw_exec(now: Timestamp) -> DriverInfo {
    DriverInfo {
        attributes: BTreeMap::from([("driver.raw_exec".to_owned(), "true".to_owned())]),
        detected: true,
        healthy: true,
        health_description: "Healthy".to_owned(),
        update_time: now,
    }
}

fn megabytes(bytes: u64) -> i64 {
    i64::try_from(bytes >> 20).unwrap_or(i64::MAX)
}

/// The names that job files use for architectures.
fn go_arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i686" | "i386" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_gets_what_constraints_ask_for() {
        let mut node = Node { name: "edge-1".to_owned(), ..Node::default() };
        let address = IpAddr::from([127, 0, 0, 11]);
        fingerprint(&mut node, address, Path::new("/"), Some((CONSUL_VERSION, "dc1")), Timestamp(1));
        for name in ["kernel.name", "cpu.arch", "memory.totalbytes", "os.signals", "consul.version", "driver.raw_exec"]
        {
            assert!(node.attributes.contains_key(name), "{name} in {:?}", node.attributes);
        }
        assert!(node.node_resources.memory.memory_mb > 0);
        assert!(node.node_resources.disk.disk_mb > 0);
        assert_eq!(node.node_resources.networks[0].ip, "127.0.0.11");
        assert!(node.drivers["raw_exec"].healthy);
    }
}
