//! Changing the count of a group without a job file.

use baton_model::Job;
use baton_model::eval::trigger;

use crate::draft::Draft;
use crate::error::ServerError;
use crate::job::register::{RegisterRequest, register};
use crate::job::{RegisterAnswer, runs_itself};

#[derive(Clone, Debug, Default)]
pub struct ScaleRequest {
    pub job_id: String,
    pub group: String,
    /// `None` only reports something about the group.
    pub count: Option<i64>,
}

pub(crate) fn scale(draft: &mut Draft, request: &ScaleRequest, region: &str) -> Result<RegisterAnswer, ServerError> {
    let job = draft.job(&request.job_id).cloned().ok_or_else(|| ServerError::not_found("job not found"))?;
    if job.job_type.is_system() {
        return Err(ServerError::invalid(format!("cannot scale jobs of type {:?}", job.job_type.as_str())));
    }
    if !runs_itself(&job) {
        return Err(ServerError::invalid("cannot scale a periodic or parameterized job"));
    }
    let mut wanted = Job::clone(&job);
    let Some(group) = wanted.task_groups.iter_mut().find(|group| group.name == request.group) else {
        return Err(ServerError::invalid(format!(
            "task group {:?} specified for scaling does not exist in job",
            request.group
        )));
    };
    let Some(count) = request.count else {
        return Ok(RegisterAnswer { job_modify_index: job.job_modify_index, ..RegisterAnswer::default() });
    };
    if count < 0 {
        return Err(ServerError::invalid("scaling action count can't be negative"));
    }
    if draft.open_deployments().any(|deployment| deployment.job_id == job.id) {
        return Err(ServerError::invalid("job scaling blocked due to active deployment"));
    }
    group.count = count;
    let request = RegisterRequest { job: wanted, ..RegisterRequest::default() };
    register(draft, request, region, trigger::JOB_SCALING)
}
