//! From a task's FIFO to rotating log files.
//!
//! On Linux bytes move by splice(2): they leave the FIFO only once they are in the file, so a kill in between loses none.
//! The highest number is the file being written, as in Nomad.
//!
//! The directory belongs to the job's users, the keeper may be root: the directory is opened once, names in it are never
//! followed as links, and what is no plain file of its own there is replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, mkfifoat, unlinkat};

use crate::platform;
use crate::protocol::LogSpec;

/// Bytes moved per wake-up before others get their turn.
const TURN_BYTES: usize = 1 << 20;
/// The kernel's default size of a pipe.
const CHUNK: usize = 64 << 10;
/// Higher numbers in the directory are not the keeper's.
const INDEX_MAX: u32 = 1 << 30;

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
    dir: File,
    /// Of `dir`, for looking through it.
    path: PathBuf,
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
        let only_a_directory = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
        let dir = OpenOptions::new().read(true).custom_flags(only_a_directory).open(&spec.dir)?;
        let fifo = open_fifo(&dir, &fifo_name(&stem))?;
        let index = indexed(&spec.dir, &stem)?.into_iter().max().unwrap_or(0);
        let mut output = Self {
            fifo,
            dir,
            path: spec.dir.clone(),
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

    /// The end for the task: read-write, so that there is always a reader, and blocking. To be asked for while no task
    /// writes: a FIFO that an earlier one has replaced or removed is made anew.
    pub(crate) fn task_end(&mut self) -> io::Result<File> {
        let name = fifo_name(&self.stem);
        let open =
            |name: &str| openat(&self.dir, name, OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
        let ours = fstat(&self.fifo)?;
        // The look first: opening whatever else may stand there could do something.
        if nix::sys::stat::fstatat(&self.dir, name.as_str(), nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|there| is_same(&there, &ours))
        {
            let end = open(&name)?;
            if is_same(&fstat(&end)?, &ours) {
                return Ok(end.into());
            }
        }
        clear(&self.dir, &name)?;
        self.fifo = open_fifo(&self.dir, &name)?;
        Ok(open(&name)?.into())
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
        let _ = unlinkat(&self.dir, fifo_name(&self.stem).as_str(), UnlinkatFlags::NoRemoveDir);
    }

    fn step(&mut self) -> io::Result<usize> {
        let mut ready = [PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::ZERO)? == 0 {
            return Ok(0);
        }
        if self.lost > 0 {
            let notice = format!("\n[baton: {} bytes of output were lost, no room for logs]\n", self.lost);
            let file = self.file()?;
            // Whoever made room may have cut this very file.
            let end = file.seek(SeekFrom::End(0))?;
            file.write_all(notice.as_bytes())?;
            self.size = end + notice.len() as u64;
            self.lost = 0;
        }
        if self.size >= self.max_bytes {
            self.rotate()?;
        }
        self.file()?;
        let room = usize::try_from(self.max_bytes.saturating_sub(self.size)).unwrap_or(CHUNK).clamp(1, CHUNK);
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
            let mut file = open_log(&self.dir, &format!("{}.{}", self.stem, self.index))?;
            self.size = file.seek(SeekFrom::End(0))?;
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rotate(&mut self) -> io::Result<()> {
        // The oldest goes first: on a full disk that is the room for the next.
        for index in indexed(&self.path, &self.stem)? {
            if index.saturating_add(self.max_files) <= self.index + 1 {
                let _ = clear(&self.dir, &format!("{}.{index}", self.stem));
            }
        }
        self.file = None;
        self.index = (self.index + 1).min(INDEX_MAX);
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

fn fifo_name(stem: &str) -> String {
    format!(".{stem}.fifo")
}

/// Opens the FIFO, making it first where nothing is. What else stands there is an error.
fn open_fifo(dir: &File, name: &str) -> io::Result<File> {
    match mkfifoat(dir, name, Mode::from_bits_truncate(0o600)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fifo = openat(dir, name, flags, Mode::empty());
    match fifo.and_then(|fifo| Ok((fstat(&fifo)?, fifo))) {
        Ok((stat, fifo)) if kind(&stat) == SFlag::S_IFIFO => Ok(fifo.into()),
        Ok(_) | Err(Errno::ELOOP | Errno::EMLINK | Errno::EISDIR) => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{name} is no FIFO")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens a log file for writing. A link, a second name of another file, a device or a FIFO in its place is removed.
fn open_log(dir: &File, name: &str) -> io::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o644);
    match openat(dir, name, flags, mode).and_then(|file| Ok((fstat(&file)?, file))) {
        Ok((stat, file)) if kind(&stat) == SFlag::S_IFREG && stat.st_nlink == 1 => return Ok(file.into()),
        Ok(_) | Err(Errno::ELOOP | Errno::EMLINK | Errno::ENXIO | Errno::EISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    clear(dir, name)?;
    Ok(openat(dir, name, flags | OFlag::O_EXCL, mode)?.into())
}

/// Takes a name away, whatever it is.
fn clear(dir: &File, name: &str) -> io::Result<()> {
    match unlinkat(dir, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => Ok(unlinkat(dir, name, UnlinkatFlags::RemoveDir)?),
        Err(error) => Err(error.into()),
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn is_same(one: &FileStat, other: &FileStat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// The numbers of a stream's files.
fn indexed(dir: &Path, stem: &str) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let index = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_prefix('.')?.parse::<u32>().ok());
        found.extend(index.filter(|index| *index < INDEX_MAX));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(dir: &Path, max_files: u32, max_bytes: u64) -> LogSpec {
        LogSpec { dir: dir.to_owned(), name: "t".into(), max_files, max_bytes, disabled: false }
    }

    fn names(dir: &Path) -> Vec<u32> {
        let mut all = indexed(dir, "t.stdout").unwrap();
        all.sort_unstable();
        all
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
    fn a_file_ends_exactly_at_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = Output::open(&spec(dir.path(), 10, 4), Stream::Stdout).unwrap();
        let mut task = output.task_end().unwrap();
        task.write_all(b"0123456789ab").unwrap();
        output.pump();
        // Full, and nothing came since: the next file is made by the next byte.
        assert_eq!(names(dir.path()), [0, 1, 2]);
        task.write_all(b"c").unwrap();
        output.pump();
        let text = |index: u32| std::fs::read_to_string(dir.path().join(format!("t.stdout.{index}"))).unwrap();
        assert_eq!([0, 1, 2, 3].map(text), ["0123", "4567", "89ab", "c"]);
        // Smaller limits meet a file that is over them already.
        output.limits(&spec(dir.path(), 1, 1));
        task.write_all(b"d").unwrap();
        output.pump();
        assert_eq!(names(dir.path()), [4]);
    }

    #[test]
    fn refuses_a_planted_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".t.stderr.fifo"), "").unwrap();
        assert!(Output::open(&spec(dir.path(), 1, 1), Stream::Stderr).is_err());
        std::fs::remove_file(dir.path().join(".t.stderr.fifo")).unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join(".t.stderr.fifo")).unwrap();
        assert!(Output::open(&spec(dir.path(), 1, 1), Stream::Stderr).is_err());
    }

    #[test]
    fn planted_names_lead_nowhere_and_stop_nothing() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("logs");
        std::fs::create_dir(&dir).unwrap();
        let victim = outer.path().join("victim");
        std::fs::write(&victim, "untouched").unwrap();
        let mut output = Output::open(&spec(&dir, 20, 4), Stream::Stdout).unwrap();
        let mut task = output.task_end().unwrap();
        std::os::unix::fs::symlink(&victim, dir.join("t.stdout.1")).unwrap();
        std::fs::hard_link(&victim, dir.join("t.stdout.2")).unwrap();
        nix::unistd::mkfifo(&dir.join("t.stdout.3"), Mode::S_IRWXU).unwrap();
        std::fs::create_dir(dir.join("t.stdout.4")).unwrap();
        std::fs::write(dir.join(format!("t.stdout.{}", u32::MAX)), "far away").unwrap();
        task.write_all(b"000011112222333344445555").unwrap();
        output.pump();
        let text = |index: u32| std::fs::read_to_string(dir.join(format!("t.stdout.{index}"))).unwrap();
        assert_eq!([0, 1, 2, 3, 4, 5].map(text), ["0000", "1111", "2222", "3333", "4444", "5555"]);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
        // A later keeper is not led astray either.
        drop(output);
        assert_eq!(Output::open(&spec(&dir, 20, 4), Stream::Stdout).unwrap().index, 5);
    }

    #[test]
    fn the_next_task_gets_a_fifo_whatever_the_last_one_left_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = Output::open(&spec(dir.path(), 1, 100), Stream::Stdout).unwrap();
        let fifo = dir.path().join(".t.stdout.fifo");
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "untouched").unwrap();
        for plant in [
            |_: &Path, _: &Path| {},
            |victim: &Path, fifo: &Path| {
                std::os::unix::fs::symlink(victim, fifo).unwrap();
            },
        ] {
            std::fs::remove_file(&fifo).unwrap();
            plant(&victim, &fifo);
            output.task_end().unwrap().write_all(b"said\n").unwrap();
            output.pump();
        }
        assert_eq!(std::fs::read_to_string(dir.path().join("t.stdout.0")).unwrap(), "said\nsaid\n");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    }
}
