//! `job plan`: what would happen.

use baton_model::eval::trigger;
use baton_model::plan::Plan;
use baton_model::{Job, Timestamp};

use crate::error::ServerError;
use crate::job::periodic::next_launch;
use crate::job::register::prepare;
use crate::job::runs_itself;
use crate::state::State;
use crate::{eval, planner};

/// The answer of a dry run. Nothing was changed.
#[derive(Clone, Debug)]
pub struct JobPlan {
    /// The job as it would be registered.
    pub job: Job,
    /// The registered one, if there is one.
    pub old: Option<Job>,
    pub plan: Plan,
    /// `JobModifyIndex` of the registered job; 0 for a new one.
    pub job_modify_index: u64,
    /// For a periodic job.
    pub next_launch: Timestamp,
}

pub(crate) fn plan(state: &State, mut job: Job, region: &str, now: Timestamp) -> Result<JobPlan, ServerError> {
    prepare(state, &mut job, region)?;
    let old = state.job(&job.id).map(|job| (**job).clone());
    let index = state.index() + 1;
    if let Some(old) = &old {
        job.create_index = old.create_index;
        job.modify_index = old.modify_index;
        job.job_modify_index = old.job_modify_index;
        job.version = old.version;
        job.submit_time = old.submit_time;
        job.status.clone_from(&old.status);
    }
    if !old.as_ref().is_some_and(|old| old.same_specification(&job)) {
        job.version = old.as_ref().map_or(0, |old| old.version + 1);
        job.create_index = old.as_ref().map_or(index, |old| old.create_index);
        job.modify_index = index;
        job.job_modify_index = index;
        job.submit_time = now;
    }
    let plan = if runs_itself(&job) {
        let mut eval = eval::of_job(&job, trigger::JOB_REGISTER);
        eval.annotate_plan = true;
        planner::plan(state, Some(&job), &eval, now)
    } else {
        Plan::default()
    };
    let job_modify_index = old.as_ref().map_or(0, |old| old.job_modify_index);
    let next_launch = next_launch(&job, now).unwrap_or(Timestamp::NEVER);
    Ok(JobPlan { job, old, plan, job_modify_index, next_launch })
}
