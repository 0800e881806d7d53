//! Stopping a job, or forgetting it.

use baton_model::deployment::{DeploymentStatus, description};
use baton_model::eval::trigger;
use baton_model::{Evaluation, Job};

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;
use crate::job::{RegisterAnswer, runs_itself};

#[derive(Clone, Debug, Default)]
pub struct StopRequest {
    pub job_id: String,
    /// Forget the job and its history.
    pub purge: bool,
    pub no_shutdown_delay: bool,
    /// 0 means the job's own priority.
    pub eval_priority: i64,
}

pub(crate) fn stop(draft: &mut Draft, request: &StopRequest) -> Result<RegisterAnswer, ServerError> {
    let job = draft.job(&request.job_id).cloned().ok_or_else(|| ServerError::not_found("job not found"))?;
    if request.no_shutdown_delay {
        let running: Vec<_> = draft.allocs_of_job(&job.id).filter(|alloc| !alloc.terminal()).cloned().collect();
        for alloc in running {
            let mut alloc = (*alloc).clone();
            alloc.desired_transition.no_shutdown_delay = Some(true);
            draft.put_alloc(alloc, "AllocationUpdateDesiredStatus");
        }
    }
    eval::cancel_blocked(draft, &job.id, None, "the job was stopped");
    let index = draft.next_index();
    if request.purge {
        draft.remove_job(&job.id);
        let open: Vec<_> = draft.deployments_of_job(&job.id).filter(|d| d.status.is_active()).cloned().collect();
        for deployment in open {
            crate::deployment::set_status(draft, &deployment.id, DeploymentStatus::Cancelled, description::STOPPED_JOB);
        }
    } else if !job.stop {
        let stopped = Job {
            stop: true,
            // Nothing to go back to: a revert is to run something.
            stable: false,
            version: job.version + 1,
            modify_index: index,
            job_modify_index: index,
            submit_time: draft.now,
            ..(*job).clone()
        };
        draft.put_job_version(stopped, None, "JobDeregistered");
    }
    let mut answer = RegisterAnswer { job_modify_index: index, ..RegisterAnswer::default() };
    if runs_itself(&job) {
        let mut eval = Evaluation { job_modify_index: index, ..eval::of_job(&job, trigger::JOB_DEREGISTER) };
        if request.eval_priority > 0 {
            eval.priority = request.eval_priority;
        }
        answer.eval_id = eval.id.clone();
        answer.eval_create_index = index;
        draft.put_eval(eval);
    }
    Ok(answer)
}
