//! The journal: one JSON line per change, on disk before the change is acknowledged.
//!
//! The first line is a header with version and boot id. A torn last line (the keeper died while writing) was never
//! acknowledged and is ignored. The file is rewritten to its essence at every start and when it grows; on a full disk it is
//! kept as it is. Of a damaged file every line that can be read counts, and a copy of it is kept beside: a task that is known
//! can be told apart from a stranger by pid and start time, one that is forgotten runs on without anybody.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::KeeperError;
use crate::record::Record;
use crate::warn;

const VERSION: u32 = 1;

/// Rewritten when it has grown by this much.
const COMPACT_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    boot_id: String,
    grown: u64,
    /// The file may end in half a line.
    torn: bool,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    boot_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one lives at a time, on the stack")]
enum Line<'a> {
    Task(std::borrow::Cow<'a, Record>),
    Forget(String),
}

/// What an earlier keeper left.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Past {
    pub(crate) tasks: BTreeMap<String, Record>,
    /// Empty when there was no journal.
    pub(crate) boot_id: String,
}

impl Journal {
    /// Reads what is there and starts a fresh file with the same content.
    pub(crate) fn open(dir: &Path, boot_id: &str) -> Result<(Self, Past), KeeperError> {
        let path = dir.join("journal");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(KeeperError::path(&path)(error)),
        };
        let (past, damaged) = read(&bytes, boot_id, &path)?;
        if damaged > 0 {
            let copy = path.with_extension("damaged");
            let kept = std::fs::copy(&path, &copy).map(|_| format!("; a copy is {}", copy.display()));
            warn(&format!("{damaged} lines of {} cannot be read{}", path.display(), kept.unwrap_or_default()));
        }
        let torn = bytes.last().is_some_and(|byte| *byte != b'\n');
        let (file, torn) = match write_fresh(&path, boot_id, past.tasks.values()) {
            Ok(file) => (file, false),
            Err(error) if past.boot_id == boot_id && !bytes.is_empty() => {
                warn(&format!("{} stays as it is: {error}", path.display()));
                (OpenOptions::new().append(true).open(&path).map_err(KeeperError::path(&path))?, torn)
            }
            Err(error) => return Err(KeeperError::path(&path)(error)),
        };
        Ok((Self { path, file, boot_id: boot_id.to_owned(), grown: 0, torn }, past))
    }

    /// On disk when this returns.
    pub(crate) fn put(&mut self, record: &Record) -> io::Result<()> {
        self.append(&Line::Task(std::borrow::Cow::Borrowed(record)))
    }

    pub(crate) fn forget(&mut self, key: &str) -> io::Result<()> {
        self.append(&Line::Forget(key.to_owned()))
    }

    /// Rewrites the file if it is mostly history.
    pub(crate) fn compact<'a>(&mut self, tasks: impl Iterator<Item = &'a Record>) -> io::Result<()> {
        if self.grown < COMPACT_BYTES {
            return Ok(());
        }
        self.file = write_fresh(&self.path, &self.boot_id, tasks)?;
        self.grown = 0;
        Ok(())
    }

    fn append(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut text = if self.torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        let start = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            // Half a line must not swallow the next one.
            self.torn |= self.file.set_len(start).is_err();
            return Err(error);
        }
        self.torn = false;
        self.grown += text.len() as u64;
        Ok(())
    }
}

