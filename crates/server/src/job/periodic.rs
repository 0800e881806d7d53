//! Launches of periodic jobs.

use baton_jobspec::Cron;
use baton_model::eval::trigger;
use baton_model::{Job, Timestamp};
use jiff::tz::TimeZone;

use crate::draft::Draft;
use crate::error::ServerError;
use crate::eval;
use crate::job::DispatchAnswer;
use crate::state::State;

/// When the job's schedule next matches after `after`.
pub(crate) fn next_launch(job: &Job, after: Timestamp) -> Option<Timestamp> {
    let periodic = job.periodic.as_ref().filter(|periodic| periodic.enabled)?;
    let zone = if periodic.time_zone.is_empty() { "UTC" } else { &periodic.time_zone };
    let zone = TimeZone::get(zone).ok()?;
    let specs = if periodic.specs.is_empty() { std::slice::from_ref(&periodic.spec) } else { &periodic.specs };
    let next = |spec: &String| spec.parse::<Cron>().ok()?.next(after, &zone);
    specs.iter().filter_map(next).min()
}

/// Periodic jobs with their next launch. One that was missed while the server was away is due at once, and only once.
/// `wall` is the wall clock: a schedule means what the clock shows, also after it was set back.
pub(crate) fn launches(state: &State, wall: Timestamp) -> impl Iterator<Item = (String, Timestamp)> {
    state.jobs().filter(|job| job.is_periodic() && !job.stop).filter_map(move |job| {
        let last = state.launch(&job.id).max(job.submit_time).min(wall);
        Some((job.id.clone(), next_launch(job, last)?))
    })
}

/// Launches what is due at the scheduled time `at`.
pub(crate) fn launch(draft: &mut Draft, job_id: &str, at: Timestamp) -> Result<(), ServerError> {
    let Some(job) = draft.job(job_id).filter(|job| job.is_periodic() && !job.stop).cloned() else { return Ok(()) };
    // However many were missed, the next one is counted from now.
    let now = draft.now;
    draft.set_launch(job_id, now.max(at));
    let overlap = job.periodic.as_ref().is_some_and(|periodic| periodic.prohibit_overlap)
        && draft.jobs().any(|child| child.parent_id == job.id && child.status != "dead");
    if !overlap {
        start(draft, &job, at);
    }
    Ok(())
}

/// `periodic force`: a launch now, whatever the schedule says.
pub(crate) fn force(draft: &mut Draft, job_id: &str) -> Result<DispatchAnswer, ServerError> {
    let job = draft.job(job_id).cloned().ok_or_else(|| ServerError::not_found("job not found"))?;
    if !job.is_periodic() {
        return Err(ServerError::invalid("can't force launch non-periodic job"));
    }
    if job.stop {
        return Err(ServerError::invalid(format!("job {job_id:?} is stopped")));
    }
    let now = draft.now;
    Ok(start(draft, &job, now))
}

fn start(draft: &mut Draft, parent: &Job, at: Timestamp) -> DispatchAnswer {
    let index = draft.next_index();
    let mut seconds = at.0 / 1_000_000_000;
    let id_of = |seconds: i64| format!("{}/periodic-{seconds}", parent.id);
    while draft.job(&id_of(seconds)).is_some() {
        seconds += 1;
    }
    let id = id_of(seconds);
    let child = Job {
        id: id.clone(),
        name: id.clone(),
        parent_id: parent.id.clone(),
        periodic: None,
        status: "pending".to_owned(),
        stable: false,
        version: 0,
        submit_time: draft.now,
        create_index: index,
        modify_index: index,
        job_modify_index: index,
        ..parent.clone()
    };
    draft.put_job_version(child.clone(), None, "JobRegistered");
    let eval = eval::of_job(&child, trigger::PERIODIC_JOB);
    let answer = DispatchAnswer { job_id: id, eval_id: eval.id.clone(), index };
    draft.put_eval(eval);
    answer
}
