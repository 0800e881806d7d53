//! A client of this process behind the API: logs, files, signals of its allocations.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Weak};
use std::time::Duration;

use baton_api::nomad::client::{ClientApi, ClientError, ClientResult, FileInfo, Frame, LogRequest, Output, Start};
use baton_model::Timestamp;
use baton_runner::{AllocError, ClientHandle, logs};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::{Value, json};

use super::host::Host;

/// Bytes of a file in one piece.
const CHUNK: usize = 64 << 10;
/// Between two looks at a file that is followed.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// Does not keep the client alive: a stopped one answers that it is gone.
pub struct LocalClient {
    client: Weak<ClientHandle>,
    host: Host,
}

impl LocalClient {
    pub fn new(client: &Arc<ClientHandle>) -> Self {
        Self { client: Arc::downgrade(client), host: Host::default() }
    }

    fn client(&self) -> ClientResult<Arc<ClientHandle>> {
        self.client.upgrade().ok_or_else(|| ClientError::Failed("this node is stopping".to_owned()))
    }
}

impl ClientApi for LocalClient {
    fn logs(
        &self,
        alloc_id: &str,
        request: LogRequest,
    ) -> BoxFuture<'_, ClientResult<BoxStream<'static, ClientResult<Frame>>>> {
        let stream = match request.output {
            Output::Stdout => "stdout",
            Output::Stderr => "stderr",
        };
        let (offset, from_end) = split(request.start);
        let wanted = logs::LogRequest {
            task: request.task,
            stream: stream.to_owned(),
            offset,
            from_end,
            follow: request.follow,
        };
        let frames = self.client().and_then(|client| client.logs(alloc_id, wanted).map_err(refused));
        async move {
            let frames = frames?;
            let frame = |frame: logs::LogFrame| Frame {
                offset: frame.offset,
                data: frame.data,
                file: frame.file,
                event: String::new(),
            };
            let frames = stream::unfold(frames, |mut frames| async move { Some((frames.recv().await?, frames)) });
            Ok(frames.map(move |next| Ok(frame(next))).boxed())
        }
        .boxed()
    }

