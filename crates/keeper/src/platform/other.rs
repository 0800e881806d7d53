//! Systems without cgroups, subreapers and splice: process groups and plain copies.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use baton_net::pid::ProcessId;

pub(crate) fn become_subreaper() {}

pub(crate) fn cgroup_root(_name: &str) -> Option<PathBuf> {
    None
}

pub(crate) fn cgroup_attach(_cgroup: &Path, _pid: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn cgroup_kill(_cgroup: &Path) {}

pub(crate) fn cgroup_remove(_cgroup: &Path) -> bool {
    true
}

/// Processes that belong to the task but left its process group cannot be found here.
pub(crate) fn remains(_leader: &ProcessId, _notify: &Path) -> Vec<i32> {
    Vec::new()
}

/// Nor can those that no task accounts for.
pub(crate) fn strays(_dir: &Path, _known: &BTreeSet<PathBuf>) -> Vec<i32> {
    Vec::new()
}

pub(crate) fn set_oom_score_adj(_pid: i32, _value: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn splice(_from: BorrowedFd<'_>, _to: BorrowedFd<'_>, _max: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn recover_sockets(_leader: &ProcessId, wanted: &[(String, u64)]) -> Vec<Option<OwnedFd>> {
    wanted.iter().map(|_| None).collect()
}
