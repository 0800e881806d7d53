//! The protocol on the keeper's socket: frames of a 32-bit big-endian length and that many bytes of JSON.
//!
//! A client opens with [`Request::Hello`]; every [`Call`] has an id that its [`Message::Reply`] repeats. After
//! [`Request::Subscribe`] the reply lists all tasks, and every later change arrives as [`Message::Event`]: nothing is lost
//! between the two.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::KeeperError;

pub const PROTOCOL_VERSION: u32 = 1;

/// Longest frame either side accepts.
pub const FRAME_MAX: usize = 8 << 20;

/// How long stored sockets outlive their task while no successor is ready, unless the start said otherwise.
pub const HANDOVER_TIMEOUT_MS: u64 = 5_000;

/// Tells a task that shares sockets to accept no more connections on them; it answers `X-BATON-STANDBY=1`. A program that does
/// not know this takes no notice of it.
pub const STAND_BY: i32 = nix::libc::SIGWINCH;

/// Tells it to accept again; it answers `X-BATON-STANDBY=0`.
pub const GO_ON: i32 = nix::libc::SIGCONT;

/// In the environment of a task that is to begin in standby.
pub const STANDBY_VARIABLE: &str = "BATON_STANDBY";

/// [`Exit::reason`] of tasks that a restart of the machine ended.
pub const REBOOTED: &str = "the machine was restarted";

/// One request with its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub id: u64,
    pub request: Request,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Must come first.
    Hello {
        version: u32,
    },
    /// Starts a task. Asked again with the same key and incarnation, it answers with what runs already.
    Start(Box<StartSpec>),
    /// Sends a signal to the leader, or to its whole process group.
    Signal {
        key: String,
        signal: i32,
        group: bool,
    },
    /// Sends `signal`, and after `timeout_ms` SIGKILL to everything of the task.
    Stop {
        key: String,
        signal: i32,
        timeout_ms: u64,
        group: bool,
    },
    /// All tasks now, every change from now on.
    Subscribe,
    List,
    /// Drops an ended task: its descriptors, FIFOs and journal entry. Log files stay.
    Forget {
        key: String,
    },
    /// Replaces the keeper's program by `execve`, children and descriptors kept.
    Upgrade {
        program: PathBuf,
    },
    /// Ends the keeper; with `end_tasks` all tasks before it, else they go on.
    Shutdown {
        end_tasks: bool,
    },
}

/// What to run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartSpec {
    /// Names the task for its whole life, restarts included.
    pub key: String,
    /// Counts the starts of the key; must grow.
    pub incarnation: u64,
    /// Absolute, relative to `cwd`, or looked up in the task's PATH.
    pub program: String,
    pub args: Vec<String>,
    /// The whole environment; the keeper adds `NOTIFY_SOCKET` and, with handed-over sockets, `LISTEN_*`.
    pub env: BTreeMap<String, String>,
    pub cwd: PathBuf,
    /// A user name or `user:group`; empty means the keeper's own.
    pub user: String,
    pub logs: LogSpec,
    /// Take over the sockets that this task stored. Without it, a restarted task gets back its own.
    pub inherit_from: Option<String>,
    pub oom_score_adj: Option<i32>,
    pub handover_timeout_ms: Option<u64>,
}

/// Where a task's output goes: `dir/name.stdout.N` and `dir/name.stderr.N`, the highest N being written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSpec {
    pub dir: PathBuf,
    pub name: String,
    pub max_files: u32,
    pub max_bytes: u64,
    pub disabled: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Hello {
        version: u32,
        pid: i32,
    },
    Done,
    Task(Box<TaskInfo>),
    Tasks(Vec<TaskInfo>),
    /// Why the request was not carried out.
    Refused(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    Reply { id: u64, reply: Reply },
    Event(Event),
}

/// A change, with the task as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub kind: EventKind,
    pub task: TaskInfo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Started,
    /// The task said `READY=1`.
    Ready,
    /// The task said `RELOADING=1`.
    Reloading,
    /// `STATUS=`, `X-BATON-RELOAD=`, `X-BATON-STANDBY=` or `X-BATON-PRIVATE=` changed.
    Status,
    /// The set of stored sockets changed.
    Stored,
    /// Output is being dropped because the disk is full.
    OutputDropped,
    /// Output is written again.
    OutputResumed,
    Exited,
    Forgotten,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskInfo {
    pub key: String,
    pub incarnation: u64,
    pub pid: i32,
    pub phase: Phase,
    /// `READY=1` was said in this incarnation.
    pub ready: bool,
    /// The last `STATUS=`.
    pub status: String,
    /// The value of `X-BATON-RELOAD=`; empty if never said.
    pub reload: String,
    /// Names of the sockets it stored.
    pub stored: Vec<String>,
    /// How many sockets this incarnation was given at its start.
    pub inherited: usize,
    /// Bytes of output dropped for want of room.
    pub output_lost: u64,
    /// Milliseconds since the epoch; 0 is never.
    pub started_at_ms: u64,
    pub exited_at_ms: u64,
    /// It said `X-BATON-STANDBY=1`: it does not accept connections on the sockets that it shares with another task.
    pub standby: bool,
    /// Meanwhile it is reached alone here: the port of a shared socket and the address that answers as it would.
    pub private: Vec<(u16, SocketAddr)>,
}

impl TaskInfo {
    pub fn exit(&self) -> Option<&Exit> {
        match &self.phase {
            Phase::Exited(exit) => Some(exit),
            Phase::Starting | Phase::Running => None,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Journaled, the program does not run yet.
    #[default]
    Starting,
    Running,
    Exited(Exit),
}

/// How a task ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// `None` when killed by a signal or not seen.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Why neither is known, or why the start failed; empty otherwise.
    pub reason: String,
}

impl Exit {
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    pub(crate) fn unseen(reason: &str) -> Self {
        Self { code: None, signal: None, reason: reason.to_owned() }
    }
}

/// One frame.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, KeeperError> {
    let body = serde_json::to_vec(message).map_err(|error| KeeperError::Protocol(error.to_string()))?;
    if body.len() > FRAME_MAX {
        return Err(KeeperError::Protocol(format!("a message of {} bytes is over the limit {FRAME_MAX}", body.len())));
    }
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Cuts a byte stream into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one.
    pub fn message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, KeeperError> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_be_bytes(*head) as usize;
        if len > FRAME_MAX {
            return Err(KeeperError::Protocol(format!("a frame of {len} bytes is over the limit {FRAME_MAX}")));
        }
        if self.buffer.len() < len + 4 {
            return Ok(None);
        }
        let message =
            serde_json::from_slice(&self.buffer[4..len + 4]).map_err(|error| KeeperError::Protocol(error.to_string()));
        self.buffer.drain(..len + 4);
        message.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_cut() {
        let call = Call { id: 7, request: Request::Signal { key: "a".into(), signal: 1, group: true } };
        let frame = encode(&call).unwrap();
        let mut decoder = Decoder::default();
        for byte in &frame[..frame.len() - 1] {
            decoder.push(&[*byte]);
            assert_eq!(decoder.message::<Call>().unwrap(), None);
        }
        decoder.push(&frame[frame.len() - 1..]);
        assert_eq!(decoder.message::<Call>().unwrap(), Some(call));
    }

    #[test]
    fn refuses_giant_and_broken_frames() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_be_bytes());
        assert!(decoder.message::<Call>().is_err());
        let mut decoder = Decoder::default();
        decoder.push(&[0, 0, 0, 1, b'{']);
        assert!(decoder.message::<Call>().is_err());
    }
}
