//! `/v1/metrics`: a few numbers about the control plane, as JSON or in Prometheus' text form.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use baton_model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiState;
use super::answer::{Answer, ApiError};

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/v1/metrics", get(metrics))
}

struct Gauge {
    name: &'static str,
    help: &'static str,
    labels: BTreeMap<&'static str, String>,
    value: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Format {
    format: String,
}

async fn metrics(State(api): State<ApiState>, Query(wanted): Query<Format>) -> Result<Response, ApiError> {
    let gauges = gauges(&api);
    match wanted.format.as_str() {
        "" => Ok(Answer::new(as_json(&gauges, api.server.now()), api.server.state().index()).into_response()),
        "prometheus" => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            Ok((kind, as_text(&gauges)).into_response())
        }
        other => Err(ApiError::bad(format!("metrics format {other:?} is unknown; prometheus is known"))),
    }
}

fn gauges(api: &ApiState) -> Vec<Gauge> {
    let state = api.server.state();
    let mut gauges = vec![Gauge {
        name: "nomad.nomad.raft.appliedIndex",
        help: "Index of the newest change.",
        labels: BTreeMap::new(),
        value: state.index() as f64,
    }];
    let mut count = |name, help, label: &'static str, of: BTreeMap<&'static str, usize>| {
        gauges.extend(of.into_iter().map(|(status, count)| Gauge {
            name,
            help,
            labels: BTreeMap::from([(label, status.to_owned())]),
            value: count as f64,
        }));
    };
    let mut allocs = BTreeMap::new();
    for alloc in state.allocs() {
        *allocs.entry(alloc.client_status.as_str()).or_default() += 1;
    }
    count("nomad.allocations", "Allocations by client status.", "client_status", allocs);
    let mut nodes = BTreeMap::new();
    for node in state.nodes() {
        *nodes.entry(node.status.as_str()).or_default() += 1;
    }
    count("nomad.nodes", "Nodes by status.", "status", nodes);
    let mut evals = BTreeMap::new();
    for eval in state.evals() {
        *evals.entry(eval.status.as_str()).or_default() += 1;
    }
    count("nomad.evaluations", "Evaluations by status.", "status", evals);
    let mut deployments = BTreeMap::new();
    for deployment in state.deployments() {
        *deployments.entry(deployment.status.as_str()).or_default() += 1;
    }
    count("nomad.deployments", "Deployments by status.", "status", deployments);
    let mut jobs = BTreeMap::new();
    for job in state.jobs() {
        let status = match job.status.as_str() {
            "running" => "running",
            "dead" => "dead",
            _ => "pending",
        };
        *jobs.entry(status).or_default() += 1;
    }
    count("nomad.nomad.job_status", "Jobs by status.", "status", jobs);
    gauges
}

fn as_json(gauges: &[Gauge], now: Timestamp) -> Value {
    let gauges: Vec<Value> = gauges
        .iter()
        .map(|gauge| json!({ "Name": gauge.name, "Value": gauge.value, "Labels": gauge.labels }))
        .collect();
    json!({ "Timestamp": now.to_rfc3339(), "Gauges": gauges, "Counters": [], "Points": [], "Samples": [] })
}

fn as_text(gauges: &[Gauge]) -> String {
    let mut text = String::new();
    let mut described = "";
    for gauge in gauges {
        let name = gauge.name.replace('.', "_");
        if described != gauge.name {
            described = gauge.name;
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} gauge", gauge.help);
        }
        // Labels are our own words and need no escaping.
        let labels: Vec<String> = gauge.labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(text, "{name}{labels} {}", gauge.value);
    }
    text
}
