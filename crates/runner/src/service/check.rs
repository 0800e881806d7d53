//! Running one check, and what a row of results amounts to.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use baton_consul::wire::Status;
use baton_model::Nanos;
use tokio::net::TcpStream;

use super::catalog::Report;
use super::definition::{CheckKind, CheckSpec};
use crate::link::with_causes;
use crate::script::Script;

/// The most of an answer's body or a script's output that is kept, as in Consul.
const OUTPUT_BYTES_MAX: usize = 4096;
/// A check without a timeout.
const TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = "Baton Health Check";

/// One check with what it takes to run it.
pub(crate) struct Probe {
    http: reqwest::Client,
    check: CheckSpec,
    scripts: bool,
    streak: Streak,
}

impl Probe {
    /// `scripts`: this node runs a job's programs as checks.
    pub(crate) fn new(mut check: CheckSpec, scripts: bool) -> Result<Self, String> {
        let mut http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        if let CheckKind::Http { url, header, tls_skip_verify, tls_server_name, .. } = &mut check.kind {
            http = http.danger_accept_invalid_certs(*tls_skip_verify);
            if let Some((named, address)) = under_name(url, tls_server_name)? {
                // The name is for TLS alone; the request is still for the host of the check.
                header.entry("Host".to_owned()).or_insert_with(|| vec![host_of(url)]);
                http = http.resolve(tls_server_name, address);
                *url = named;
            }
        }
        let http = http.build().map_err(|error| format!("cannot prepare the check: {}", with_causes(&error)))?;
        Ok(Self { http, check, scripts, streak: Streak::default() })
    }

    /// Runs it once; the status follows the check's thresholds.
    pub(crate) async fn run(&mut self) -> Report {
        let timeout = if self.check.timeout.is_zero() { TIMEOUT } else { self.check.timeout.to_std() };
        let outcome = tokio::time::timeout(timeout, attempt(&self.http, &self.check.kind, self.scripts)).await;
        let report = outcome.unwrap_or_else(|_| critical(format!("no answer within {}", Nanos::from_std(timeout))));
        Report { status: self.streak.take(&self.check, report.status), ..report }
    }
}

/// The URL with the name that the certificate must have, and the address that the name stands for.
fn under_name(url: &str, name: &str) -> Result<Option<(String, SocketAddr)>, String> {
    let Ok(mut parsed) = reqwest::Url::parse(url) else { return Ok(None) };
    if name.is_empty() || parsed.scheme() != "https" {
        return Ok(None);
    }
    let bare = parsed.host_str().map(|host| host.trim_matches(['[', ']'])).unwrap_or_default();
    let ip = bare.parse::<IpAddr>().map_err(|_| format!("tls_server_name needs an address to check, not {bare:?}"))?;
    let address = SocketAddr::new(ip, parsed.port_or_known_default().unwrap_or(443));
    parsed.set_host(Some(name)).map_err(|error| format!("tls_server_name {name:?}: {error}"))?;
    Ok(Some((parsed.into(), address)))
}

fn host_of(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    parsed.map(|url| url.authority().rsplit('@').next().unwrap_or_default().to_owned()).unwrap_or_default()
}

async fn attempt(http: &reqwest::Client, kind: &CheckKind, scripts: bool) -> Report {
    match kind {
        CheckKind::Http { url, method, header, body, .. } => {
            let method = if method.is_empty() { "GET" } else { method };
            let Ok(parsed) = reqwest::Method::from_bytes(method.as_bytes()) else {
                return critical(format!("{method:?} is no HTTP method"));
            };
            let mut request =
                http.request(parsed, url).header("User-Agent", USER_AGENT).header("Accept", "text/plain, */*");
            for (name, values) in header {
                for value in values {
                    request = request.header(name, value);
                }
            }
            match request.body(body.clone()).send().await {
                Ok(response) => judge(method, url, response).await,
                Err(error) => critical(with_causes(&error)),
            }
        }
        // A gRPC server that accepts connections counts as up: its health service is not asked.
        CheckKind::Tcp { address } | CheckKind::Grpc { address, .. } => match TcpStream::connect(address).await {
            Ok(_) => Report { status: Status::Passing, output: format!("TCP connect {address}: Success") },
            Err(error) => critical(format!("dial tcp {address}: {error}")),
        },
        CheckKind::Script { .. } if !scripts => {
            critical("script checks are switched off on this node: set client { script_checks = true }".to_owned())
        }
        CheckKind::Script { command, args, env, dir, user } => {
            match (Script { command, args, env, dir, user }).run().await {
                Ok((ended, mut text)) => {
                    let status = match ended.code() {
                        Some(0) => Status::Passing,
                        Some(1) => Status::Warning,
                        _ => Status::Critical,
                    };
                    if let Some(signal) = ended.signal() {
                        text.push_str(&format!("killed by signal {signal}"));
                    }
                    Report { status, output: cut(text) }
                }
                Err(reason) => critical(reason),
            }
        }
    }
}

async fn judge(method: &str, url: &str, response: reqwest::Response) -> Report {
    let code = response.status();
    let status = match code.as_u16() {
        200..=299 => Status::Passing,
        429 => Status::Warning,
        _ => Status::Critical,
    };
    let mut response = response;
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= OUTPUT_BYTES_MAX {
            break;
        }
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Report { status, output: cut(format!("HTTP {method} {url}: {code} Output: {body}")) }
}

fn critical(output: String) -> Report {
    Report { status: Status::Critical, output: cut(output) }
}

fn cut(mut text: String) -> String {
    let end = text.floor_char_boundary(OUTPUT_BYTES_MAX);
    text.truncate(end);
    text
}

/// Smooths results by the check's thresholds.
#[derive(Debug, Default)]
struct Streak {
    good: i64,
    bad: i64,
    shown: Option<Status>,
}

impl Streak {
    fn take(&mut self, check: &CheckSpec, status: Status) -> Status {
        let before = self.shown.unwrap_or(Status::Critical);
        let shown = if status == Status::Passing {
            self.bad = 0;
            self.good += 1;
            if self.good >= check.success_before_passing { status } else { before }
        } else {
            self.good = 0;
            self.bad += 1;
            match status {
                Status::Critical if self.bad >= check.failures_before_critical => status,
                _ if self.bad >= check.failures_before_warning && check.failures_before_warning > 0 => Status::Warning,
                Status::Critical => before,
                other => other,
            }
        };
        self.shown = Some(shown);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_smooth_results() {
        let check = CheckSpec { success_before_passing: 2, failures_before_critical: 2, ..CheckSpec::default() };
        let mut streak = Streak::default();
        let row = [Status::Passing, Status::Passing, Status::Passing, Status::Critical, Status::Critical];
        let shown: Vec<Status> = row.into_iter().map(|status| streak.take(&check, status)).collect();
        assert_eq!(shown, [Status::Critical, Status::Passing, Status::Passing, Status::Passing, Status::Critical]);
    }

    #[test]
    fn without_thresholds_every_result_counts() {
        let mut streak = Streak::default();
        for status in [Status::Passing, Status::Critical, Status::Warning, Status::Passing] {
            assert_eq!(streak.take(&CheckSpec::default(), status), status);
        }
    }
}
