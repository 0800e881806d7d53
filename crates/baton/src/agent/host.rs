//! What the machine of a node does: processor, memory, disk, in the shape of Nomad's host statistics.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use baton_model::Node;
use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};

/// Remembers the processors' counters between two questions: a share is of the time between them.
#[derive(Debug, Default)]
pub struct Host(Mutex<BTreeMap<String, Ticks>>);

/// Time that a processor spent, in the system's ticks since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    user: u64,
    system: u64,
    idle: u64,
}

impl Host {
    /// The numbers of now; `dir` is where the node keeps its allocations.
    pub fn stats(&self, node: &Node, dir: &Path) -> Value {
        let now = platform::processors();
        let before = {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, now.clone())
        };
        let shares: Vec<(&String, [f64; 3])> =
            now.iter().map(|(name, ticks)| (name, ticks.since(before.get(name)))).collect();
        let busy: f64 = shares.iter().map(|(_, [user, system, _])| user + system).sum();
        let mean = if shares.is_empty() { 0.0 } else { busy / shares.len() as f64 };
        let processors: Vec<Value> = shares
            .iter()
            .map(|(name, [user, system, idle])| {
                json!({ "CPU": name, "User": user, "System": system, "Idle": idle, "Total": user + system })
            })
            .collect();
        let disk = disk(dir);
        json!({
            "AllocDirStats": disk,
            "CPU": processors,
            "CPUTicksConsumed": mean / 100.0 * node.node_resources.cpu.cpu_shares as f64,
            "DeviceStats": [],
            "DiskStats": [disk],
            "Memory": platform::memory(),
            "Timestamp": crate::cli::times::now(),
            "Uptime": platform::uptime(),
        })
    }
}

impl Ticks {
    /// Percent of the time since `before` (of all time, without one) in user mode, in the system, idle.
    fn since(self, before: Option<&Self>) -> [f64; 3] {
        let before = before.copied().unwrap_or_default();
        let parts = [
            self.user.saturating_sub(before.user),
            self.system.saturating_sub(before.system),
            self.idle.saturating_sub(before.idle),
        ];
        let total = parts.iter().sum::<u64>().max(1);
        parts.map(|part| part as f64 * 100.0 / total as f64)
    }
}

fn disk(dir: &Path) -> Value {
    let Ok(found) = statvfs(dir) else { return json!({ "Mountpoint": dir }) };
    let unit = found.fragment_size();
    let (size, free) = (found.blocks() * unit, found.blocks_free() * unit);
    let available = found.blocks_available() * unit;
    let used = size.saturating_sub(free);
    let (files, files_free) = (found.files(), found.files_free());
    let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    json!({
        "Device": "",
        "Mountpoint": dir,
        "Size": size,
        "Used": used,
        "Available": available,
        "UsedPercent": percent(used, used + available),
        "InodesUsedPercent": percent(files.saturating_sub(files_free), files),
    })
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::Ticks;

    pub(super) fn processors() -> BTreeMap<String, Ticks> {
        std::fs::read_to_string("/proc/stat")
            .map(|text| text.lines().filter_map(processor).collect())
            .unwrap_or_default()
    }

    /// `cpu0 user nice system idle iowait irq softirq steal …`, see proc(5).
    pub(super) fn processor(line: &str) -> Option<(String, Ticks)> {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next()?.strip_prefix("cpu").filter(|number| !number.is_empty())?;
        let numbers: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
        let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
        let ticks = Ticks { user: at(0) + at(1), system: at(2) + at(5) + at(6) + at(7), idle: at(3) + at(4) };
        Some((format!("cpu{name}"), ticks))
    }

    pub(super) fn memory() -> Value {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        let (total, available) = (bytes("MemTotal"), bytes("MemAvailable"));
        json!({
            "Total": total,
            "Available": available,
            "Free": bytes("MemFree"),
            "Used": total.saturating_sub(available),
        })
    }

    /// Seconds since the system started.
    pub(super) fn uptime() -> u64 {
        let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
    }
}

/// Nothing is known of the machine here.
#[cfg(not(target_os = "linux"))]
mod platform {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::Ticks;

    pub(super) fn processors() -> BTreeMap<String, Ticks> {
        BTreeMap::new()
    }

    pub(super) fn memory() -> Value {
        json!({ "Total": 0, "Available": 0, "Free": 0, "Used": 0 })
    }

    pub(super) fn uptime() -> u64 {
        0
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_between_two_looks() {
        let (name, first) = platform::processor("cpu1 100 0 50 850 0 0 0 0 0 0").unwrap();
        assert_eq!((name.as_str(), first.since(None)), ("cpu1", [10.0, 5.0, 85.0]));
        let (_, second) = platform::processor("cpu1 175 25 50 950 0 0 0 0 0 0").unwrap();
        assert_eq!(second.since(Some(&first)), [50.0, 0.0, 50.0]);
        assert_eq!(platform::processor("cpu  1 2 3 4"), None);
        assert_eq!(platform::processor("intr 1 2"), None);
    }

    #[test]
    fn the_machine_has_processors_memory_and_a_disk() {
        let stats = Host::default().stats(&Node::default(), Path::new("/"));
        assert!(stats["CPU"].as_array().is_some_and(|all| !all.is_empty()), "{stats}");
        for (block, key) in [("Memory", "Total"), ("AllocDirStats", "Size")] {
            assert!(stats[block][key].as_u64().is_some_and(|bytes| bytes > 0), "{block}: {stats}");
        }
    }
}
