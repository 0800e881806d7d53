//! What the server does by itself: process evaluations, watch deployments and drains, expire nodes, collect garbage,
//! let the catalog's clocks run.
//!
//! Each duty is a task that looks at the newest state, does what is due, says when something will be due next, and
//! sleeps until then or until the state changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use baton_model::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;
use crate::error::ServerError;
use crate::job::periodic;
use crate::server::Server;
use crate::state::State;
use crate::{deployment, drain, eval, gc, node};

/// Pause after a duty failed (a full disk, say) before it tries again.
const RETRY: Duration = Duration::from_secs(1);

/// Longest sleep before a deadline. Clocks are set and machines are suspended without telling: what is due by then is
/// late by no more than this.
const CLOCK_LOOK: Duration = Duration::from_secs(30);

/// What a look at the state led to.
pub(crate) enum Next {
    /// Something was done; look again.
    Again,
    /// Nothing to do until the state changes.
    Change,
    /// Nothing to do until then, or until the state changes.
    At(Instant),
}

impl Next {
    /// `deadline` by the clock that shows `now`.
    fn at(now: Timestamp, deadline: Option<Timestamp>) -> Self {
        deadline.map_or(Self::Change, |deadline| {
            let wait = deadline.since(now).to_std().min(CLOCK_LOOK);
            Self::At(Instant::now() + wait)
        })
    }
}

pub(crate) fn start(server: &Server) {
    server.spawn(drive(server.clone(), "evaluations", async |server, state| evaluations(server, state).await));
    server.spawn(drive(server.clone(), "heartbeats", async |server, state| heartbeats(server, state).await));
    server.spawn(drive(server.clone(), "drains", async |server, state| drains(server, state).await));
    server.spawn(deployments(server.clone()));
    server.spawn(drive(server.clone(), "launches", async |server, state| launches(server, state).await));
    server.spawn(drive(server.clone(), "catalog", async |server, state| catalog(server, state).await));
    server.spawn(collect_garbage(server.clone()));
}

async fn drive<F>(server: Server, name: &'static str, look: F)
where
    F: AsyncFn(&Server, &State) -> Result<Next, ServerError>,
{
    let mut states = server.watch();
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        let looked = look(&server, &state).await;
        if !rest(&mut states, name, looked).await {
            return;
        }
    }
}

/// Waits as a look demands; `false` ends the duty.
async fn rest(states: &mut watch::Receiver<Arc<State>>, name: &str, looked: Result<Next, ServerError>) -> bool {
    match looked {
        Ok(Next::Again) => true,
        Ok(Next::Change) => states.changed().await.is_ok(),
        Ok(Next::At(time)) => tokio::select! {
            changed = states.changed() => changed.is_ok(),
            () = tokio::time::sleep_until(time) => true,
        },
        Err(ServerError::Stopped) => false,
        Err(error) => {
            tracing::warn!(%error, duty = name, "will be tried again");
            tokio::time::sleep(RETRY).await;
            true
        }
    }
}

async fn evaluations(server: &Server, state: &State) -> Result<Next, ServerError> {
    let now = server.now();
    let Some(id) = eval::next_due(state, now) else {
        return Ok(Next::at(now, eval::next_deadline(state)));
    };
    let due = id.clone();
    match server.write("processing an evaluation", move |draft| eval::process(draft, &due)).await {
        Ok(_) => {}
        Err(ServerError::Internal(_)) => {
            let why = "the scheduler failed on it; see the agent's log";
            server.write("failing an evaluation", move |draft| eval::fail(draft, &id, why)).await?;
        }
        Err(error) => return Err(error),
    }
    Ok(Next::Again)
}

async fn heartbeats(server: &Server, state: &State) -> Result<Next, ServerError> {
    let now = Instant::now();
    let expected = state.nodes().filter(|node| node.status == baton_model::node::NodeStatus::Ready);
    let mut next: Option<Instant> = None;
    for one in expected {
        let deadline = server.heartbeat_deadline(&one.id);
        if deadline <= now {
            let id = one.id.clone();
            tracing::warn!(node = %one.name, "heartbeat missed");
            server.write("marking a node as down", move |draft| node::expire(draft, &id)).await?;
            return Ok(Next::Again);
        }
        next = Some(next.map_or(deadline, |next| next.min(deadline)));
    }
    Ok(next.map_or(Next::Change, Next::At))
}

async fn drains(server: &Server, state: &State) -> Result<Next, ServerError> {
    let now = server.now();
    match drain::next_deadline(state, now) {
        Some(deadline) if deadline <= now => {
            // Whatever is due is done after any command.
            server.write("ending a drain", |_| Ok(())).await?;
            Ok(Next::Change)
        }
        deadline => Ok(Next::at(now, deadline)),
    }
}

async fn launches(server: &Server, state: &State) -> Result<Next, ServerError> {
    let now = clock::wall();
    let (due, coming): (Vec<_>, Vec<_>) = periodic::launches(state, now).partition(|(_, at)| *at <= now);
    for (job, at) in due {
        server.write("launching a periodic job", move |draft| periodic::launch(draft, &job, at)).await?;
    }
    Ok(Next::at(now, coming.into_iter().map(|(_, at)| at).min()))
}

async fn deployments(server: Server) {
    let mut states = server.watch();
    let mut seen = HashMap::new();
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        let looked = progress(&server, &state, &mut seen).await;
        if !rest(&mut states, "deployments", looked).await {
            return;
        }
    }
}

/// Each progress deadline is looked at once when it passes; a deployment that is satisfied may stay beyond it.
async fn progress(server: &Server, state: &State, seen: &mut HashMap<String, Timestamp>) -> Result<Next, ServerError> {
    let now = server.now();
    let deadlines = deployment::deadlines(state, now);
    let (passed, coming): (Vec<_>, Vec<_>) = deadlines.into_iter().partition(|(_, deadline)| *deadline <= now);
    seen.retain(|job, deadline| passed.iter().any(|(other, at)| other == job && at == deadline));
    for (job, at) in passed {
        if seen.insert(job.clone(), at) == Some(at) {
            continue;
        }
        server
            .write("looking at a deployment", move |draft| {
                draft.touch_job(&job);
                Ok(())
            })
            .await?;
    }
    Ok(Next::at(now, coming.into_iter().map(|(_, deadline)| deadline).min()))
}

async fn catalog(server: &Server, state: &State) -> Result<Next, ServerError> {
    let Some(deadline) = state.catalog().next_deadline() else { return Ok(Next::Change) };
    let wait = deadline.saturating_sub(server.catalog_now());
    if !wait.is_zero() {
        return Ok(Next::At(Instant::now() + wait));
    }
    server.catalog_apply(baton_catalog::Command::Tick).await?;
    Ok(Next::Again)
}

async fn collect_garbage(server: Server) {
    let limits = server.config().gc;
    let mut ticks = tokio::time::interval(limits.interval.max(RETRY));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match server.write("collecting garbage", move |draft| gc::collect(draft, &limits)).await {
            Ok(_) => {}
            Err(ServerError::Stopped) => return,
            Err(error) => tracing::warn!(%error, "garbage not collected"),
        }
    }
}
