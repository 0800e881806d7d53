//! The keeper replaces its own program: descriptors stay open over `execve`, a manifest says which is which.
//!
//! The pid stays the same, so children stay children. The manifest is only believed by the very process that wrote it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use baton_net::pid::ProcessId;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::{Deserialize, Serialize};

use crate::spawn;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    pid: i32,
    start_time: u64,
    fds: BTreeMap<String, Vec<(String, RawFd)>>,
}

/// Descriptors by group (`listener`, `lock`, `notify`, or `store` and a task's key) and name.
pub(crate) type Kept = BTreeMap<String, Vec<(String, OwnedFd)>>;

fn path(dir: &Path) -> PathBuf {
    dir.join("upgrade.json")
}

/// Becomes `program` with this process's arguments. Returns only on failure, with everything as before.
pub(crate) fn exec(
    dir: &Path,
    program: &Path,
    fds: &BTreeMap<String, Vec<(String, BorrowedFd<'_>)>>,
) -> io::Result<Infallible> {
    let me = ProcessId::of(std::process::id() as i32)?;
    let numbers =
        |list: &Vec<(String, BorrowedFd<'_>)>| list.iter().map(|(name, fd)| (name.clone(), fd.as_raw_fd())).collect();
    let manifest = Manifest {
        pid: me.pid,
        start_time: me.start_time,
        fds: fds.iter().map(|(group, list)| (group.clone(), numbers(list))).collect(),
    };
    std::fs::write(path(dir), serde_json::to_vec(&manifest)?)?;
    let flags = |flag| -> io::Result<()> {
        for (_, fd) in fds.values().flatten() {
            fcntl(fd.as_fd(), FcntlArg::F_SETFD(flag))?;
        }
        Ok(())
    };
    let result = flags(FdFlag::empty()).and_then(|()| {
        let program = c_string(program.as_os_str().to_owned())?;
        let mut args = vec![program.clone()];
        for arg in std::env::args_os().skip(1) {
            args.push(c_string(arg)?);
        }
        crate::limits::restore()?;
        nix::unistd::execv(&program, &args).map_err(io::Error::from)
    });
    crate::limits::raise();
    flags(FdFlag::FD_CLOEXEC)?;
    let _ = std::fs::remove_file(path(dir));
    result
}

/// What the predecessor in this very process left open.
pub(crate) fn take(dir: &Path) -> io::Result<Kept> {
    let text = match std::fs::read(path(dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::new()),
        Err(error) => return Err(error),
    };
    // Left on a full disk or by a crash it harms nobody: it names the one process that may believe it.
    let _ = std::fs::remove_file(path(dir));
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else { return Ok(Kept::new()) };
    let me = ProcessId::of(std::process::id() as i32)?;
    if manifest.pid != me.pid || manifest.start_time != me.start_time {
        return Ok(Kept::new());
    }
    manifest
        .fds
        .into_iter()
        .map(|(group, list)| {
            let list = list
                .into_iter()
                .map(|(name, number)| Ok((name, spawn::inherited(number)?)))
                .collect::<io::Result<Vec<_>>>()?;
            Ok((group, list))
        })
        .collect()
}

fn c_string(text: std::ffi::OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(|_| io::ErrorKind::InvalidInput.into())
}
