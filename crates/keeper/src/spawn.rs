//! Starting a program behind a gate.
//!
//! The forked child reports its pid and waits; the keeper journals the pid, puts the child into its cgroup and only then
//! opens the gate. If the keeper dies before, the gate's other end closes and the child leaves without running anything.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::unistd::{Gid, Group, Uid, User};

use crate::protocol::StartSpec;

/// The first descriptor of socket activation (sd_listen_fds(3)).
const LISTEN_FDS_START: RawFd = 3;

const LAST_CLASSIC_SIGNAL: libc::c_int = 31;

/// Sets LISTEN_PID, which only the process itself knows, and becomes the program.
const LISTEN_PID_SCRIPT: &str = "LISTEN_PID=$$; export LISTEN_PID; exec \"$0\" \"$@\"";

/// The task's ends.
pub(crate) struct Ends {
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
    /// Duplicates to hand over, with their names.
    pub(crate) sockets: Vec<(String, OwnedFd)>,
}

/// Forks, calls `journal` with the pid while the child waits, then lets it run. `Ok` means that the program runs.
pub(crate) fn start(
    spec: &StartSpec,
    account: Account,
    notify: &str,
    ends: Ends,
    journal: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<()> {
    let cwd = std::fs::metadata(&spec.cwd)
        .map_err(|error| io::Error::new(error.kind(), format!("working directory {}: {error}", spec.cwd.display())))?;
    if !cwd.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is no directory", spec.cwd.display())));
    }
    let above = LISTEN_FDS_START + ends.sockets.len() as RawFd;
    // Everything made from here on lands above the range that the sockets will take in the child.
    let plugs = plug_below(above)?;
    let sockets: Vec<OwnedFd> = ends.sockets.iter().map(|(_, fd)| fd.try_clone()).collect::<io::Result<_>>()?;
    let (mut report, report_child) = std::io::pipe()?;
    let (gate_child, mut gate) = std::io::pipe()?;

    let mut command = if sockets.is_empty() {
        let mut command = Command::new(&spec.program);
        command.args(&spec.args);
        command
    } else {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(LISTEN_PID_SCRIPT).arg(&spec.program).args(&spec.args);
        command
    };
    command.env_clear().envs(&spec.env).env("NOTIFY_SOCKET", notify).current_dir(&spec.cwd);
    for name in ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"] {
        command.env_remove(name);
    }
    if !sockets.is_empty() {
        let names: Vec<&str> = ends.sockets.iter().map(|(name, _)| name.as_str()).collect();
        command.env("LISTEN_FDS", sockets.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
    }
    command.stdin(Stdio::null()).stdout(ends.stdout).stderr(ends.stderr);
    let inside = Inside { gate_far: gate.as_raw_fd(), gate: gate_child, report: report_child, sockets, account };
    prepare(&mut command, inside);

    std::thread::scope(|scope| {
        // `spawn` returns only after exec, for which the gate must open: it waits in a thread of its own. Moving the command
        // into the thread drops the child's ends there, so that a failed fork ends the report.
        let spawning = scope.spawn(move || command.spawn().map(|_| ()));
        let mut pid = [0u8; 4];
        let journaled = match report.read_exact(&mut pid) {
            Ok(()) => journal(i32::from_ne_bytes(pid)),
            // The fork failed; `spawn` says why.
            Err(_) => Ok(()),
        };
        if journaled.is_ok() {
            let _ = gate.write_all(&[1]);
        }
        drop(gate);
        let spawned = spawning.join().unwrap_or_else(|_| Err(io::Error::other("the starting thread panicked")));
        drop(plugs);
        journaled.and(spawned)
    })
}

/// Whom the task runs as.
pub(crate) struct Account {
    ids: Option<(Uid, Gid, Vec<Gid>)>,
}

impl Account {
    pub(crate) fn uid(&self) -> u32 {
        self.ids.as_ref().map_or_else(Uid::effective, |(uid, ..)| *uid).as_raw()
    }

