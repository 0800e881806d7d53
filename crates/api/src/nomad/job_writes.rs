//! `/v1/jobs`, `/v1/job/…`: registering, planning, stopping and whatever else changes a job.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use baton_jobspec::diff::diff;
use baton_jobspec::{Diagnostic, Inputs, NoHost, ParseOptions, error_text};
use baton_server::{DispatchRequest, RegisterAnswer, RegisterRequest, ScaleRequest, StopRequest, Submission, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, ApiResult};
use super::body::Body;
use super::intake::Intake;
use super::query::ReadQuery;
use super::{ApiState, annotate};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RegisterBody {
    job: Value,
    submission: Option<Submission>,
    enforce_index: bool,
    job_modify_index: u64,
    preserve_counts: bool,
    eval_priority: i64,
}

pub(crate) async fn register(
    State(api): State<ApiState>,
    query: ReadQuery,
    Body(body): Body<RegisterBody>,
) -> ApiResult<Value> {
    query.check(&api)?;
    let (job, warnings) = Intake::read(body.job)?.accept()?;
    let written = api
        .server
        .register_job(RegisterRequest {
            job,
            submission: body.submission,
            enforce_index: body.enforce_index.then_some(body.job_modify_index),
            preserve_counts: body.preserve_counts,
            eval_priority: body.eval_priority,
        })
        .await?;
    Ok(registered(written, &warnings))
}

pub(crate) async fn update(
    state: State<ApiState>,
    Path(id): Path<String>,
    query: ReadQuery,
    Body(body): Body<RegisterBody>,
) -> ApiResult<Value> {
    same_id(&body.job, &id)?;
    register(state, query, Body(body)).await
}

fn same_id(job: &Value, id: &str) -> Result<(), ApiError> {
    match job["ID"].as_str() {
        Some(given) if given == id => Ok(()),
        _ => Err(ApiError::bad("Job ID does not match name in URL")),
    }
}

