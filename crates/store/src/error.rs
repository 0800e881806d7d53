//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use crate::row::RowError;
use crate::table::Table;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("data directory {} is in use by another agent{}; stop it or choose another data_dir", dir.display(), holder(*pid))]
    InUse { dir: PathBuf, pid: Option<u32> },
    #[error("cannot open {}: {source}; check its owner and permissions", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a readable database ({reason}); it was left as it is: restore a snapshot into an empty data directory", path.display())]
    Corrupt { path: PathBuf, reason: String },
    #[error("{} was written by a newer version (schema {found}, this program knows {known}); it was left as it is: use that version", path.display())]
    Newer { path: PathBuf, found: u64, known: u64 },
    #[error("cannot write the state: {0}; nothing was changed, the next write tries again")]
    Write(String),
    #[error("cannot write the state: {0}; whether the last change was kept shows when the file can be opened again")]
    Unsure(String),
    #[error("cannot read the state: {0}")]
    Read(String),
    #[error("row {key} of table {table}: {source}")]
    Row { table: &'static str, key: String, source: RowError },
    #[error("snapshot cannot be used: {0}")]
    Snapshot(String),
}

impl StoreError {
    pub fn row(table: Table, key: &[u8], source: RowError) -> Self {
        Self::Row { table: table.name(), key: key.escape_ascii().to_string(), source }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
