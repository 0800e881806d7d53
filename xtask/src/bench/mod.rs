//! `cargo xtask bench`: Baton's proxy beside nginx and HAProxy, one run, one machine.
//!
//! Each proxy gets cpu 0 and one worker; the load (wrk, h2load) and the origin (nginx, answers from memory) get cpu 1.
//! The rounds are interleaved, so that a noisy spell hits all alike. The figure to trust is CPU time per request of the
//! proxy's processes; requests per second are bounded by the load side where that is saturated first.

mod cpu;
mod proxies;
mod workload;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{peers, run};
use proxies::{Origin, Proxy};
use workload::Workload;

#[derive(Debug, Args)]
pub struct Bench {
    /// Seconds of load per measurement
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Interleaved rounds; medians are shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these workloads
    #[arg(long, value_enum, value_delimiter = ',', default_value = "h1,tls,h2,body")]
    workloads: Vec<Workload>,
    /// Host rules in each proxy's configuration; the requests are for the last one
    #[arg(long, default_value_t = 1)]
    routes: usize,
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
            running.push(Proxy::start(name, dir, origin.port, self.routes)?);
        }
        for &workload in &self.workloads {
            let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
            for round in 0..self.rounds {
                for proxy in &running {
                    let sample =
                        self.sample(proxy, workload).with_context(|| format!("{} {workload:?}", proxy.name))?;
                    eprintln!("{workload:?} round {} {:8} {:6.1} µs", round + 1, proxy.name, sample.micros_per_request);
                    samples.entry(&proxy.name).or_default().push(sample);
                }
            }
            report(workload, self.routes, &self.proxies, &samples);
        }
        Ok(())
    }

    fn sample(&self, proxy: &Proxy, workload: Workload) -> Result<Sample> {
        let before = cpu::seconds(proxy.pid())?;
        let counted = workload.run(proxy, self.seconds)?;
        let used = cpu::seconds(proxy.pid())? - before;
        Ok(Sample { micros_per_request: used * 1e6 / counted.requests, requests_per_second: counted.per_second })
    }
}

fn report(workload: Workload, routes: usize, order: &[String], samples: &BTreeMap<&str, Vec<Sample>>) {
    let median = |name: &str, pick: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples[name].iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[0], values[values.len() - 1])
    };
    let rules = if routes == 1 { String::new() } else { format!(", {routes} host rules") };
    println!("\n{}{rules}, one core", workload.describe());
    println!("{:10} {:>22} {:>12}  ratio of CPU", "proxy", "CPU µs/request", "requests/s");
    let (own, ..) = median(&order[0], |sample| sample.micros_per_request);
    for name in order {
        let (micros, least, most) = median(name, |sample| sample.micros_per_request);
        let (rate, ..) = median(name, |sample| sample.requests_per_second);
        let ratio = format!("{} = {:.2} × {name}", order[0], own / micros);
        println!("{name:10} {:>22} {rate:>12.0}  {ratio}", format!("{micros:.1} ({least:.1}–{most:.1})"));
    }
}
