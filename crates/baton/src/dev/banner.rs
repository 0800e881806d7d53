//! What is told at the start: what runs where, and what to try.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use baton_model::Job;
use serde::Serialize;

/// What was started.
#[derive(Debug, Serialize)]
pub struct Started {
    pub api: SocketAddr,
    /// The catalog's address, Baton's own or a real Consul's.
    pub catalog: String,
    pub nodes: Vec<StartedNode>,
    pub jobs: Vec<String>,
    pub data_dir: String,
}

#[derive(Debug, Serialize)]
pub struct StartedNode {
    pub name: String,
    pub id: String,
    pub address: IpAddr,
    pub datacenter: String,
    pub meta: std::collections::BTreeMap<String, String>,
}

/// For a person, who called this program `program`.
pub fn text(started: &Started, jobs: &[Job], program: &str) -> String {
    let mut out = String::from("Baton dev runs; Ctrl-C stops everything.\n\n");
    let _ = writeln!(out, "  API      http://{}", started.api);
    let _ = writeln!(out, "  Catalog  http://{}", started.catalog);
    for node in &started.nodes {
        let meta: Vec<_> = node.meta.iter().map(|(name, value)| format!(", {name}={value}")).collect();
        let _ = writeln!(out, "  {:8} {} (datacenter {}{})", node.name, node.address, node.datacenter, meta.concat());
    }
    for job in jobs {
        let groups: Vec<_> = job.task_groups.iter().map(|group| format!("{} × {}", group.count, group.name)).collect();
        let _ = writeln!(out, "  job {}: {}", job.id, groups.join(", "));
    }
    let flag = if started.api.port() == 4646 { String::new() } else { format!(" --address http://{}", started.api) };
    let _ = writeln!(out, "\nTry, in another terminal:");
    for job in jobs {
        let _ = writeln!(out, "  {program} job status{flag} {}", job.id);
    }
    for line in curl_lines(started, jobs) {
        let _ = writeln!(out, "  {line}");
    }
    out
}

/// One line per node, static port and routed host; the ports of checks are left out.
fn curl_lines(started: &Started, jobs: &[Job]) -> Vec<String> {
    let hosts: BTreeSet<&str> = tags(jobs).filter_map(host_of).collect();
    let mut lines = Vec::new();
    for (job, port, label) in static_ports(jobs) {
        for node in &started.nodes {
            let url = format!("http://{}:{port}/", node.address);
            if checked(job, label) {
                lines.push(format!("curl {url}{}", path_of_check(job, label)));
            } else {
                lines.extend(hosts.iter().map(|host| format!("curl -H 'Host: {host}' {url}")));
            }
        }
    }
    lines.retain(|line| !line.contains(":8443") && !line.contains(":443/"));
    lines
}

fn tags(jobs: &[Job]) -> impl Iterator<Item = &str> {
    services(jobs).flat_map(|service| service.tags.iter().map(String::as_str))
}

fn services(jobs: &[Job]) -> impl Iterator<Item = &baton_model::service::Service> {
    jobs.iter()
        .flat_map(|job| &job.task_groups)
        .flat_map(|group| group.services.iter().chain(group.tasks.iter().flat_map(|task| &task.services)))
}

/// The first literal host of a router's rule.
fn host_of(tag: &str) -> Option<&str> {
    let (name, rule) = tag.split_once('=')?;
    let rest = name.to_ascii_lowercase().ends_with(".rule").then(|| rule.split_once("Host(`"))??.1;
    Some(rest.split_once('`')?.0)
}

fn static_ports(jobs: &[Job]) -> Vec<(&Job, i64, &str)> {
    let mut ports = Vec::new();
    for job in jobs {
        for group in &job.task_groups {
            let networks = group.networks.iter().chain(group.tasks.iter().flat_map(|task| &task.resources.networks));
            for port in networks.flat_map(|network| &network.reserved_ports) {
                ports.push((job, port.value, port.label.as_str()));
            }
        }
    }
    ports
}

fn checks<'a>(job: &'a Job, label: &'a str) -> impl Iterator<Item = &'a str> {
    let checks = services(std::slice::from_ref(job)).flat_map(|service| &service.checks);
    checks.filter(move |check| check.port_label == label && check.check_type == "http").map(|check| check.path.as_str())
}

fn checked(job: &Job, label: &str) -> bool {
    checks(job, label).next().is_some()
}

fn path_of_check<'a>(job: &'a Job, label: &'a str) -> &'a str {
    checks(job, label).next().unwrap_or_default().trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn hosts_are_found_in_rules() {
        assert_eq!(host_of("traefik.http.routers.x.rule=Host(`a.test`) && Path(`/`)"), Some("a.test"));
        assert_eq!(host_of("traefik.http.routers.x.Rule=PathPrefix(`/`)"), None);
        assert_eq!(host_of("traefik.enable=true"), None);
    }
}
