//! What a client remembers across its own restarts: JSON files, replaced atomically.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use baton_model::Allocation;
use baton_model::alloc::AllocDeploymentStatus;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::task::Snapshot;

/// One allocation with everything needed to take it up again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AllocState {
    pub(crate) alloc: Allocation,
    /// Tasks that were begun.
    pub(crate) tasks: BTreeMap<String, Snapshot>,
    pub(crate) health: Option<AllocDeploymentStatus>,
    /// Every task is dead for good.
    pub(crate) ended: bool,
    /// Why it failed, where no task did.
    pub(crate) problem: Option<String>,
}

/// The file of an allocation below the client's directory.
pub(crate) fn path(dir: &Path, alloc_id: &str) -> PathBuf {
    dir.join("allocs").join(format!("{alloc_id}.json"))
}

/// All allocations that were known; an unreadable file is reported and left.
pub(crate) fn all(dir: &Path) -> io::Result<Vec<AllocState>> {
    let dir = dir.join("allocs");
    fs::create_dir_all(&dir)?;
    let mut states = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match read(&path) {
            Ok(state) => states.push(state),
            Err(error) => tracing::error!(%error, path = %path.display(), "an allocation's state cannot be read"),
        }
    }
    Ok(states)
}

pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// On disk, whole, when this returns.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut fresh = tempfile::NamedTempFile::new_in(parent)?;
    fresh.write_all(&serde_json::to_vec(value)?)?;
    fresh.as_file().sync_all()?;
    fresh.persist(path).map_err(|error| error.error)?;
    fs::File::open(parent)?.sync_all()
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_and_broken_files_do_not_stop_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        assert!(all(dir.path()).unwrap().is_empty());
        let state =
            AllocState { alloc: Allocation { id: "a".into(), ..Allocation::default() }, ..AllocState::default() };
        write(&path(dir.path(), "a"), &state).unwrap();
        fs::write(path(dir.path(), "b"), "{").unwrap();
        assert_eq!(all(dir.path()).unwrap(), [state]);
    }
}
