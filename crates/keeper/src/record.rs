//! What the journal keeps of a task.

use std::net::SocketAddr;
use std::path::PathBuf;

use baton_net::pid::ProcessId;
use serde::{Deserialize, Serialize};

use crate::protocol::{Exit, LogSpec, Phase, StartSpec, TaskInfo};

/// A task as journaled: everything needed to find it again. Environment and arguments are not kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) incarnation: u64,
    /// Short and unique in this keeper's directory: names the notification socket and the cgroup.
    pub(crate) serial: u64,
    pub(crate) pid: i32,
    pub(crate) start_time: u64,
    pub(crate) phase: Phase,
    pub(crate) ready: bool,
    pub(crate) reload: String,
    /// Stored sockets: name and inode, by which they are found again in the task after a restart of the keeper.
    pub(crate) stored: Vec<(String, u64)>,
    pub(crate) inherited: usize,
    /// The task whose sockets this incarnation was given.
    pub(crate) inherit_from: Option<String>,
    pub(crate) logs: LogSpec,
    pub(crate) cgroup: Option<PathBuf>,
    pub(crate) handover_timeout_ms: u64,
    pub(crate) started_at_ms: u64,
    pub(crate) exited_at_ms: u64,
    /// Whom the task was started as.
    pub(crate) uid: u32,
    /// When SIGKILL is due, in milliseconds since the epoch; 0 is never.
    pub(crate) kill_at_ms: u64,
    /// The task says that it does not accept connections on the sockets it shares.
    pub(crate) standby: bool,
    /// Where the task can be reached alone meanwhile: port of a shared socket and address of its private twin.
    pub(crate) private: Vec<(u16, SocketAddr)>,
}

impl Record {
    pub(crate) fn starting(spec: &StartSpec, serial: u64) -> Self {
        Self {
            key: spec.key.clone(),
            incarnation: spec.incarnation,
            serial,
            inherit_from: spec.inherit_from.clone(),
            logs: spec.logs.clone(),
            handover_timeout_ms: spec.handover_timeout_ms.unwrap_or(crate::protocol::HANDOVER_TIMEOUT_MS),
            ..Self::default()
        }
    }

    pub(crate) fn process(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_time: self.start_time }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    pub(crate) fn exited(&mut self, exit: Exit) {
        self.phase = Phase::Exited(exit);
        self.exited_at_ms = now_ms();
        self.ready = false;
        self.kill_at_ms = 0;
        self.standby = false;
        self.private.clear();
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo {
            key: self.key.clone(),
            incarnation: self.incarnation,
            pid: self.pid,
            phase: self.phase.clone(),
            ready: self.ready,
            status: String::new(),
            reload: self.reload.clone(),
            stored: self.stored.iter().map(|(name, _)| name.clone()).collect(),
            inherited: self.inherited,
            output_lost: 0,
            started_at_ms: self.started_at_ms,
            exited_at_ms: self.exited_at_ms,
            standby: self.standby,
            private: self.private.clone(),
        }
    }
}

pub(crate) fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
