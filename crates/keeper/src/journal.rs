//! The journal: one JSON line per change, on disk before the change is acknowledged.
//!
//! The first line is a header with version and boot id. A torn last line (the keeper died while writing) was never
//! acknowledged and is ignored. The file is rewritten to its essence at every start and when it grows.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::KeeperError;
use crate::record::Record;

const VERSION: u32 = 1;

/// Rewritten when it has grown by this much.
const COMPACT_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    boot_id: String,
    grown: u64,
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
        let past = match std::fs::read_to_string(&path) {
            Ok(text) => read(&text, &path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Past::default(),
            Err(error) => return Err(KeeperError::path(&path)(error)),
        };
        let file = write_fresh(&path, boot_id, past.tasks.values()).map_err(KeeperError::path(&path))?;
        Ok((Self { path, file, boot_id: boot_id.to_owned(), grown: 0 }, past))
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
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let start = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            // Half a line must not swallow the next one.
            let _ = self.file.set_len(start);
            return Err(error);
        }
        self.grown += text.len() as u64;
        Ok(())
    }
}

fn write_fresh<'a>(path: &Path, boot_id: &str, tasks: impl Iterator<Item = &'a Record>) -> io::Result<File> {
    let fresh = path.with_extension("new");
    let mut text = serde_json::to_vec(&Header { version: VERSION, boot_id: boot_id.to_owned() })?;
    text.push(b'\n');
    for record in tasks {
        serde_json::to_writer(&mut text, &Line::Task(std::borrow::Cow::Borrowed(record)))?;
        text.push(b'\n');
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    OpenOptions::new().append(true).open(path)
}

fn read(text: &str, path: &Path) -> Result<Past, KeeperError> {
    let mut lines = text.lines();
    let Some(header) = lines.next().and_then(|line| serde_json::from_str::<Header>(line).ok()) else {
        return Ok(Past::default());
    };
    if header.version > VERSION {
        return Err(KeeperError::JournalVersion { path: path.to_owned(), found: header.version, known: VERSION });
    }
    let mut past = Past { boot_id: header.boot_id, ..Past::default() };
    for line in lines {
        match serde_json::from_str(line) {
            Ok(Line::Task(record)) => {
                past.tasks.insert(record.key.clone(), record.into_owned());
            }
            Ok(Line::Forget(key)) => {
                past.tasks.remove(&key);
            }
            // Only the last line can be torn, and what it said was never acknowledged.
            Err(_) => {}
        }
    }
    Ok(past)
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
    fn refuses_a_newer_version() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("journal"), "{\"version\":9,\"boot_id\":\"\"}\n").unwrap();
        assert!(matches!(Journal::open(dir.path(), "b"), Err(KeeperError::JournalVersion { found: 9, .. })));
    }
}
