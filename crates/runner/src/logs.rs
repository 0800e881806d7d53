//! Reading a task's rotated log files as one stream.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_model::task::TaskRunState;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::alloc::Report;

/// Frames that wait for a slow reader.
const FRAMES_MAX: usize = 16;
/// The most of a file that one frame carries, as in Nomad.
const FRAME_BYTES: usize = 64 << 10;
/// Between two looks at a followed file.
const LOOK: Duration = Duration::from_millis(50);

/// Which output, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    pub task: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Bytes from the start, or back from the end.
    pub offset: u64,
    pub from_end: bool,
    pub follow: bool,
}

/// A piece of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFrame {
    /// As the API names it: `alloc/logs/task.stdout.0`.
    pub file: String,
    /// Where the data ends in that file.
    pub offset: u64,
    pub data: Bytes,
}

/// Streams until all is read; followed, until the task is dead and all is read, or nobody listens.
pub(crate) fn follow(dir: PathBuf, request: LogRequest, report: watch::Receiver<Report>) -> mpsc::Receiver<LogFrame> {
    let (frames, receiver) = mpsc::channel(FRAMES_MAX);
    let reader = Reader::new(dir, &request);
    tokio::spawn(run(reader, request, report, frames));
    receiver
}

async fn run(mut reader: Reader, request: LogRequest, report: watch::Receiver<Report>, frames: mpsc::Sender<LogFrame>) {
    loop {
        // Asked before reading: what a dying task wrote last is still read.
        let over = !request.follow || is_dead(&report.borrow(), &request.task) || report.has_changed().is_err();
        loop {
            let next = tokio::task::spawn_blocking(move || {
                let frame = reader.next();
                (reader, frame)
            });
            let Ok((back, frame)) = next.await else { return };
            reader = back;
            let Some(frame) = frame else { break };
            if frames.send(frame).await.is_err() {
                return;
            }
        }
        if over {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = frames.closed() => return,
        }
    }
}

fn is_dead(report: &Report, task: &str) -> bool {
    report.alloc.task_states.get(task).is_none_or(|state| state.state == TaskRunState::Dead)
}

/// A position in the row of files.
struct Reader {
    dir: PathBuf,
    stem: String,
    index: u32,
    offset: u64,
}

impl Reader {
    fn new(dir: PathBuf, request: &LogRequest) -> Self {
        let stem = format!("{}.{}", request.task, request.stream);
        let files = files(&dir, &stem);
        let (mut index, mut offset) = (files.first().map_or(0, |(index, _)| *index), 0);
        let total: u64 = files.iter().map(|(_, len)| len).sum();
        let mut skip = if request.from_end { total.saturating_sub(request.offset) } else { request.offset.min(total) };
        for (number, len) in &files {
            (index, offset) = (*number, skip.min(*len));
            if skip < *len {
                break;
            }
            skip -= offset;
        }
        Self { dir, stem, index, offset }
    }

    /// The next piece, over to the next file where one ends.
    fn next(&mut self) -> Option<LogFrame> {
        loop {
            if let Some(frame) = self.piece() {
                return Some(frame);
            }
            // Only the highest number grows; files below may be gone by rotation.
            let later = files(&self.dir, &self.stem).into_iter().find(|(index, _)| *index > self.index)?;
            // Something may have been written between the read and the look.
            if let Some(frame) = self.piece() {
                return Some(frame);
            }
            (self.index, self.offset) = (later.0, 0);
        }
    }

    fn piece(&mut self) -> Option<LogFrame> {
        let name = format!("{}.{}", self.stem, self.index);
        // Tasks can write here: a link or a FIFO in a log's place is no log.
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
        let mut file = OpenOptions::new().read(true).custom_flags(flags).open(self.dir.join(&name)).ok()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let len = metadata.len();
        if len < self.offset {
            // Cut from outside: from its new start.
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let mut data = Vec::new();
        let count = file.take(FRAME_BYTES as u64).read_to_end(&mut data).ok()?;
        if count == 0 {
            return None;
        }
        self.offset += count as u64;
        Some(LogFrame { file: format!("alloc/logs/{name}"), offset: self.offset, data: data.into() })
    }
}

/// Numbers and lengths, ascending.
fn files(dir: &Path, stem: &str) -> Vec<(u32, u64)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<(u32, u64)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let index = name.to_str()?.strip_prefix(stem)?.strip_prefix('.')?.parse().ok()?;
            Some((index, entry.metadata().ok()?.len()))
        })
        .collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dir: &Path, offset: u64, from_end: bool) -> String {
        let request = LogRequest { task: "t".into(), stream: "stdout".into(), offset, from_end, follow: false };
        let mut reader = Reader::new(dir.to_owned(), &request);
        let frames = std::iter::from_fn(|| reader.next());
        frames.map(|frame| String::from_utf8(frame.data.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_link_in_a_logs_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink("secret", dir.path().join("t.stdout.0")).unwrap();
        assert_eq!(read(dir.path(), 0, false), "");
    }

    #[test]
    fn reads_across_files_from_either_end() {
        let dir = tempfile::tempdir().unwrap();
        for (index, text) in [(2, "abc"), (3, "defg"), (10, "hi")] {
            std::fs::write(dir.path().join(format!("t.stdout.{index}")), text).unwrap();
        }
        assert_eq!(read(dir.path(), 0, false), "abcdefghi");
        assert_eq!(read(dir.path(), 4, false), "efghi");
        assert_eq!(read(dir.path(), 3, false), "defghi");
        assert_eq!(read(dir.path(), 3, true), "ghi");
        assert_eq!(read(dir.path(), 0, true), "");
        assert_eq!(read(dir.path(), 99, true), "abcdefghi");
        assert_eq!(read(dir.path(), 99, false), "");
    }
}
