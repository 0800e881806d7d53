//! A job's status, derived from what there is of it.

use baton_model::Job;

use crate::draft::Draft;
use crate::job::runs_itself;
use crate::state::State;

pub(crate) const PENDING: &str = "pending";
pub(crate) const RUNNING: &str = "running";
pub(crate) const DEAD: &str = "dead";

/// Writes the job's status when it is no longer what it should be.
pub(crate) fn derive(draft: &mut Draft, job_id: &str) {
    let Some(job) = draft.job(job_id) else { return };
    let status = of(draft, job);
    if job.status != status {
        let job = Job { status: status.to_owned(), ..(**job).clone() };
        draft.put_job(job, "JobStatus");
    }
}

fn of(state: &State, job: &Job) -> &'static str {
    if job.job_type == baton_model::JobType::System || !runs_itself(job) {
        return if job.stop { DEAD } else { RUNNING };
    }
    if state.allocs_of_job(&job.id).any(|alloc| !alloc.terminal()) {
        return RUNNING;
    }
    if state.deployments_of_job(&job.id).any(|deployment| deployment.status.is_active()) {
        return RUNNING;
    }
    let mut evaluated = false;
    for eval in state.evals_of_job(&job.id) {
        if !eval.status.is_terminal() {
            return PENDING;
        }
        evaluated = true;
    }
    if evaluated || job.stop || state.allocs_of_job(&job.id).next().is_some() { DEAD } else { keep(job) }
}

/// With every trace collected a job that once ran stays dead, and a new one waits.
fn keep(job: &Job) -> &'static str {
    if job.status == DEAD { DEAD } else { PENDING }
}
