//! Looking at processes through `/proc`.

use std::fs;
use std::path::Path;

/// Processes with this entry in their environment.
pub fn with_environment(entry: &str) -> Vec<i32> {
    all().filter(|pid| read(*pid, "environ").split('\0').any(|have| have == entry)).collect()
}

/// Processes that have this path in their arguments, environment or working directory.
pub fn mentioning(path: &Path) -> Vec<i32> {
    let text = path.display().to_string();
    all()
        .filter(|pid| *pid != i32::try_from(std::process::id()).unwrap_or(0))
        .filter(|pid| {
            let works_there = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(path));
            works_there || read(*pid, "cmdline").contains(&text) || read(*pid, "environ").contains(&text)
        })
        .collect()
}

/// One variable of a process.
pub fn variable(pid: i32, name: &str) -> Option<String> {
    let environment = read(pid, "environ");
    environment.split('\0').find_map(|entry| entry.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

pub fn command_line(pid: i32) -> Vec<String> {
    read(pid, "cmdline").split('\0').map(str::to_owned).collect()
}

/// Leads its process group, as every task's first process does.
pub fn leads_its_group(pid: i32) -> bool {
    let stat = read(pid, "stat");
    let group = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2)?.parse().ok());
    group == Some(pid)
}

/// Runs, and is not merely waiting to be collected.
pub fn is_alive(pid: i32) -> bool {
    let stat = read(pid, "stat");
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn read(pid: i32, name: &str) -> String {
    fs::read(format!("/proc/{pid}/{name}"))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
