//! The parts of a fingerprint that each operating system tells in its own way.

use std::path::Path;

use super::Machine;

/// Total and free bytes of the file system that holds `path`.
pub(super) fn disk_bytes(path: &Path) -> Option<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    // The field types differ between systems.
    #[allow(clippy::unnecessary_cast, reason = "u32 on some systems")]
    let (unit, total, free) = (stat.fragment_size() as u64, stat.blocks() as u64, stat.blocks_available() as u64);
    Some((unit * total, unit * free))
}

/// Everything that `uname` tells, completed by the system's own sources.
pub(super) fn machine() -> Machine {
    let mut machine = Machine { cores: cores(), ..Machine::default() };
    if let Ok(name) = nix::sys::utsname::uname() {
        let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
        machine.kernel_name = text(name.sysname()).to_lowercase();
        machine.kernel_version = text(name.release());
        machine.arch = text(name.machine());
        machine.hostname = text(name.nodename());
        machine.os_name.clone_from(&machine.kernel_name);
        machine.os_version.clone_from(&machine.kernel_version);
    }
    complete(&mut machine);
    machine
}

fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(u16::MAX))
}

#[cfg(target_os = "linux")]
fn complete(machine: &mut Machine) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let release = read("/etc/os-release");
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    if let Some(id) = field("ID") {
        machine.os_name = id;
        machine.os_version = field("VERSION_ID").unwrap_or_default();
    }
    let cpu = read("/proc/cpuinfo");
    let line = |name: &str| {
        cpu.lines().find(|line| line.starts_with(name)).and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    machine.cpu_model = line("model name");
    #[allow(clippy::cast_possible_truncation, reason = "a frequency in MHz")]
    let mhz = line("cpu MHz").and_then(|text| text.parse::<f64>().ok()).map(|mhz| mhz as i64);
    machine.core_mhz = mhz;
    let memory = read("/proc/meminfo");
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    machine.memory_bytes = kilobytes.unwrap_or(0) * 1024;
}

/// Elsewhere `sysctl` knows the rest.
#[cfg(not(target_os = "linux"))]
fn complete(machine: &mut Machine) {
    let sysctl = |name: &str| {
        let output = std::process::Command::new("sysctl").args(["-n", name]).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
    };
    machine.cpu_model = sysctl("hw.model");
    machine.core_mhz = sysctl("hw.cpuspeed").and_then(|text| text.parse().ok());
    machine.memory_bytes = sysctl("hw.physmem").and_then(|text| text.parse().ok()).unwrap_or(0);
}
