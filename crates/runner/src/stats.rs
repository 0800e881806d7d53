//! What a task uses, summed over its process group's session.

use serde::Serialize;

/// A moment's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TaskStats {
    /// Resident bytes.
    pub memory_bytes: u64,
    /// Processor time so far, in milliseconds.
    pub cpu_millis: u64,
    pub processes: u64,
}

/// Sums over the session that the task's leader began.
#[cfg(target_os = "linux")]
pub(crate) fn of_group(leader: i32) -> TaskStats {
    use nix::unistd::{SysconfVar, sysconf};
    let value =
        |name, default| sysconf(name).ok().flatten().and_then(|value| u64::try_from(value).ok()).unwrap_or(default);
    let (page, ticks) = (value(SysconfVar::PAGE_SIZE, 4096), value(SysconfVar::CLK_TCK, 100).max(1));
    let mut sum = TaskStats::default();
    let Ok(entries) = std::fs::read_dir("/proc") else { return sum };
    for pid in entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok()) {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        // Numbered as in proc(5), less the two fields before.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        if number(3) != u64::try_from(leader).unwrap_or(0) {
            continue;
        }
        sum.processes += 1;
        sum.cpu_millis += (number(11) + number(12)) * 1000 / ticks;
        sum.memory_bytes += number(21) * page;
    }
    sum
}

/// Nothing is known of other processes here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of_group(_leader: i32) -> TaskStats {
    TaskStats::default()
}
