//! What only the client that runs an allocation can answer, and the way to it.

use std::sync::Arc;

use baton_model::Timestamp;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::Serialize;
use serde_json::Value;

/// Leads from a node to whoever can speak for it.
pub trait ClientRoutes: Send + Sync {
    /// The client of that node, if it is part of this process.
    fn local(&self, node_id: &str) -> Option<Arc<dyn ClientApi>>;

    /// The nodes that are part of this process.
    fn local_nodes(&self) -> Vec<String>;
}

/// For an agent that runs nothing itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoClients;

impl ClientRoutes for NoClients {
    fn local(&self, _node_id: &str) -> Option<Arc<dyn ClientApi>> {
        None
    }

    fn local_nodes(&self) -> Vec<String> {
        Vec::new()
    }
}

pub type ClientResult<T> = Result<T, ClientError>;

/// Pieces of a file or log with their places.
pub type Frames = BoxStream<'static, ClientResult<Frame>>;

/// The bytes of a file.
pub type Chunks = BoxStream<'static, ClientResult<Bytes>>;

/// One client. Paths are relative to the allocation's directory; a client never leaves it.
pub trait ClientApi: Send + Sync {
    /// A task's output. Without `follow` the stream ends with the log, with it when the task is dead and everything was
    /// told.
    fn logs(&self, alloc_id: &str, request: LogRequest) -> BoxFuture<'_, ClientResult<Frames>>;

    fn list(&self, alloc_id: &str, path: &str) -> BoxFuture<'_, ClientResult<Vec<FileInfo>>>;

    fn stat(&self, alloc_id: &str, path: &str) -> BoxFuture<'_, ClientResult<FileInfo>>;

    /// A file from `offset`, at most `limit` bytes.
    fn read(&self, alloc_id: &str, path: &str, offset: u64, limit: Option<u64>) -> BoxFuture<'_, ClientResult<Chunks>>;

    /// A file as it grows.
    fn stream(&self, alloc_id: &str, path: &str, start: Start, follow: bool) -> BoxFuture<'_, ClientResult<Frames>>;

    /// `task: None` means the tasks that run; with `all_tasks` also those that have ended.
    fn restart(&self, alloc_id: &str, task: Option<String>, all_tasks: bool) -> BoxFuture<'_, ClientResult<()>>;

    /// `task: None` means all tasks that run.
    fn signal(&self, alloc_id: &str, task: Option<String>, signal: String) -> BoxFuture<'_, ClientResult<()>>;

    /// Nomad's `AllocResourceUsage`.
    fn alloc_stats(&self, alloc_id: &str) -> BoxFuture<'_, ClientResult<Value>>;

    /// Nomad's `HostStats`.
    fn host_stats(&self) -> BoxFuture<'_, ClientResult<Value>>;

    /// Forgets finished allocations: one, or all.
    fn collect_garbage(&self, alloc_id: Option<&str>) -> BoxFuture<'_, ClientResult<()>>;
}

/// Why a client cannot do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    pub task: String,
    pub output: Output,
    pub start: Start,
    pub follow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Bytes after the beginning.
    Beginning(u64),
    /// Bytes before the end.
    End(u64),
}

/// A piece of a file or log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Position in `file` after `data`.
    pub offset: u64,
    pub data: Bytes,
    /// Relative to the allocation's directory, such as `alloc/logs/web.stdout.0`.
    pub file: String,
    /// `file deleted`, `file truncated` or nothing.
    pub event: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileInfo {
    pub name: String,
    pub is_dir: bool,
    pub size: u64,
    /// As `ls -l` shows it.
    pub file_mode: String,
    #[serde(with = "baton_model::time::rfc3339")]
    pub mod_time: Timestamp,
    pub content_type: String,
}
