//! The limit on open descriptors: the keeper holds those of every task, a task starts with what the keeper started with.

use std::io;
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// As much as the keeper asks for.
const DESCRIPTORS_WANTED: rlim_t = 1 << 20;

/// The soft limit that this process was started with.
static FOUND: OnceLock<rlim_t> = OnceLock::new();

/// Raises the soft limit. What cannot be had is done without.
pub(crate) fn raise() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let found = *FOUND.get_or_init(|| soft);
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(DESCRIPTORS_WANTED).max(found), hard);
}

/// Back to what was found: for a task, or for the program that follows this one. Only makes system calls, so that it may be
/// called between fork and exec.
pub(crate) fn restore() -> io::Result<()> {
    let Some(found) = FOUND.get() else { return Ok(()) };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, (*found).min(hard), hard)?)
}
