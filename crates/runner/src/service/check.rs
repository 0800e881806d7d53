//! Running one check, and what a row of results amounts to.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use baton_consul::wire::Status;
use baton_model::Nanos;
use tokio::net::TcpStream;

use super::catalog::Report;
use super::definition::{CheckKind, CheckSpec};
use super::script::Script;
use crate::link::with_causes;

/// The most of an answer's body or a script's output that is kept, as in Consul.
pub(super) const OUTPUT_BYTES_MAX: usize = 4096;
/// A check without a timeout.
const TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = "Baton Health Check";

/// Runs it once.
pub(super) async fn run(http: &reqwest::Client, check: &CheckSpec, scripts: bool) -> Report {
    let timeout = if check.timeout.is_zero() { TIMEOUT } else { check.timeout.to_std() };
    let outcome = tokio::time::timeout(timeout, attempt(http, &check.kind, scripts)).await;
    outcome.unwrap_or_else(|_| critical(format!("no answer within {}", Nanos::from_std(timeout))))
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
pub(super) struct Streak {
    good: i64,
    bad: i64,
    shown: Option<Status>,
}

impl Streak {
    pub(super) fn take(&mut self, check: &CheckSpec, status: Status) -> Status {
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