/// The answer to whatever registers a version of a job.
pub(crate) fn registered(written: Written<RegisterAnswer>, warnings: &str) -> Answer<Value> {
    let Written { value, index } = written;
    let body = json!({
        "EvalID": value.eval_id,
        "EvalCreateIndex": value.eval_create_index,
        "JobModifyIndex": value.job_modify_index,
        "Warnings": warnings,
        "Index": index,
        "LastContact": 0,
        "KnownLeader": true,
    });
    Answer::new(body, index)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ParseBody {
    #[serde(rename = "JobHCL")]
    job_hcl: String,
    #[serde(rename = "Variables")]
    variables: String,
    #[serde(rename = "Canonicalize")]
    canonicalize: bool,
}

pub(crate) async fn parse(State(api): State<ApiState>, Body(body): Body<ParseBody>) -> ApiResult<Value> {
    if body.job_hcl.is_empty() {
        return Err(ApiError::bad("Job spec is empty"));
    }
    let mut inputs = Inputs::default();
    if !body.variables.is_empty() {
        inputs.files.push(baton_jobspec::VarFile { name: "variables.hcl".to_owned(), text: body.variables });
    }
    let options = ParseOptions { inputs, host: &NoHost };
    let parsed = baton_jobspec::parse(&body.job_hcl, "input.hcl", &options).map_err(|diagnostics| {
        let texts: Vec<String> = diagnostics.iter().map(Diagnostic::compact).collect();
        ApiError::bad(format!("Failed to parse job: {}", texts.join("\n")))
    })?;
    let job = if body.canonicalize { super::stub::value(&parsed.job) } else { parsed.draft };
    Ok(Answer::new(job, api.server.state().index()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct JobBody {
    job: Value,
}

pub(crate) async fn validate(State(api): State<ApiState>, Body(body): Body<JobBody>) -> ApiResult<Value> {
    let intake = Intake::read(body.job)?;
    let errors: Vec<String> = intake.errors.iter().map(ToString::to_string).collect();
    let error = if intake.errors.is_empty() { String::new() } else { error_text(&intake.errors) };
    let verdict = json!({
        "DriverConfigValidated": true,
        "ValidationErrors": errors,
        "Error": error,
        "Warnings": intake.warning_text(),
    });
    Ok(Answer::new(verdict, api.server.state().index()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PlanBody {
    job: Value,
    diff: bool,
}

pub(crate) async fn plan(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    query: ReadQuery,
    Body(body): Body<PlanBody>,
) -> ApiResult<Value> {
    query.check(&api)?;
    same_id(&body.job, &id)?;
    let (job, warnings) = Intake::read(body.job)?.accept()?;
    let result = api.server.plan_job(job)?;
    let mut changes = diff(result.old.as_ref(), Some(&result.job), true);
    annotate::diff(&mut changes, &result.plan);
    let changes = if body.diff { super::stub::value(&changes) } else { json!({ "Type": "None", "ID": id }) };
    let answer = json!({
        "JobModifyIndex": result.job_modify_index,
        "CreatedEvals": result.plan.follow_ups,
        "Diff": changes,
        "Annotations": { "DesiredTGUpdates": result.plan.desired, "PreemptedAllocs": [] },
        "FailedTGAllocs": result.plan.failed,
        "NextPeriodicLaunch": result.next_launch.to_rfc3339(),
        "Warnings": warnings,
    });
    Ok(Answer::new(answer, api.server.state().index()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StopQuery {
    #[serde(deserialize_with = "super::query::flag")]
    purge: bool,
    #[serde(deserialize_with = "super::query::flag")]
    no_shutdown_delay: bool,
    eval_priority: i64,
}

pub(crate) async fn stop(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    query: ReadQuery,
    Query(wanted): Query<StopQuery>,
) -> ApiResult<Value> {
    query.check(&api)?;
    let written = api
        .server
        .stop_job(StopRequest {
            job_id: id,
            purge: wanted.purge,
            no_shutdown_delay: wanted.no_shutdown_delay,
            eval_priority: wanted.eval_priority,
        })
        .await?;
    Ok(registered(written, ""))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct EvaluateBody {
    eval_options: EvalOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EvalOptions {
    force_reschedule: bool,
}

pub(crate) async fn evaluate(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Body(body): Body<EvaluateBody>,
) -> ApiResult<Value> {
    let Written { value: eval, index } = api.server.evaluate_job(id, body.eval_options.force_reschedule).await?;
    let answer = RegisterAnswer { eval_id: eval.id, eval_create_index: index, job_modify_index: eval.job_modify_index };
    Ok(registered(Written { value: answer, index }, ""))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RevertBody {
    job_version: u64,
    enforce_prior_version: Option<u64>,
}

pub(crate) async fn revert(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Body(body): Body<RevertBody>,
) -> ApiResult<Value> {
    Ok(registered(api.server.revert_job(id, body.job_version, body.enforce_prior_version).await?, ""))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct StableBody {
    job_version: u64,
    stable: bool,
}

pub(crate) async fn stable(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Body(body): Body<StableBody>,
) -> ApiResult<Value> {
    let written = api.server.set_job_stable(id, body.job_version, body.stable).await?;
    Ok(Answer::new(json!({ "Index": written.index }), written.index))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ScaleBody {
    count: Option<i64>,
    target: BTreeMap<String, String>,
}

pub(crate) async fn scale(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Body(body): Body<ScaleBody>,
) -> ApiResult<Value> {
    let group = body.target.get("Group").cloned();
    let group = group.ok_or_else(|| ApiError::bad("task group must be specified for scaling"))?;
    Ok(registered(api.server.scale_job(ScaleRequest { job_id: id, group, count: body.count }).await?, ""))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct DispatchBody {
    payload: Option<String>,
    meta: Option<BTreeMap<String, String>>,
    id_prefix_template: String,
}

pub(crate) async fn dispatch(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Body(body): Body<DispatchBody>,
) -> ApiResult<Value> {
    let payload = body.payload.unwrap_or_default();
    let decoded =
        STANDARD.decode(&payload).map_err(|error| ApiError::bad(format!("payload is not base64: {error}")))?;
    let request = DispatchRequest {
        job_id: id,
        payload_len: decoded.len(),
        payload,
        meta: body.meta.unwrap_or_default(),
        id_prefix: body.id_prefix_template,
    };
    let Written { value, index } = api.server.dispatch_job(request).await?;
    let answer = json!({
        "DispatchedJobID": value.job_id,
        "EvalID": value.eval_id,
        "EvalCreateIndex": value.index,
        "JobCreateIndex": value.index,
        "Index": index,
    });
    Ok(Answer::new(answer, index))
}

pub(crate) async fn periodic_force(State(api): State<ApiState>, Path(id): Path<String>) -> ApiResult<Value> {
    let Written { value, index } = api.server.force_periodic(id).await?;
    let answer = json!({ "EvalID": value.eval_id, "EvalCreateIndex": index, "Index": index });
    Ok(Answer::new(answer, index))
}
