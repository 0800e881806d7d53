//! What can go wrong at the keeper's boundary.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("cannot use {path}: {source}", path = path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("another keeper runs on {}: stop it first, or use another directory", .0.display())]
    Locked(PathBuf),
    #[error("the journal {path} is of version {found}, this program reads version {known}: run the newer program", path = path.display())]
    JournalVersion { path: PathBuf, found: u32, known: u32 },
    #[error("no keeper answers at {path}: {source}", path = path.display())]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("the keeper ended at once ({status}): {reason}")]
    Ended { status: std::process::ExitStatus, reason: String },
    #[error("the keeper speaks protocol {found}, this program {known}: restart the older of the two")]
    ProtocolVersion { found: u32, known: u32 },
    #[error("bad message from the other side: {0}")]
    Protocol(String),
    #[error("{0}")]
    Refused(String),
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
}

impl KeeperError {
    pub(crate) fn path(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Path { path, source }
    }

    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