    fn list(&self, alloc_id: &str, path: &str) -> BoxFuture<'_, ClientResult<Vec<FileInfo>>> {
        let found = self.client().and_then(|client| client.list(alloc_id, path).map_err(refused));
        async move { Ok(found?.into_iter().map(file_info).collect()) }.boxed()
    }

    fn stat(&self, alloc_id: &str, path: &str) -> BoxFuture<'_, ClientResult<FileInfo>> {
        let found = self.client().and_then(|client| client.stat(alloc_id, path).map_err(refused));
        async move { Ok(file_info(found?)) }.boxed()
    }

    fn read(
        &self,
        alloc_id: &str,
        path: &str,
        offset: u64,
        limit: Option<u64>,
    ) -> BoxFuture<'_, ClientResult<BoxStream<'static, ClientResult<Bytes>>>> {
        let file = self.client().and_then(|client| client.open(alloc_id, path).map_err(refused));
        async move {
            let mut file = file?;
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            let left = limit.unwrap_or(u64::MAX);
            let pieces = stream::unfold((file, left), |(mut file, left)| async move {
                let bytes = chunk(&mut file, left);
                let left = left - bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                let ended = bytes.as_ref().is_ok_and(Bytes::is_empty);
                (!ended).then_some((bytes, (file, left)))
            });
            Ok(pieces.boxed())
        }
        .boxed()
    }

    fn stream(
        &self,
        alloc_id: &str,
        path: &str,
        start: Start,
        follow: bool,
    ) -> BoxFuture<'_, ClientResult<BoxStream<'static, ClientResult<Frame>>>> {
        let file = self.client().and_then(|client| client.open(alloc_id, path).map_err(refused));
        let name = path.to_owned();
        async move {
            let mut file = file?;
            let from = match start {
                Start::Beginning(offset) => SeekFrom::Start(offset),
                Start::End(bytes) => {
                    let size = file.metadata().map_err(failed)?.len();
                    SeekFrom::Start(size.saturating_sub(bytes))
                }
            };
            let offset = file.seek(from).map_err(failed)?;
            let frames = stream::unfold((file, offset, name), move |(mut file, offset, name)| async move {
                loop {
                    match chunk(&mut file, u64::MAX) {
                        Err(error) => return Some((Err(error), (file, offset, name))),
                        Ok(data) if !data.is_empty() => {
                            let offset = offset + data.len() as u64;
                            let frame = Frame { offset, data, file: name.clone(), event: String::new() };
                            return Some((Ok(frame), (file, offset, name)));
                        }
                        Ok(_) if follow => tokio::time::sleep(FOLLOW_INTERVAL).await,
                        Ok(_) => return None,
                    }
                }
            });
            Ok(frames.boxed())
        }
        .boxed()
    }

    fn restart(&self, alloc_id: &str, task: Option<String>, _all_tasks: bool) -> BoxFuture<'_, ClientResult<()>> {
        let alloc_id = alloc_id.to_owned();
        async move { self.client()?.restart(&alloc_id, task.as_deref()).await.map_err(refused) }.boxed()
    }

    fn signal(&self, alloc_id: &str, task: Option<String>, signal: String) -> BoxFuture<'_, ClientResult<()>> {
        let alloc_id = alloc_id.to_owned();
        async move { self.client()?.signal(&alloc_id, task.as_deref(), &signal).await.map_err(refused) }.boxed()
    }

    fn alloc_stats(&self, alloc_id: &str) -> BoxFuture<'_, ClientResult<Value>> {
        let stats = self.client().and_then(|client| client.stats(alloc_id).map_err(refused));
        async move {
            let tasks: BTreeMap<String, Value> = stats?
                .into_iter()
                .map(|(task, stats)| {
                    let usage = json!({
                        "MemoryStats": { "RSS": stats.memory_bytes, "Usage": stats.memory_bytes },
                        "CpuStats": { "TotalTicks": stats.cpu_millis },
                    });
                    (task, json!({ "ResourceUsage": usage, "Pids": {} }))
                })
                .collect();
            Ok(json!({ "ResourceUsage": {}, "Tasks": tasks, "Timestamp": crate::cli::times::now() }))
        }
        .boxed()
    }

    fn host_stats(&self) -> BoxFuture<'_, ClientResult<Value>> {
        let stats = self.client().map(|client| self.host.stats(client.node(), client.dir()));
        async { stats }.boxed()
    }

    fn collect_garbage(&self, alloc_id: Option<&str>) -> BoxFuture<'_, ClientResult<()>> {
        let alloc_id = alloc_id.map(str::to_owned);
        async move { self.client()?.collect_garbage(alloc_id.as_deref()).await.map_err(refused) }.boxed()
    }
}

fn split(start: Start) -> (u64, bool) {
    match start {
        Start::Beginning(offset) => (offset, false),
        Start::End(bytes) => (bytes, true),
    }
}

/// Up to [`CHUNK`] bytes; none at the end. Reading a local file does not wait for anybody.
fn chunk(file: &mut std::fs::File, left: u64) -> ClientResult<Bytes> {
    let mut buffer = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
    let count = file.read(&mut buffer).map_err(failed)?;
    buffer.truncate(count);
    Ok(Bytes::from(buffer))
}

fn file_info(info: baton_runner::files::FileInfo) -> FileInfo {
    FileInfo {
        name: info.name,
        is_dir: info.is_dir,
        size: u64::try_from(info.size).unwrap_or(0),
        file_mode: info.file_mode,
        mod_time: Timestamp::from_rfc3339(&info.mod_time).unwrap_or_default(),
        content_type: info.content_type,
    }
}

fn refused(error: AllocError) -> ClientError {
    match error {
        AllocError::Unknown(_) | AllocError::UnknownTask(_) | AllocError::NotStarted(_) => {
            ClientError::NotFound(error.to_string())
        }
        AllocError::Refused(_) | AllocError::File(_) => ClientError::Failed(error.to_string()),
    }
}

fn failed(error: std::io::Error) -> ClientError {
    ClientError::Failed(error.to_string())
}
