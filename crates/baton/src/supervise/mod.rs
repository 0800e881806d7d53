//! `baton supervise`: runs a program and hands its traffic over before stopping it.
//!
//! A drop-in for a wrapper script that demotes the node, sleeps and hopes. On INT or TERM: demote, wait until the proof
//! command succeeds (or the limit passes, said aloud), TERM to the child, wait for it, promote. Invariants:
//!
//! - promote runs only after the child has exited, and always runs if demote was started;
//! - a demotion left by a killed supervisor is cleared by the next start (see [`marker`]);
//! - the exit status is the child's, 128+n for a signal.

mod budget;
mod marker;

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub use budget::Shares;
use marker::Marker;

/// How often the proof command is asked while it says no.
const PROOF_INTERVAL: Duration = Duration::from_millis(200);
/// How long one run of demote or promote may take before it is given up.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// Signals passed on unchanged.
const FORWARDED: [Signal; 4] = [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH];

/// What to run and how to hand over.
#[derive(Debug, Clone)]
pub struct Options {
    /// Shell command that gives the address away.
    pub demote: Option<String>,
    /// Shell command that undoes `demote`.
    pub promote: Option<String>,
    /// Shell command that succeeds once the address has moved.
    pub wait_until: Option<String>,
    /// How long to wait for the proof.
    pub limit: Duration,
    /// The whole time a foreign supervisor grants between its signal and its kill.
    pub budget: Option<Duration>,
    /// Where the demotion is noted; `None` picks a place from the command.
    pub state_file: Option<PathBuf>,
    pub command: Vec<String>,
}

/// Runs the program to its end and returns the exit status to leave with.
pub async fn run(options: &Options) -> Result<u8> {
    let mut signals = listen()?;
    let marker = Marker::for_command(options.state_file.as_deref(), &options.command);
    if marker.is_stale() {
        tracing::warn!(file = %marker.path().display(), "a supervisor died while demoted: promoting first");
        promote(options, &marker).await;
    }
    let mut child = spawn(&options.command)?;
    let pid = Pid::from_raw(i32::try_from(child.id().context("the child has no pid")?)?);

    let mut stopping = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            Some(caught) = signals.recv() => {
                if FORWARDED.contains(&caught) {
                    let _ = kill(pid, caught);
                } else if stopping {
                    tracing::warn!("second {caught}: killing {pid} now");
                    let _ = kill(pid, Signal::SIGKILL);
                } else {
                    stopping = true;
                    if let Some(status) = hand_over(options, &marker, &mut child, pid, &mut signals).await? {
                        break status;
                    }
                    let _ = kill(pid, Signal::SIGTERM);
                }
            }
        }
    };
    if marker.is_set() {
        promote(options, &marker).await;
    }
    Ok(exit_code(status))
}

/// Demotes and waits for the proof. Returns the child's status if it exited meanwhile.
async fn hand_over(
    options: &Options,
    marker: &Marker,
    child: &mut Child,
    pid: Pid,
    signals: &mut mpsc::Receiver<Signal>,
) -> Result<Option<ExitStatus>> {
    let Some(demote) = &options.demote else { return Ok(None) };
    let shares = Shares::divide(options.limit, options.budget);
    if let Some(cut) = shares.cut {
        tracing::warn!(
            "the budget leaves {:?} for the hand-over, {cut:?} less than --limit asks for",
            shares.hand_over
        );
    }
    let started = Instant::now();
    marker.set().with_context(|| format!("cannot note the demotion in {}", marker.path().display()))?;
    let proof = async {
        match shell(demote, COMMAND_LIMIT.min(shares.hand_over)).await {
            Ok(()) => tracing::info!("demoted"),
            Err(error) => tracing::warn!("demote failed, going on: {error:#}"),
        }
        await_proof(options.wait_until.as_deref()).await;
    };
    let until = tokio::time::timeout(shares.hand_over, proof);
    tokio::pin!(until);
    loop {
        tokio::select! {
            status = child.wait() => return Ok(Some(status?)),
            done = &mut until => {
                match done {
                    Ok(()) => tracing::info!("the address has moved after {:?}", started.elapsed()),
                    Err(_) if options.wait_until.is_some() => tracing::warn!("no proof that the address has moved after {:?}: stopping anyway", shares.hand_over),
                    Err(_) => tracing::info!("waited {:?}; give --wait-until a command to wait for proof instead", shares.hand_over),
                }
                return Ok(None);
            }
            Some(caught) = signals.recv() => {
                if FORWARDED.contains(&caught) {
                    let _ = kill(pid, caught);
                } else {
                    tracing::warn!("second {caught}: stopping now, without proof");
                    return Ok(None);
                }
            }
        }
    }
}

/// Returns once the proof command succeeds; never, if there is none.
async fn await_proof(command: Option<&str>) {
    let Some(command) = command else { return std::future::pending().await };
    while let Err(error) = shell(command, COMMAND_LIMIT).await {
        tracing::debug!("not yet: {error:#}");
        tokio::time::sleep(PROOF_INTERVAL).await;
    }
}

async fn promote(options: &Options, marker: &Marker) {
    if let Some(command) = &options.promote {
        match shell(command, COMMAND_LIMIT).await {
            Ok(()) => tracing::info!("promoted"),
            // The marker stays: the next start tries again.
            Err(error) => return tracing::error!("promote failed, this node stays demoted: {error:#}"),
        }
    }
    marker.clear();
}

/// Runs a shell command to its end; anything but exit code 0 within `limit` is an error.
async fn shell(command: &str, limit: Duration) -> Result<()> {
    let mut child = Command::new("/bin/sh").arg("-c").arg(command).kill_on_drop(true).spawn()?;
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(status) => {
            let status = status?;
            anyhow::ensure!(status.success(), "{command:?} ended with {status}");
            Ok(())
        }
        Err(_) => anyhow::bail!("{command:?} did not end within {limit:?}"),
    }
}

/// Starts the child: in its own process group on a terminal (Ctrl-C is then ours alone), in ours otherwise (so that a
/// supervisor's kill of the group reaches it).
fn spawn(command: &[String]) -> Result<Child> {
    let (program, args) = command.split_first().context("no command given: baton supervise -- CMD ARGS")?;
    let mut child = Command::new(program);
    child.args(args);
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        child.process_group(0);
    }
    child.spawn().with_context(|| format!("cannot run {program:?}"))
}

/// Collects the signals of this process into one queue, in order of arrival.
fn listen() -> Result<mpsc::Receiver<Signal>> {
    let (to, from) = mpsc::channel(64);
    for kind in FORWARDED.into_iter().chain([Signal::SIGINT, Signal::SIGTERM]) {
        let mut stream = signal(SignalKind::from_raw(kind as i32))?;
        let to = to.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if to.send(kind).await.is_err() {
                    break;
                }
            }
        });
    }
    Ok(from)
}

/// The child's own code, or 128+n when signal n ended it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