/// The new file, already under the journal's name: after the renaming nothing may fail any more, or what is written
/// later would go to a file without a name.
fn write_fresh<'a>(path: &Path, boot_id: &str, tasks: impl Iterator<Item = &'a Record>) -> io::Result<File> {
    let fresh = path.with_extension("new");
    let mut text = serde_json::to_vec(&Header { version: VERSION, boot_id: boot_id.to_owned() })?;
    text.push(b'\n');
    for record in tasks {
        serde_json::to_writer(&mut text, &Line::Task(std::borrow::Cow::Borrowed(record)))?;
        text.push(b'\n');
    }
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let parent = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let mut file = options.open(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    if let Err(error) = parent.sync_all() {
        warn(&format!("{} may be an older one after a crash of the machine: {error}", path.display()));
    }
    Ok(file)
}

/// What the lines say, and how many of them cannot be read. Without a header the tasks count as of this boot.
fn read(bytes: &[u8], boot_id: &str, path: &Path) -> Result<(Past, usize), KeeperError> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
    let Some(first) = lines.next() else { return Ok((Past::default(), 0)) };
    let mut past = Past { boot_id: boot_id.to_owned(), ..Past::default() };
    let mut damaged = 0;
    match serde_json::from_slice::<Header>(first) {
        Ok(header) if header.version > VERSION => {
            return Err(KeeperError::JournalVersion { path: path.to_owned(), found: header.version, known: VERSION });
        }
        Ok(header) => past.boot_id = header.boot_id,
        Err(_) => damaged += 1,
    }
    while let Some(line) = lines.next() {
        match serde_json::from_slice(line) {
            Ok(Line::Task(record)) => {
                past.tasks.insert(record.key.clone(), record.into_owned());
            }
            Ok(Line::Forget(key)) => {
                past.tasks.remove(&key);
            }
            // Torn when the keeper died or the disk was full: never acknowledged.
            Err(_) if lines.peek().is_none() && !line.ends_with(b"\n") => {}
            Err(_) => damaged += 1,
        }
    }
    Ok((past, damaged))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, pid: i32) -> Record {
        Record { key: key.into(), pid, ..Record::default() }
    }

    #[test]
    fn remembers_and_forgets_across_opens() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, past) = Journal::open(dir.path(), "b1").unwrap();
        assert_eq!(past, Past::default());
        journal.put(&record("a", 1)).unwrap();
        journal.put(&record("b", 2)).unwrap();
        journal.put(&record("a", 3)).unwrap();
        journal.forget("b").unwrap();
        for boot in ["b1", "b2"] {
            let (_, past) = Journal::open(dir.path(), "b2").unwrap();
            assert_eq!(past.boot_id, boot);
            assert_eq!(past.tasks.values().collect::<Vec<_>>(), [&record("a", 3)]);
        }
    }

    #[test]
    fn ignores_a_torn_last_line() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), "b").unwrap();
        journal.put(&record("a", 1)).unwrap();
        journal.file.write_all(b"{\"task\":{\"key\":\"b\"").unwrap();
        let (_, past) = Journal::open(dir.path(), "b").unwrap();
        assert_eq!(past.tasks.len(), 1);
    }

    #[test]
    fn what_can_be_read_of_a_damaged_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = Journal::open(dir.path(), "b").unwrap();
        for (key, pid) in [("a", 1), ("b", 2), ("c", 3)] {
            journal.put(&record(key, pid)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let starts: Vec<usize> = std::iter::once(0)
            .chain(whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1))
            .collect();
        for (line, expected) in [(0, vec!["a", "b", "c"]), (2, vec!["a", "c"])] {
            let mut bytes = whole.clone();
            bytes[starts[line]..starts[line] + 4].copy_from_slice(&[0xff, 0, b'{', 0x80]);
            std::fs::write(&path, &bytes).unwrap();
            let (_, past) = Journal::open(dir.path(), "b").unwrap();
            assert_eq!((past.boot_id.as_str(), past.tasks.keys().map(String::as_str).collect()), ("b", expected));
            assert_eq!(std::fs::read(dir.path().join("journal.damaged")).unwrap(), bytes);
        }
        // Cut anywhere: what stands before the cut, and never an error.
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let (mut journal, past) = Journal::open(dir.path(), "b").unwrap();
            let lines = whole[..end].iter().filter(|byte| **byte == b'\n').count();
            assert!(past.tasks.len() + 1 >= lines && past.tasks.len() <= lines, "{end}: {past:?}");
            journal.put(&record("d", 4)).unwrap();
            assert!(Journal::open(dir.path(), "b").unwrap().1.tasks.contains_key("d"));
        }
    }

    #[test]
    fn a_file_that_cannot_be_rewritten_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), "b").unwrap();
        journal.put(&record("a", 1)).unwrap();
        journal.file.write_all(b"{\"task\":{\"key\":\"half").unwrap();
        // What stands in the way of the fresh file as a full disk would.
        std::fs::create_dir(dir.path().join("journal.new")).unwrap();
        let (mut journal, past) = Journal::open(dir.path(), "b").unwrap();
        assert_eq!(past.tasks.len(), 1);
        journal.put(&record("b", 2)).unwrap();
        let (_, past) = Journal::open(dir.path(), "b").unwrap();
        assert_eq!(past.tasks.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(Journal::open(dir.path(), "another boot").is_err());
    }

    #[test]
    fn refuses_a_newer_version() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("journal"), "{\"version\":9,\"boot_id\":\"\"}\n").unwrap();
        assert!(matches!(Journal::open(dir.path(), "b"), Err(KeeperError::JournalVersion { found: 9, .. })));
    }
}
