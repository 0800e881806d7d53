//! CPU time of a process and all its descendants, from `/proc`.

use std::collections::BTreeMap;

use anyhow::Result;

/// Clock ticks a second; 100 on every Linux that matters here.
const TICKS: f64 = 100.0;

/// User and system seconds used so far by `pid` and its living descendants, ended children included.
pub fn seconds(pid: u32) -> Result<f64> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut used: BTreeMap<u32, f64> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        children.entry(number(1) as u32).or_default().push(id);
        used.insert(id, (11..15).map(number).sum::<f64>() / TICKS);
    }
    let mut todo = vec![pid];
    let mut total = 0.0;
    while let Some(id) = todo.pop() {
        total += used.get(&id).copied().unwrap_or(0.0);
        todo.extend(children.remove(&id).unwrap_or_default());
    }
    Ok(total)
}
