//! Runs the HTTP, TCP and gRPC checks that clients registered with this node, as Consul's agent does.
//!
//! Input: the registrations in the catalog, followed as they change. Output: one [`Command::ReportCheck`] per run.
//! The first run happens at once, so that a healthy service is in rotation without waiting for an interval. Checks of
//! jobs are not run here: the runner reports those.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use baton_catalog::{CatalogError, Command, MAX_OUTPUT, Scope};
use baton_consul::Tls;
use baton_consul::wire::{CheckRegistration, Status};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::backend::{self, Backend, BackendError};

/// Checks run no more often than this, as in Consul.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// A check without a timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks at what is to be run.
const GATHER: Duration = Duration::from_millis(20);
const USER_AGENT: &str = "Baton Health Check";

/// A running check; ends when dropped.
struct Running {
    registration: CheckRegistration,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Clients {
    verified: reqwest::Client,
    /// For checks with `TLSSkipVerify`.
    unverified: reqwest::Client,
}

/// Runs the checks of `node` until the backend stops or the future is dropped.
pub async fn run_checks(backend: Arc<dyn Backend>, node: String) -> Result<(), baton_consul::Error> {
    let clients = Clients { verified: http_client(false)?, unverified: http_client(true)? };
    let mut changes = backend.changes();
    let mut running: HashMap<String, Running> = HashMap::new();
    let mut seen = 0;
    loop {
        changes.borrow_and_update();
        let news = backend::read(&*backend, |state| {
            let index = state.index_of(&Scope::Checks);
            (index != seen).then(|| (index, state.runnable_checks(&node)))
        });
        let Some((index, wanted)) = news else {
            if changes.changed().await.is_err() {
                return Ok(());
            }
            continue;
        };
        seen = index;
        let wanted: BTreeMap<String, CheckRegistration> =
            wanted.into_iter().map(|check| (check.check_id, check.registration)).collect();
        running.retain(|id, check| wanted.get(id) == Some(&check.registration));
        for (check_id, registration) in wanted {
            running.entry(check_id).or_insert_with_key(|id| {
                let check =
                    follow(Arc::clone(&backend), clients.clone(), node.clone(), id.clone(), registration.clone());
                Running { task: tokio::spawn(check), registration }
            });
        }
        // Thousands that are registered one after another are looked at together.
        tokio::time::sleep(GATHER).await;
    }
}

fn http_client(insecure: bool) -> Result<reqwest::Client, baton_consul::Error> {
    let tls = Tls { insecure, ..Tls::default() }.client_config()?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .pool_max_idle_per_host(0)
        .user_agent(USER_AGENT)
        .no_proxy()
        .build()
        .map_err(|error| baton_consul::Error::Tls(error.to_string()))
}

async fn follow(backend: Arc<dyn Backend>, clients: Clients, node: String, check_id: String, check: CheckRegistration) {
    let mut ticks = interval(check.interval.0.to_std().max(MIN_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut streak = Streak::default();
    loop {
        ticks.tick().await;
        let limit = if check.timeout.0.0 > 0 { check.timeout.0.to_std() } else { DEFAULT_TIMEOUT };
        let result = timeout(limit, probe(&clients, &check)).await;
        let (status, output) = result.unwrap_or_else(|_| (Status::Critical, format!("no answer within {limit:?}")));
        let Some(status) = streak.take(&check, status) else {
            continue;
        };
        let report = Command::ReportCheck { node: node.clone(), check_id: check_id.clone(), status, output };
        match backend.apply(report).await {
            Ok(_) => {}
            Err(BackendError::Refused(CatalogError::UnknownCheck(_))) => return,
            Err(error) => tracing::warn!(%check_id, %error, "the result of a check is lost"),
        }
    }
}

async fn probe(clients: &Clients, check: &CheckRegistration) -> (Status, String) {
    if !check.http.is_empty() {
        return probe_http(clients, check).await;
    }
    // A gRPC server that accepts connections counts as up: its health service is not asked.
    let address = if check.tcp.is_empty() { check.grpc.split('/').next().unwrap_or_default() } else { &check.tcp };
    match TcpStream::connect(address).await {
        Ok(_) => (Status::Passing, format!("TCP connect {address}: Success")),
        Err(error) => (Status::Critical, format!("dial tcp {address}: {error}")),
    }
}

async fn probe_http(clients: &Clients, check: &CheckRegistration) -> (Status, String) {
    let (method, url) = (if check.method.is_empty() { "GET" } else { &check.method }, &check.http);
    let Ok(parsed) = reqwest::Method::from_bytes(method.as_bytes()) else {
        return (Status::Critical, format!("{method:?} is no HTTP method"));
    };
    let client = if check.tls_skip_verify { &clients.unverified } else { &clients.verified };
    let mut request = client.request(parsed, url).body(check.body.clone());
    for (name, values) in &check.header {
        for value in values {
            request = request.header(name, value);
        }
    }
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return (Status::Critical, with_causes(&error)),
    };
    let code = response.status();
    let status = match code.as_u16() {
        200..=299 => Status::Passing,
        429 => Status::Warning,
        _ => Status::Critical,
    };
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_OUTPUT - body.len())]);
        if body.len() == MAX_OUTPUT {
            break;
        }
    }
    (status, format!("HTTP {method} {url}: {code} Output: {}", String::from_utf8_lossy(&body)))
}

/// The reason that helps (connection refused) stands at the end of the chain.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Results in a row, for the thresholds of a check.
#[derive(Debug, Default)]
struct Streak {
    good: i64,
    bad: i64,
}

impl Streak {
    /// What to report now; nothing while a threshold is not reached.
    fn take(&mut self, check: &CheckRegistration, status: Status) -> Option<Status> {
        if status == Status::Critical {
            (self.good, self.bad) = (0, self.bad + 1);
            (self.bad > check.failures_before_critical).then_some(status)
        } else {
            (self.good, self.bad) = (self.good + 1, 0);
            (self.good > check.success_before_passing).then_some(status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_hold_results_back() {
        use Status::{Critical, Passing};
        let check = CheckRegistration { success_before_passing: 1, failures_before_critical: 2, ..Default::default() };
        let mut streak = Streak::default();
        let row = [Passing, Passing, Critical, Critical, Critical, Passing, Critical];
        let told: Vec<Option<Status>> = row.into_iter().map(|status| streak.take(&check, status)).collect();
        assert_eq!(told, [None, Some(Passing), None, None, Some(Critical), None, None]);
    }
}
