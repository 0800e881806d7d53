//! The access log: lines made on the data path, written by a thread of its own.
//!
//! Between the two stands a bounded queue. When the disk does not keep up, lines are dropped and their number is told;
//! no request ever waits for the log.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use baton_proxy::access::AccessEntry;
use baton_routing::config;

use super::line::Format;

/// Lines that may wait to be written; `accessLog.bufferingSize` can ask for more.
const QUEUE_LINES: usize = 16_384;
/// The most that `accessLog.bufferingSize` gets.
const QUEUE_LINES_MAX: usize = 1 << 20;

/// The near end of the queue. Dropping it writes what waits and ends the thread.
pub struct Writer {
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    filter: Filter,
    format: Format,
}

#[derive(Default)]
struct Shared {
    reopen: AtomicBool,
    dropped: AtomicU64,
}

enum Message {
    Line(String),
    Wake,
}

/// Which requests are written: all without filters, else those that one of them wants.
struct Filter {
    statuses: Vec<(u16, u16)>,
    min_duration: Duration,
    all: bool,
}

/// Where lines go.
struct Sink {
    path: Option<PathBuf>,
    file: Option<BufWriter<File>>,
    stdout: bool,
    failing: bool,
}

impl Writer {
    /// Opens the file and starts the thread.
    pub fn open(options: &config::AccessLog) -> Result<Self> {
        let mut sink = Sink::new(options);
        sink.open().with_context(|| format!("accessLog.filePath: cannot open {:?}", options.file_path))?;
        let wanted = usize::try_from(options.buffering_size).unwrap_or(QUEUE_LINES_MAX);
        let (queue, lines) = sync_channel(wanted.clamp(QUEUE_LINES, QUEUE_LINES_MAX));
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || run(sink, &lines, &theirs))
            .context("cannot start the access log's thread")?;
        let format = Format::new(options);
        Ok(Self { queue: Some(queue), thread: Some(thread), shared, filter: Filter::new(options), format })
    }

    /// Queues a request's line, if the filters want it.
    pub fn write(&self, entry: &AccessEntry<'_>) {
        if !self.filter.wants(entry.status, entry.duration) {
            return;
        }
        let Some(queue) = &self.queue else { return };
        if queue.try_send(Message::Line(self.format.line(entry))).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file again before the next line.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        if let Some(queue) = &self.queue {
            // A full queue means that the thread is awake anyway.
            let _ = queue.try_send(Message::Wake);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Filter {
    fn new(options: &config::AccessLog) -> Self {
        let Some(filters) = &options.filters else {
            return Self { statuses: Vec::new(), min_duration: Duration::ZERO, all: true };
        };
        let statuses: Vec<_> = filters.status_codes.iter().filter_map(|text| range(text)).collect();
        let min_duration = *filters.min_duration;
        let all = filters.status_codes.is_empty() && min_duration.is_zero() && !filters.retry_attempts;
        Self { statuses, min_duration, all }
    }

    fn wants(&self, status: u16, duration: Duration) -> bool {
        self.all
            || self.statuses.iter().any(|(low, high)| (*low..=*high).contains(&status))
            || (!self.min_duration.is_zero() && duration >= self.min_duration)
    }
}

/// `404` or `500-599`
fn range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
}

impl Sink {
    fn new(options: &config::AccessLog) -> Self {
        let path = (!options.file_path.is_empty()).then(|| PathBuf::from(&options.file_path));
        Self { stdout: path.is_none() || options.dual_output, path, file: None, failing: false }
    }

    fn open(&mut self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        self.file = Some(BufWriter::new(OpenOptions::new().create(true).append(true).open(path)?));
        Ok(())
    }

    fn reopen(&mut self) {
        let outcome = self.flush().and_then(|()| self.open());
        self.report(outcome);
    }

    fn put(&mut self, line: &str) {
        let outcome = self.try_put(line);
        self.report(outcome);
    }

    fn try_put(&mut self, line: &str) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(line.as_bytes())?;
        }
        if self.stdout { io::stdout().write_all(line.as_bytes()) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)?;
        if self.stdout { io::stdout().flush() } else { Ok(()) }
    }

    /// Tells when writing begins to fail, and when it works again.
    fn report(&mut self, outcome: io::Result<()>) {
        let failing = outcome.is_err();
        match outcome {
            Err(error) if !self.failing => tracing::error!(%error, "the access log cannot be written; lines are lost"),
            Ok(()) if self.failing => tracing::info!("the access log is written again"),
            _ => {}
        }
        self.failing = failing;
    }
}

/// Writes until the queue's near end is gone; flushes whenever nothing waits.
fn run(mut sink: Sink, lines: &Receiver<Message>, shared: &Shared) {
    let mut told = 0;
    loop {
        let message = match lines.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                let outcome = sink.flush();
                sink.report(outcome);
                lines.recv().ok()
            }
        };
        if shared.reopen.swap(false, Ordering::AcqRel) {
            sink.reopen();
        }
        match message {
            Some(Message::Line(line)) => sink.put(&line),
            Some(Message::Wake) => {}
            None => break,
        }
        let dropped = shared.dropped.load(Ordering::Relaxed);
        if dropped > told {
            tracing::warn!(lines = dropped - told, "the access log does not keep up: lines were dropped");
            told = dropped;
        }
    }
    let outcome = sink.flush();
    sink.report(outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(statuses: &[&str], min_duration: Duration) -> Filter {
        let filters = config::AccessLogFilters {
            status_codes: statuses.iter().map(|text| (*text).to_owned()).collect(),
            min_duration: config::Timespan(min_duration),
            ..config::AccessLogFilters::default()
        };
        Filter::new(&config::AccessLog { filters: Some(filters), ..config::AccessLog::default() })
    }

    #[test]
    fn filters_keep_what_one_of_them_wants() {
        let second = Duration::from_secs(1);
        assert!(filter(&[], Duration::ZERO).wants(200, Duration::ZERO), "no filter keeps all");
        let errors = filter(&["404", "500-599"], Duration::ZERO);
        assert_eq!(
            [200, 404, 499, 500, 599].map(|status| errors.wants(status, second)),
            [false, true, false, true, true]
        );
        let slow = filter(&["404"], second);
        assert!(slow.wants(200, second) && slow.wants(404, Duration::ZERO));
        assert!(!slow.wants(200, second / 2));
    }

    #[test]
    fn lines_reach_the_file_and_a_moved_file_is_left_alone_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("new/access.log"), dir.path().join("access.log.1"));
        let options = config::AccessLog { file_path: path.display().to_string(), ..config::AccessLog::default() };
        let mut sink = Sink::new(&options);
        sink.open().unwrap();
        sink.put("one\n");
        sink.flush().unwrap();
        std::fs::rename(&path, &moved).unwrap();
        sink.put("two\n");
        sink.reopen();
        sink.put("three\n");
        sink.flush().unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!((read(&moved), read(&path)), ("one\ntwo\n".to_owned(), "three\n".to_owned()));
    }
}
