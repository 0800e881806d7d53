//! What is asked of the proxies: the load generator's command line, and what it counted.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use super::proxies::{HOST, Proxy};
use crate::{peers, run};

/// Connections held open by the load over HTTP/1.1.
const CONNECTIONS: &str = "64";
/// Connections over HTTP/2 …
const H2_CONNECTIONS: u64 = 16;
/// … and requests at once on each.
const H2_STREAMS: u64 = 32;

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// HTTP/1.1 in clear text, 1 KiB
    H1,
    /// HTTP/1.1 over TLS, 1 KiB
    Tls,
    /// HTTP/2 over TLS, 1 KiB
    H2,
    /// HTTP/1.1 in clear text, 100 KiB
    Body,
}

/// What a load generator counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub requests: f64,
    pub per_second: f64,
}

impl Workload {
    pub fn describe(self) -> String {
        match self {
            Self::H1 => format!("HTTP/1.1, 1 KiB, {CONNECTIONS} connections"),
            Self::Tls => format!("HTTPS, 1 KiB, {CONNECTIONS} connections"),
            Self::H2 => format!("HTTP/2 over TLS, 1 KiB, {H2_CONNECTIONS} connections with {H2_STREAMS} requests each"),
            Self::Body => format!("HTTP/1.1, 100 KiB, {CONNECTIONS} connections"),
        }
    }

    /// Loads a proxy for so many seconds.
    pub fn run(self, proxy: &Proxy, seconds: u32) -> Result<Counted> {
        match self {
            Self::H1 => wrk(&format!("http://127.0.0.1:{}/", proxy.http_port), seconds),
            Self::Tls => wrk(&format!("https://127.0.0.1:{}/", proxy.https_port), seconds),
            Self::Body => wrk(&format!("http://127.0.0.1:{}/large", proxy.http_port), seconds),
            Self::H2 => h2load(proxy.https_port, seconds),
        }
    }
}

fn wrk(url: &str, seconds: u32) -> Result<Counted> {
    let text = run::output(pinned("wrk").args(["-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s")]).args([
        "-H",
        &format!("Host: {HOST}"),
        url,
    ]))?;
    ensure!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "failed requests:\n{text}");
    let requests = number(&text, " requests in ").context("no request count from wrk")?;
    let per_second = number(&text, "Requests/sec:").context("no rate from wrk")?;
    Ok(Counted { requests, per_second })
}

fn h2load(port: u16, seconds: u32) -> Result<Counted> {
    let text = run::output(
        pinned("h2load")
            .args(["-t1", "-c", &H2_CONNECTIONS.to_string(), "-m", &H2_STREAMS.to_string(), "-D", &seconds.to_string()])
            .args(["--connect-to", &format!("127.0.0.1:{port}"), "-H", &format!(":authority: {HOST}")])
            .arg(format!("https://{HOST}:{port}/")),
    )?;
    let line = text.lines().find(|line| line.starts_with("requests:")).context("no request count from h2load")?;
    let count = |what: &str| -> Option<u64> {
        line.split([':', ',']).find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
    };
    let requests = count("succeeded").context("no success count from h2load")?;
    let failed = count("failed").context("no failure count from h2load")?;
    // What is cut off at the end of the time counts as failed.
    ensure!(failed <= H2_CONNECTIONS * H2_STREAMS && text.contains("protocol: h2"), "failed requests:\n{text}");
    ensure!(requests > 0 && status(&text, "4xx") + status(&text, "5xx") == 0, "wrong answers:\n{text}");
    Ok(Counted { requests: requests as f64, per_second: requests as f64 / f64::from(seconds) })
}

/// How many answers h2load saw of a class.
fn status(text: &str, class: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with("status codes:")).unwrap_or_default();
    line.split([':', ',']).find_map(|part| part.trim().strip_suffix(class)?.trim().parse().ok()).unwrap_or(0)
}

fn number(text: &str, label: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains(label))?;
    line.split_whitespace().find_map(|word| word.parse().ok())
}

fn pinned(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]).arg(peers::dir().join("bin").join(program));
    command
}
