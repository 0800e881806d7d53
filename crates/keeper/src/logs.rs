//! From a task's FIFO to rotating log files.
//!
//! On Linux bytes move by splice(2): they leave the FIFO only once they are in the file, so a kill in between loses none.
//! The highest number is the file being written, as in Nomad.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use crate::platform;
use crate::protocol::LogSpec;

/// Bytes moved per wake-up before others get their turn.
const TURN_BYTES: usize = 1 << 20;
/// The kernel's default size of a pipe.
const CHUNK: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One stream of one task.
#[derive(Debug)]
pub(crate) struct Output {
    fifo: File,
    fifo_path: PathBuf,
    dir: PathBuf,
    /// `task.stdout`
    stem: String,
    max_files: u32,
    max_bytes: u64,
    file: Option<File>,
    index: u32,
    size: u64,
    /// Dropped since the last notice in the log.
    lost: u64,
    pub(crate) lost_total: u64,
}

/// What a pump changed for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pumped {
    Same,
    BeganDropping,
    Resumed,
}

impl Output {
    pub(crate) fn open(spec: &LogSpec, stream: Stream) -> io::Result<Self> {
        let stem = format!("{}.{}", spec.name, stream.as_str());
        let fifo_path = spec.dir.join(format!(".{stem}.fifo"));
        make_fifo(&fifo_path)?;
        let fifo = OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(&fifo_path)?;
        let index = highest_index(&spec.dir, &stem)?.unwrap_or(0);
        let mut output = Self {
            fifo,
            fifo_path,
            dir: spec.dir.clone(),
            stem,
            max_files: spec.max_files.max(1),
            max_bytes: spec.max_bytes.max(1),
            file: None,
            index,
            size: 0,
            lost: 0,
            lost_total: 0,
        };
        // A full disk is no reason not to run; the file is made when there is room.
        let _ = output.file();
        Ok(output)
    }

    /// Applies changed limits (logs sizes are updated in place).
    pub(crate) fn limits(&mut self, spec: &LogSpec) {
        self.max_files = spec.max_files.max(1);
        self.max_bytes = spec.max_bytes.max(1);
    }

    /// The end for the task: read-write, so that there is always a reader, and blocking.
    pub(crate) fn task_end(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.fifo_path)
    }

    /// Moves what is in the FIFO to the files, at most [`TURN_BYTES`].
    pub(crate) fn pump(&mut self) -> Pumped {
        let was_dropping = self.lost > 0;
        let mut moved = 0;
        while moved < TURN_BYTES {
            match self.step() {
                Ok(0) => break,
                Ok(count) => moved += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => match self.drop_some() {
                    0 => break,
                    count => moved += count,
                },
            }
        }
        match (was_dropping, self.lost > 0) {
            (false, true) => Pumped::BeganDropping,
            (true, false) => Pumped::Resumed,
            _ => Pumped::Same,
        }
    }

    /// No more writers: takes the name away.
    pub(crate) fn remove_fifo(&self) {
        let _ = std::fs::remove_file(&self.fifo_path);
    }

    fn step(&mut self) -> io::Result<usize> {
        let mut ready = [PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::ZERO)? == 0 {
            return Ok(0);
        }
        if self.lost > 0 {
            let notice = format!("\n[baton: {} bytes of output were lost, no room for logs]\n", self.lost);
            let file = self.file()?;
            file.write_all(notice.as_bytes())?;
            self.size += notice.len() as u64;
            self.lost = 0;
        }
        if self.size >= self.max_bytes {
            self.rotate()?;
        }
        let room = usize::try_from(self.max_bytes - self.size).unwrap_or(CHUNK).min(CHUNK);
        self.file()?;
        let Some(file) = &self.file else { return Ok(0) };
        let count = match platform::splice(self.fifo.as_fd(), file.as_fd(), room) {
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
                copy(&mut &self.fifo, &mut &*file, room)?
            }
            other => other?,
        };
        self.size += count as u64;
        Ok(count)
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .open(self.dir.join(format!("{}.{}", self.stem, self.index)))?;
            self.size = file.seek(SeekFrom::End(0))?;
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rotate(&mut self) -> io::Result<()> {
        // The oldest goes first: on a full disk that is the room for the next.
        for (index, path) in indexed(&self.dir, &self.stem)? {
            if index + self.max_files <= self.index + 1 {
                let _ = std::fs::remove_file(path);
            }
        }
        self.file = None;
        self.index += 1;
        self.size = 0;
        self.file().map(|_| ())
    }

    fn drop_some(&mut self) -> usize {
        let mut buffer = [0u8; CHUNK];
        let count = (&self.fifo).read(&mut buffer).unwrap_or(0);
        self.lost += count as u64;
        self.lost_total += count as u64;
        count
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }
}

fn copy(from: &mut impl Read, to: &mut impl Write, room: usize) -> io::Result<usize> {
    let mut buffer = vec![0u8; room];
    let count = from.read(&mut buffer)?;
    to.write_all(&buffer[..count])?;
    Ok(count)
}

fn make_fifo(path: &Path) -> io::Result<()> {
    match nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o600)) {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EEXIST) => {
            use std::os::unix::fs::FileTypeExt;
            // The directory belongs to the job's user: a planted file must not be opened in the FIFO's stead.
            if std::fs::symlink_metadata(path)?.file_type().is_fifo() {
                return Ok(());
            }
            Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is no FIFO", path.display())))
        }
        Err(error) => Err(error.into()),
    }
}

fn highest_index(dir: &Path, stem: &str) -> io::Result<Option<u32>> {
    Ok(indexed(dir, stem)?.into_iter().map(|(index, _)| index).max())
}

fn indexed(dir: &Path, stem: &str) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let index = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_prefix('.')?.parse::<u32>().ok());
        if let Some(index) = index {
            found.push((index, entry.path()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(dir: &Path, max_files: u32, max_bytes: u64) -> LogSpec {
        LogSpec { dir: dir.to_owned(), name: "t".into(), max_files, max_bytes, disabled: false }
    }

    #[test]
    fn rotates_by_size_and_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = Output::open(&spec(dir.path(), 3, 10), Stream::Stdout).unwrap();
        let mut task = output.task_end().unwrap();
        for part in 0..6 {
            task.write_all(format!("part-{part}----").as_bytes()).unwrap();
            output.pump();
        }
        let names = |dir: &Path| {
            let mut all: Vec<_> = indexed(dir, "t.stdout").unwrap().into_iter().map(|(index, _)| index).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(names(dir.path()), [3, 4, 5]);
        assert_eq!(std::fs::read_to_string(dir.path().join("t.stdout.5")).unwrap(), "part-5----");
        // A later keeper goes on where this one stopped.
        drop(output);
        let mut output = Output::open(&spec(dir.path(), 3, 100), Stream::Stdout).unwrap();
        task.write_all(b"+more").unwrap();
        assert_eq!(output.pump(), Pumped::Same);
        assert!(std::fs::read_to_string(dir.path().join("t.stdout.5")).unwrap().ends_with("+more"));
    }

    #[test]
    fn refuses_a_planted_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".t.stderr.fifo"), "").unwrap();
        assert!(Output::open(&spec(dir.path(), 1, 1), Stream::Stderr).is_err());
    }
}
