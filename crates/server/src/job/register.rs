//! Registering a job: a new version when its specification changed, an evaluation in any case.

use baton_jobspec::{add_implicit_constraints, canonicalize_for_server};
use baton_model::Job;
use baton_model::eval::trigger;

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;
use crate::job::{NAMESPACE, runs_itself};
use crate::state::{State, Submission};

/// Most allocations of one group. One too many digits must not keep the scheduler busy for hours.
const COUNT_MAX: i64 = 2_000;

/// A canonical, valid job, and how it is to be registered.
#[derive(Clone, Debug, Default)]
pub struct RegisterRequest {
    pub job: Job,
    pub submission: Option<Submission>,
    /// Refuse unless the job's `JobModifyIndex` is this; 0 means "unless it is new".
    pub enforce_index: Option<u64>,
    /// Keep the counts that run now.
    pub preserve_counts: bool,
    /// 0 means the job's own priority.
    pub eval_priority: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisterAnswer {
    /// Empty for jobs that run through children only.
    pub eval_id: String,
    pub eval_create_index: u64,
    pub job_modify_index: u64,
}

/// What is checked before anything is stored, by `plan` too.
pub(crate) fn prepare(state: &State, job: &mut Job, region: &str) -> Result<(), ServerError> {
    if job.namespace.is_empty() {
        job.namespace = NAMESPACE.to_owned();
    }
    if job.namespace != NAMESPACE {
        return Err(ServerError::invalid(format!(
            "nonexistent namespace {:?}: there is only \"default\"",
            job.namespace
        )));
    }
    if job.region.is_empty() {
        job.region = region.to_owned();
    }
    if job.region != region {
        return Err(ServerError::invalid(format!("no path to region {:?}: this server is in {region:?}", job.region)));
    }
    if let Some(old) = state.job(&job.id) {
        if old.job_type != job.job_type && !old.stop {
            return Err(ServerError::invalid(format!(
                "cannot change the type of job {:?} from {} to {} while it runs; stop it first",
                job.id, old.job_type, job.job_type
            )));
        }
        if old.is_periodic() != job.is_periodic() || old.parameterized.is_some() != job.parameterized.is_some() {
            return Err(ServerError::invalid("cannot change between a periodic, a parameterized and an ordinary job"));
        }
    }
    canonicalize_for_server(job);
    add_implicit_constraints(job);
    match job.task_groups.iter().find(|group| group.count > COUNT_MAX) {
        Some(group) => Err(ServerError::invalid(format!(
            "task group {:?} asks for {} allocations, the limit is {COUNT_MAX}",
            group.name, group.count
        ))),
        None => Ok(()),
    }
}

pub(crate) fn register(
    draft: &mut Draft,
    request: RegisterRequest,
    region: &str,
    triggered_by: &str,
) -> Result<RegisterAnswer, ServerError> {
    let RegisterRequest { mut job, submission, enforce_index, preserve_counts, eval_priority } = request;
    prepare(draft, &mut job, region)?;
    let old = draft.job(&job.id).cloned();
    enforce(enforce_index, old.as_ref().map(|job| job.job_modify_index))?;
    if let Some(old) = old.as_ref().filter(|_| preserve_counts) {
        for group in &mut job.task_groups {
            if let Some(running) = old.group(&group.name) {
                group.count = running.count;
            }
        }
    }
    let index = draft.next_index();
    let unchanged = old.as_ref().is_some_and(|old| old.same_specification(&job));
    if !unchanged {
        job.submit_time = draft.now;
        job.version = old.as_ref().map_or(0, |old| old.version + 1);
        job.create_index = old.as_ref().map_or(index, |old| old.create_index);
        job.modify_index = index;
        job.job_modify_index = index;
        job.stable = false;
        job.status = old.as_ref().map_or_else(|| "pending".to_owned(), |old| old.status.clone());
        job.status_description = String::new();
        draft.put_job_version(job.clone(), submission, "JobRegistered");
    }
    let Some(job) = draft.job(&job.id).cloned() else {
        return Err(ServerError::Internal("registering a job".to_owned()));
    };
    let mut answer = RegisterAnswer { job_modify_index: job.job_modify_index, ..RegisterAnswer::default() };
    if runs_itself(&job) {
        let mut eval = eval::of_job(&job, triggered_by);
        if eval_priority > 0 {
            eval.priority = eval_priority;
        }
        answer.eval_id = eval.id.clone();
        answer.eval_create_index = index;
        draft.put_eval(eval);
    }
    Ok(answer)
}

/// The texts are those that API clients match.
fn enforce(wanted: Option<u64>, present: Option<u64>) -> Result<(), ServerError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let why = match (wanted, present) {
        (0, None) => return Ok(()),
        (0, Some(_)) => "job already exists".to_owned(),
        (_, None) => "job does not exist".to_owned(),
        (wanted, Some(present)) if wanted == present => return Ok(()),
        (_, Some(present)) => format!("job exists with conflicting job modify index: {present}"),
    };
    Err(ServerError::Conflict(format!("Enforcing job modify index {wanted}: {why}")))
}

/// Registers an older specification again, as a new version.
pub(crate) fn register_again(draft: &mut Draft, job: &Job, region: &str) -> Result<RegisterAnswer, ServerError> {
    let request = RegisterRequest { job: job.clone(), ..RegisterRequest::default() };
    register(draft, request, region, trigger::JOB_REGISTER)
}
