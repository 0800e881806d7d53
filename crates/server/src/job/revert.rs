//! Going back to an older version, and marking versions as worth going back to.

use baton_model::Job;

use crate::draft::Draft;
use crate::error::ServerError;
use crate::job::RegisterAnswer;
use crate::job::register::register_again;

pub(crate) fn revert(
    draft: &mut Draft,
    job_id: &str,
    version: u64,
    enforce_prior: Option<u64>,
    region: &str,
) -> Result<RegisterAnswer, ServerError> {
    let current = draft.job(job_id).ok_or_else(|| ServerError::not_found("job not found"))?;
    if let Some(prior) = enforce_prior.filter(|prior| *prior != current.version) {
        return Err(ServerError::Conflict(format!(
            "Current job has version {}; enforcing version {prior}",
            current.version
        )));
    }
    if version == current.version {
        return Err(ServerError::invalid("can't revert to current version"));
    }
    let Some(old) = draft.job_version(job_id, version) else {
        return Err(ServerError::not_found(format!(
            "job {job_id:?} in namespace \"default\" at version {version} not found"
        )));
    };
    let wanted = Job { stop: false, ..(**old).clone() };
    register_again(draft, &wanted, region)
}

pub(crate) fn stable(draft: &mut Draft, job_id: &str, version: u64, stable: bool) -> Result<(), ServerError> {
    if draft.set_stable(job_id, version, stable) {
        return Ok(());
    }
    Err(ServerError::not_found(format!("job {job_id:?} at version {version} not found")))
}
