//! Signals as bytes in a pipe, so that one poll loop sees them.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal};

static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The reading end. One per process.
#[derive(Debug)]
pub(crate) struct Signals {
    reader: PipeReader,
    _writer: PipeWriter,
}

impl Signals {
    /// Catches SIGCHLD, SIGTERM and SIGINT; SIGHUP is caught too, to no effect (an ignored signal would stay
    /// ignored in tasks).
    #[allow(unsafe_code)]
    pub(crate) fn catch() -> io::Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        for fd in [reader.as_fd(), writer.as_fd()] {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        PIPE.store(writer.as_raw_fd(), Ordering::SeqCst);
        let caught = SigAction::new(SigHandler::Handler(forward), SaFlags::SA_RESTART, SigSet::empty());
        // Over a limit on the size of files a write shall fail, not end the keeper.
        let ignored = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        // SAFETY: ignoring a signal runs no code.
        unsafe { nix::sys::signal::sigaction(Signal::SIGXFSZ, &ignored) }?;
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            // SAFETY: the handler only calls write(2) on a descriptor from an atomic: async-signal-safe.
            unsafe { nix::sys::signal::sigaction(signal, &caught) }?;
        }
        Ok(Self { reader, _writer: writer })
    }

    /// Those that came since the last call.
    pub(crate) fn take(&mut self) -> Vec<Signal> {
        let mut buffer = [0u8; 256];
        let count = self.reader.read(&mut buffer).unwrap_or(0);
        let mut signals: Vec<Signal> =
            buffer[..count].iter().filter_map(|byte| Signal::try_from(i32::from(*byte)).ok()).collect();
        signals.dedup();
        signals
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

#[allow(unsafe_code)]
extern "C" fn forward(signal: nix::libc::c_int) {
    let byte = signal as u8;
    let saved = nix::errno::Errno::last_raw();
    // SAFETY: one byte from the stack to a descriptor number; a full pipe already says what there is to say.
    unsafe { nix::libc::write(PIPE.load(Ordering::Relaxed), std::ptr::from_ref(&byte).cast(), 1) };
    nix::errno::Errno::set_raw(saved);
}