    /// A name or number, perhaps with a group; empty is the keeper's own.
    pub(crate) fn of(text: &str) -> io::Result<Self> {
        if text.is_empty() {
            return Ok(Self { ids: None });
        }
        let unknown =
            |what: &str, name: &str| io::Error::new(io::ErrorKind::NotFound, format!("unknown {what} {name:?}"));
        let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
        let user = match name.parse::<u32>() {
            Ok(uid) => User::from_uid(Uid::from_raw(uid)),
            Err(_) => User::from_name(name),
        }?
        .ok_or_else(|| unknown("user", name))?;
        let gid = match group {
            Some(group) => match group.parse::<u32>() {
                Ok(gid) => Gid::from_raw(gid),
                Err(_) => Group::from_name(group)?.ok_or_else(|| unknown("group", group))?.gid,
            },
            None => user.gid,
        };
        if user.uid == Uid::effective() && gid == Gid::effective() {
            return Ok(Self { ids: None });
        }
        if !Uid::effective().is_root() {
            let text = format!("running as user {name:?} needs a keeper that runs as root");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let account = CString::new(user.name.as_str()).map_err(|_| unknown("user", name))?;
        let groups = nix::unistd::getgrouplist(&account, gid)?;
        Ok(Self { ids: Some((user.uid, gid, groups)) })
    }
}

/// What the child needs between fork and exec.
struct Inside {
    gate: io::PipeReader,
    /// The keeper's end of the gate, of which the child holds a copy that would keep it open.
    gate_far: RawFd,
    report: io::PipeWriter,
    sockets: Vec<OwnedFd>,
    account: Account,
}

#[allow(unsafe_code)]
fn prepare(command: &mut Command, inside: Inside) {
    // SAFETY: between fork and exec the closure makes only async-signal-safe system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || inside.run());
    }
}

impl Inside {
    #[allow(unsafe_code)]
    fn run(&self) -> io::Result<()> {
        let check = |result: libc::c_int| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        // SAFETY: closes this process's copy of a descriptor that nothing in the child uses.
        unsafe { libc::close(self.gate_far) };
        // SAFETY: plain system calls without pointers.
        check(unsafe { libc::setsid() })?;
        (&self.report).write_all(&(std::process::id() as i32).to_ne_bytes())?;
        let mut go = [0u8];
        if (&self.gate).read(&mut go)? != 1 {
            // SAFETY: ends this process at once; there is nobody left to report to.
            unsafe { libc::_exit(127) };
        }
        // What the keeper's starter ignored (nohup, a shell's background job) a task must be able to trap.
        for signal in 1..=LAST_CLASSIC_SIGNAL {
            // SAFETY: sets default dispositions in this process only; KILL and STOP answer with an error that does not matter.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        for (number, socket) in (LISTEN_FDS_START..).zip(&self.sockets) {
            // SAFETY: dup2 of a descriptor owned here onto a number that holds nothing the child needs; the copy is without
            // close-on-exec.
            check(unsafe { libc::dup2(socket.as_raw_fd(), number) })?;
        }
        crate::limits::restore()?;
        if let Some((uid, gid, groups)) = &self.account.ids {
            // SAFETY: `Gid` is a transparent `gid_t`; length and pointer belong to the same vector.
            check(unsafe { libc::setgroups(groups.len() as _, groups.as_ptr().cast()) })?;
            // SAFETY: plain system calls without pointers; the group goes first, while the right to do so is there.
            check(unsafe { libc::setgid(gid.as_raw()) })?;
            // SAFETY: as above.
            check(unsafe { libc::setuid(uid.as_raw()) })?;
        }
        Ok(())
    }
}

/// Occupies every free descriptor below `limit`.
fn plug_below(limit: RawFd) -> io::Result<Vec<OwnedFd>> {
    let null = File::open("/dev/null")?;
    let mut plugs = Vec::new();
    loop {
        let plug = null.as_fd().try_clone_to_owned()?;
        if plug.as_raw_fd() >= limit {
            return Ok(plugs);
        }
        plugs.push(plug);
    }
}

/// Runs a program that outlives this process: own session, no terminal, output to `log`.
pub(crate) fn detached(mut command: Command, log: File) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log));
    command.process_group(0);
    command.spawn()
}

/// Duplicates a descriptor whose number came over `execve`.
#[allow(unsafe_code)]
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    let check = |result: libc::c_int| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    // SAFETY: F_GETFD on any number is harmless and tells whether it is open.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: sets close-on-exec on an open descriptor.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: the number was left open for this program by its predecessor and is taken once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
