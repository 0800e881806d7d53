//! Linux: cgroup v2, subreaper, splice(2), pidfd_getfd(2), /proc.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use baton_net::pid::ProcessId;
use nix::libc;

/// Orphans of tasks become this process's children instead of init's.
#[allow(unsafe_code)]
pub(crate) fn become_subreaper() {
    // SAFETY: this prctl takes plain integers and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// An own subtree below this process's cgroup, if the v2 hierarchy is writable and can kill.
pub(crate) fn cgroup_root(name: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        (kind.split(' ').next()? == "cgroup2").then(|| place.split(' ').nth(4).map(str::to_owned))?
    })?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let root = Path::new(&mount).join(own.trim_start_matches('/')).join(name);
    fs::create_dir_all(&root).ok()?;
    if root.join("cgroup.kill").exists() {
        return Some(root);
    }
    let _ = fs::remove_dir(&root);
    None
}

pub(crate) fn cgroup_attach(cgroup: &Path, pid: i32) -> io::Result<()> {
    fs::create_dir_all(cgroup)?;
    fs::write(cgroup.join("cgroup.procs"), pid.to_string())
}

pub(crate) fn cgroup_kill(cgroup: &Path) {
    let _ = fs::write(cgroup.join("cgroup.kill"), "1");
}

/// True once it is gone; it stays while the killed are still dying.
pub(crate) fn cgroup_remove(cgroup: &Path) -> bool {
    match fs::remove_dir(cgroup) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Living processes of the task's session, and those elsewhere that still carry its notification socket in their
/// environment.
pub(crate) fn remains(leader: &ProcessId, notify: &Path) -> Vec<i32> {
    let mark = format!("NOTIFY_SOCKET={}\0", notify.display()).into_bytes();
    // A number is not given away while a session bears it: once a stranger has it, nobody of that session is left.
    let taken = ProcessId::of(leader.pid).is_ok_and(|now| now != *leader);
    pids()
        .filter(|pid| {
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
            let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
            if matches!(fields.next(), Some("Z" | "X") | None) {
                return false;
            }
            let session = fields.nth(2).and_then(|field| field.parse::<i32>().ok());
            (session == Some(leader.pid) && !taken)
                || fs::read(format!("/proc/{pid}/environ"))
                    .is_ok_and(|environ| environ.windows(mark.len()).any(|window| window == mark))
        })
        .collect()
}

/// Living processes whose notification socket lies in `dir` and is none of `known`.
pub(crate) fn strays(dir: &Path, known: &BTreeSet<PathBuf>) -> Vec<i32> {
    let socket = |pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let value = environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"NOTIFY_SOCKET="))?;
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(value)))
    };
    let lost = |path: PathBuf| path.parent() == Some(dir) && !known.contains(&path);
    pids().filter(|pid| socket(pid).is_some_and(lost)).collect()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
}

pub(crate) fn set_oom_score_adj(pid: i32, value: i32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/oom_score_adj"), value.to_string())
}

/// Moves bytes from a pipe to a file within the kernel.
#[allow(unsafe_code)]
pub(crate) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
    // SAFETY: both descriptors are borrowed for the call; null offsets mean "at the file's own position".
    let count = unsafe {
        libc::splice(
            from.as_raw_fd(),
            std::ptr::null_mut(),
            to.as_raw_fd(),
            std::ptr::null_mut(),
            max,
            libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE,
        )
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Finds sockets by inode among the descriptors of a task's processes and duplicates them (needs the right to trace).
pub(crate) fn recover_sockets(leader: &ProcessId, wanted: &[(String, u64)]) -> Vec<Option<OwnedFd>> {
    let mut found: Vec<Option<OwnedFd>> = wanted.iter().map(|_| None).collect();
    let mut pids = remains(leader, Path::new("/nowhere"));
    pids.retain(|pid| *pid != leader.pid);
    pids.insert(0, leader.pid);
    for pid in pids {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let Ok(link) = fs::read_link(entry.path()) else { continue };
            let Some(inode) =
                link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok())
            else {
                continue;
            };
            let Some(slot) = wanted.iter().position(|(_, wanted)| *wanted == inode) else { continue };
            if found[slot].is_none()
                && let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
            {
                found[slot] = duplicate_from(pid, number);
            }
        }
    }
    found
}

#[allow(unsafe_code)]
fn duplicate_from(pid: i32, number: i32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes integers and returns a new descriptor or -1.
    let pidfd = i32::try_from(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) }).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // SAFETY: pidfd_getfd takes integers and returns a new descriptor (close-on-exec) or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: as above.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}
