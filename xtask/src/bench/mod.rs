//! `cargo xtask bench`: Baton's proxy beside nginx and HAProxy, one run, one machine.
//!
//! Each proxy gets cpu 0 and one worker; the load (wrk) and the origin (nginx, a 1 KiB answer from memory) get cpu 1.
//! The rounds are interleaved, so that a noisy spell hits all alike. The figure to trust is CPU time per request of the
//! proxy's processes; requests per second are bounded by the load side where that is saturated first.

mod cpu;
mod proxies;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{peers, run};
use proxies::{HOST, Origin, Proxy};

/// Connections held open by the load.
const CONNECTIONS: &str = "64";

#[derive(Debug, Args)]
pub struct Bench {
    /// Seconds of load per measurement
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Interleaved rounds; medians are shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these workloads: h1, tls
    #[arg(long, value_delimiter = ',', default_value = "h1,tls")]
    workloads: Vec<String>,
    /// Only these proxies: baton, nginx, haproxy, traefik
    #[arg(long, value_delimiter = ',', default_value = "baton,nginx,haproxy")]
    proxies: Vec<String>,
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
struct Sample {
    micros_per_request: f64,
    requests_per_second: f64,
}

impl Bench {
    pub fn run(self) -> Result<()> {
        peers::report(&peers::fetch()?);
        run::run(run::cargo().args(["build", "--release", "--locked", "-p", "baton"]))?;
        let dir = std::env::temp_dir().join(format!("baton-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let outcome = self.measure(&dir);
        let _ = std::fs::remove_dir_all(&dir);
        outcome
    }

    fn measure(&self, dir: &Path) -> Result<()> {
        proxies::certificate(dir)?;
        let origin = Origin::start(dir)?;
        let mut running = Vec::new();
        for name in &self.proxies {
            running.push(Proxy::start(name, dir, origin.port)?);
        }
        for workload in &self.workloads {
            let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
            for round in 0..self.rounds {
                for proxy in &running {
                    let sample = self.sample(proxy, workload).with_context(|| format!("{} {workload}", proxy.name))?;
                    eprintln!("{workload} round {} {:8} {:6.1} µs", round + 1, proxy.name, sample.micros_per_request);
                    samples.entry(&proxy.name).or_default().push(sample);
                }
            }
            report(workload, &self.proxies, &samples);
        }
        Ok(())
    }

    fn sample(&self, proxy: &Proxy, workload: &str) -> Result<Sample> {
        let url = match workload {
            "h1" => format!("http://127.0.0.1:{}/", proxy.http_port),
            "tls" => format!("https://127.0.0.1:{}/", proxy.https_port),
            other => anyhow::bail!("no workload {other:?}; there are h1 and tls"),
        };
        let before = cpu::seconds(proxy.pid())?;
        let text = run::output(
            Command::new("taskset")
                .args(["-c", "1"])
                .arg(peers::dir().join("bin/wrk"))
                .args(["-t1", "-c", CONNECTIONS, "-d", &format!("{}s", self.seconds)])
                .args(["-H", &format!("Host: {HOST}"), &url]),
        )?;
        let used = cpu::seconds(proxy.pid())? - before;
        ensure!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "failed requests:\n{text}");
        let number = |before: &str, after: &str| -> Option<f64> {
            let line = text.lines().find(|line| line.contains(before) && line.contains(after))?;
            line.split_whitespace().find_map(|word| word.parse().ok())
        };
        let requests = number(" requests in ", "read").context("no request count from wrk")?;
        let requests_per_second = number("Requests/sec:", "").context("no rate from wrk")?;
        Ok(Sample { micros_per_request: used * 1e6 / requests, requests_per_second })
    }
}

fn report(workload: &str, order: &[String], samples: &BTreeMap<&str, Vec<Sample>>) {
    let median = |name: &str, pick: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples[name].iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[0], values[values.len() - 1])
    };
    println!("\n{workload}: 1 KiB, keep-alive, {CONNECTIONS} connections, one core");
    println!("{:10} {:>22} {:>12}  ratio of CPU", "proxy", "CPU µs/request", "requests/s");
    let (own, ..) = median(&order[0], |sample| sample.micros_per_request);
    for name in order {
        let (micros, least, most) = median(name, |sample| sample.micros_per_request);
        let (rate, ..) = median(name, |sample| sample.requests_per_second);
        let ratio = format!("{} = {:.2} × {name}", order[0], own / micros);
        println!("{name:10} {:>22} {rate:>12.0}  {ratio}", format!("{micros:.1} ({least:.1}–{most:.1})"));
    }
}
