//! Identity of processes across restarts of the one who watches them.
//!
//! A pid alone may be reused; a pid with its start time and the boot it belongs to may not. On Linux the exit of a
//! process that is not a child is awaited by a pidfd; elsewhere [`PidWatch::fd`] is `None` and the caller polls
//! [`ProcessId::is_alive`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessId {
    pub pid: i32,
    /// In units of the system (clock ticks since boot on Linux); only good for comparing.
    pub start_time: u64,
}

impl ProcessId {
    /// Reads the identity of a living process.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, start_time: platform::start_time(pid)? })
    }

    /// The very same process still exists (a zombie does not count as alive).
    pub fn is_alive(&self) -> bool {
        platform::start_time(self.pid).is_ok_and(|time| time == self.start_time)
    }
}

/// Waits for the exit of a process that may be nobody's child here.
#[derive(Debug)]
pub struct PidWatch {
    fd: Option<OwnedFd>,
}

impl PidWatch {
    /// Starts to watch; the caller checks [`ProcessId::is_alive`] *after* this, so that no reuse slips between.
    pub fn open(pid: i32) -> Self {
        Self { fd: platform::pidfd(pid) }
    }

    /// Readable once the process has ended. `None` where the system has no such thing: poll instead.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }
}

/// Changes with every boot of the machine.
pub fn boot_id() -> io::Result<String> {
    platform::boot_id()
}

#[cfg(target_os = "linux")]
mod platform {
    use std::io;
    use std::os::fd::OwnedFd;

    /// Field 22 of `/proc/PID/stat` (proc(5)); the command name before it may hold anything, hence the search for `)`.
    pub(super) fn start_time(pid: i32) -> io::Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = fields.split_ascii_whitespace();
        if matches!(fields.next(), Some("Z" | "X")) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the process has ended"));
        }
        fields
            .nth(18)
            .and_then(|field| field.parse().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no start time in /proc/PID/stat"))
    }

    pub(super) fn boot_id() -> io::Result<String> {
        Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
    }

    #[allow(unsafe_code)]
    pub(super) fn pidfd(pid: i32) -> Option<OwnedFd> {
        use std::os::fd::FromRawFd;
        // SAFETY: the call takes two integers and returns a new descriptor (close-on-exec by definition) or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        // SAFETY: the descriptor was just made by the kernel and nobody else owns it.
        Some(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::io;
    use std::os::fd::OwnedFd;
    use std::process::Command;

    fn output(program: &str, args: &[&str]) -> io::Result<String> {
        let output = Command::new(program).args(args).output()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if text.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{program} said nothing")));
        }
        Ok(text)
    }

    pub(super) fn start_time(pid: i32) -> io::Result<u64> {
        let line = output("ps", &["-o", "stat=,lstart=", "-p", &pid.to_string()])?;
        let (state, started) = line.split_once(' ').unwrap_or((&line, ""));
        if state.starts_with('Z') {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the process has ended"));
        }
        let mut hasher = DefaultHasher::new();
        started.trim().hash(&mut hasher);
        Ok(hasher.finish())
    }

    pub(super) fn boot_id() -> io::Result<String> {
        output("sysctl", &["-n", "kern.boottime"])
    }

    pub(super) fn pidfd(_pid: i32) -> Option<OwnedFd> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn knows_itself_and_notices_an_end() {
        let me = ProcessId::of(std::process::id() as i32).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start_time: me.start_time + 1, ..me }.is_alive());

        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id() as i32).unwrap();
        assert!(id.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!id.is_alive());
        assert!(!boot_id().unwrap().is_empty());
    }
}
