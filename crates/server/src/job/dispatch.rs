//! Runs of a parameterized job.

use std::collections::BTreeMap;

use baton_model::Job;
use baton_model::eval::trigger;

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;

/// Largest payload, in bytes before base64.
pub const DISPATCH_PAYLOAD_MAX: usize = 16 * 1024;

/// Longest text put into a child's id, in bytes.
const ID_PREFIX_MAX: usize = 128;

#[derive(Clone, Debug, Default)]
pub struct DispatchRequest {
    pub job_id: String,
    /// Base64.
    pub payload: String,
    /// Its length once decoded.
    pub payload_len: usize,
    pub meta: BTreeMap<String, String>,
    /// Put into the child's id, if given.
    pub id_prefix: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatchAnswer {
    pub job_id: String,
    pub eval_id: String,
    pub index: u64,
}

pub(crate) fn dispatch(draft: &mut Draft, request: DispatchRequest) -> Result<DispatchAnswer, ServerError> {
    let parent =
        draft.job(&request.job_id).cloned().ok_or_else(|| ServerError::not_found("parameterized job not found"))?;
    let Some(rules) = parent.parameterized.as_ref().filter(|_| !parent.dispatched) else {
        return Err(ServerError::invalid(format!("Specified job {:?} is not a parameterized job", parent.id)));
    };
    if parent.stop {
        return Err(ServerError::invalid(format!("Specified job {:?} is stopped", parent.id)));
    }
    match rules.payload.as_str() {
        "required" if request.payload_len == 0 => {
            return Err(ServerError::invalid("Payload is not provided but required by parameterized job"));
        }
        "forbidden" if request.payload_len > 0 => {
            return Err(ServerError::invalid("Payload provided but forbidden by parameterized job"));
        }
        _ => {}
    }
    if request.payload_len > DISPATCH_PAYLOAD_MAX {
        return Err(ServerError::invalid(format!(
            "Payload exceeds maximum size; {} > {DISPATCH_PAYLOAD_MAX}",
            request.payload_len
        )));
    }
    if !request.id_prefix.chars().all(|c| c.is_ascii_graphic()) || request.id_prefix.len() > ID_PREFIX_MAX {
        return Err(ServerError::invalid(format!(
            "id prefix {:?} must be at most {ID_PREFIX_MAX} printable characters without spaces",
            request.id_prefix
        )));
    }
    let missing: Vec<&str> =
        rules.meta_required.iter().filter(|key| !request.meta.contains_key(*key)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(ServerError::invalid(format!("Dispatch did not provide required meta keys: {missing:?}")));
    }
    let known = |key: &&String| rules.meta_required.contains(key) || rules.meta_optional.contains(key);
    let unknown: Vec<&String> = request.meta.keys().filter(|key| !known(key)).collect();
    if !unknown.is_empty() {
        return Err(ServerError::invalid(format!("Dispatch request included unpermitted metadata keys: {unknown:?}")));
    }

    let index = draft.next_index();
    let seconds = draft.now.0 / 1_000_000_000;
    let unique = crate::id::new();
    let prefix = if request.id_prefix.is_empty() { String::new() } else { format!("{}-", request.id_prefix) };
    let id = format!("{}/dispatch-{prefix}{seconds}-{}", parent.id, baton_model::id::short(&unique));
    let mut meta = parent.meta.clone();
    meta.extend(request.meta);
    let child = Job {
        name: id.clone(),
        id: id.clone(),
        parent_id: parent.id.clone(),
        dispatched: true,
        payload: (!request.payload.is_empty()).then_some(request.payload),
        meta,
        status: "pending".to_owned(),
        submit_time: draft.now,
        version: 0,
        stable: false,
        create_index: index,
        modify_index: index,
        job_modify_index: index,
        ..(*parent).clone()
    };
    draft.put_job_version(child.clone(), None, "JobRegistered");
    let eval = eval::of_job(&child, trigger::JOB_REGISTER);
    let answer = DispatchAnswer { job_id: id, eval_id: eval.id.clone(), index };
    draft.put_eval(eval);
    Ok(answer)
}
