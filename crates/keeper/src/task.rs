//! A task as the keeper holds it: its record, its descriptors, and what is due when.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use baton_net::notify_socket::{Notification, NotifySocket};
use baton_net::pid::PidWatch;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgid, getsid};

use crate::logs::{Output, Pumped, Stream};
use crate::platform;
use crate::protocol::{Exit, LogSpec, TaskInfo};
use crate::record::Record;
use crate::store::Store;

/// Turns of pumping after the end of a task: what its pipes can hold, and more.
const LAST_TURNS: usize = 8;

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) record: Record,
    pub(crate) outputs: Vec<(Stream, Output)>,
    pub(crate) notify: NotifySocket,
    pub(crate) store: Store,
    /// For a process that is not this one's child.
    pub(crate) watch: Option<PidWatch>,
    pub(crate) status: String,
    /// When to send SIGKILL to everything.
    pub(crate) kill_at: Option<Instant>,
    /// When the stored sockets are closed unless a successor is ready.
    pub(crate) store_expires: Option<Instant>,
}

/// What a restarted keeper finds in place of a task that ran.
pub(crate) enum Found {
    Child,
    Stranger(PidWatch),
    Ended(Exit),
}

impl Task {
    pub(crate) fn new(record: Record, notify: NotifySocket) -> io::Result<Self> {
        let outputs = open_outputs(&record.logs)?;
        Ok(Self { outputs, ..Self::silent(record, notify) })
    }

    /// Without its output.
    pub(crate) fn silent(record: Record, notify: NotifySocket) -> Self {
        Self {
            record,
            outputs: Vec::new(),
            notify,
            store: Store::default(),
            watch: None,
            status: String::new(),
            kill_at: None,
            store_expires: None,
        }
    }

    pub(crate) fn notify_path(dir: &Path, serial: u64) -> PathBuf {
        dir.join(format!("{serial}"))
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo {
            status: self.status.clone(),
            output_lost: self.outputs.iter().map(|(_, output)| output.lost_total).sum(),
            ..self.record.info()
        }
    }

    /// A new incarnation may log elsewhere or with other limits.
    pub(crate) fn relog(&mut self, logs: &LogSpec) -> io::Result<()> {
        let same_place = |a: &LogSpec, b: &LogSpec| a.dir == b.dir && a.name == b.name && a.disabled == b.disabled;
        let open = !self.outputs.is_empty() || logs.disabled;
        if open && same_place(&self.record.logs, logs) {
            for (_, output) in &mut self.outputs {
                output.limits(logs);
            }
        } else {
            self.outputs = open_outputs(logs)?;
        }
        self.record.logs = logs.clone();
        Ok(())
    }

    /// The task's ends of its output.
    pub(crate) fn stdio(&mut self, stream: Stream) -> io::Result<Stdio> {
        match self.outputs.iter_mut().find(|(kind, _)| *kind == stream) {
            Some((_, output)) => output.task_end().map(Stdio::from),
            None => Ok(Stdio::null()),
        }
    }

    pub(crate) fn pump(&mut self, stream: Stream) -> Pumped {
        self.outputs.iter_mut().find(|(kind, _)| *kind == stream).map_or(Pumped::Same, |(_, output)| output.pump())
    }

    /// Everything that is in the pipes now; what that changed.
    pub(crate) fn drain(&mut self) -> Vec<Pumped> {
        self.outputs.iter_mut().flat_map(|(_, output)| (0..LAST_TURNS).map(|_| output.pump())).collect()
    }

    pub(crate) fn signal(&self, signal: i32, group: bool) -> Result<(), String> {
        if !self.record.is_running() {
            return Err(format!("task {} is not running", self.record.key));
        }
        let signal = Signal::try_from(signal).map_err(|_| format!("there is no signal {signal}"))?;
        let pid = Pid::from_raw(self.record.pid);
        let result = if group { killpg(pid, signal) } else { kill(pid, signal) };
        match result {
            // The end is already under way.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(format!("cannot send {signal} to process {pid}: {error}")),
        }
    }

    /// SIGKILL is due after `wait`, or earlier if it was already.
    pub(crate) fn kill_after(&mut self, wait: Duration) {
        let (due, now_ms) = (Instant::now() + wait, crate::record::now_ms());
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        if self.kill_at.is_none_or(|at| due < at) {
            self.kill_at = Some(due);
            self.record.kill_at_ms = now_ms.saturating_add(wait_ms);
        }
    }

    /// What an earlier keeper was to kill is still to be killed.
    pub(crate) fn kill_again(&mut self) {
        if self.record.kill_at_ms > 0 {
            let left = self.record.kill_at_ms.saturating_sub(crate::record::now_ms());
            self.kill_at = Some(Instant::now() + Duration::from_millis(left));
        }
    }

    /// SIGKILL to the leader's group, its cgroup, and whatever else is found to belong to the task.
    pub(crate) fn kill_everything(&self) {
        // A stale number must never be hit: without a live leader only what proves to belong to the task is killed.
        if self.record.is_running() {
            let _ = killpg(Pid::from_raw(self.record.pid), Signal::SIGKILL);
        }
        if let Some(cgroup) = &self.record.cgroup {
            platform::cgroup_kill(cgroup);
        }
        for pid in platform::remains(&self.record.process(), self.notify.path()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// Looks for the process of a record that says "running".
    pub(crate) fn find(record: &Record, same_boot: bool) -> Found {
        if !same_boot {
            return Found::Ended(Exit::unseen(crate::protocol::REBOOTED));
        }
        match waitpid(Pid::from_raw(record.pid), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return Found::Child,
            Ok(status) => {
                if let Some((_, exit)) = exit_of(status) {
                    return Found::Ended(exit);
                }
            }
            Err(_) => {}
        }
        let watch = PidWatch::open(record.pid);
        if record.process().is_alive() {
            Found::Stranger(watch)
        } else {
            Found::Ended(Exit::unseen("the task ended while its keeper was away: the exit code is unknown"))
        }
    }

    /// The sender belongs to the task: same group, same session, or it has ended meanwhile and cannot be asked; then it must
    /// at least have been of the task's user.
    pub(crate) fn accepts(&self, notification: &Notification) -> bool {
        let leader = Pid::from_raw(self.record.pid);
        let Some(pid) = notification.pid.map(Pid::from_raw) else { return true };
        if pid == leader {
            return true;
        }
        match (getpgid(Some(pid)), getsid(Some(pid))) {
            (Err(Errno::ESRCH), _) | (_, Err(Errno::ESRCH)) => notification.uid == Some(self.record.uid),
            (group, session) => group == Ok(leader) || session == Ok(leader),
        }
    }
}

fn open_outputs(logs: &LogSpec) -> io::Result<Vec<(Stream, Output)>> {
    if logs.disabled {
        return Ok(Vec::new());
    }
    Stream::BOTH.into_iter().map(|stream| Ok((stream, Output::open(logs, stream)?))).collect()
}

/// The pid and how it ended, if the status is an end.
pub(crate) fn exit_of(status: WaitStatus) -> Option<(i32, Exit)> {
    match status {
        WaitStatus::Exited(pid, code) => Some((pid.as_raw(), Exit { code: Some(code), ..Exit::default() })),
        WaitStatus::Signaled(pid, signal, _) => {
            Some((pid.as_raw(), Exit { signal: Some(signal as i32), ..Exit::default() }))
        }
        _ => None,
    }
}
