//! Telling the supervisor how this process is doing (`sd_notify`), and giving it listening sockets to hold.
//!
//! Output is one datagram per call on the socket that `NOTIFY_SOCKET` names. Without that variable nothing is sent, and
//! every call succeeds.

use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// The supervisor's socket.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<(OwnedFd, UnixAddr)>,
}

impl Supervisor {
    /// The supervisor that the environment names; none is fine.
    pub fn from_environment() -> io::Result<Self> {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(path) if !path.is_empty() => Self::at(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())),
            _ => Ok(Self { socket: None }),
        }
    }

    /// The supervisor at a path, or at a name in the abstract name space (`@name`, Linux).
    pub fn at(path: &[u8]) -> io::Result<Self> {
        let address = match path.split_first() {
            #[cfg(target_os = "linux")]
            Some((b'@', name)) => UnixAddr::new_abstract(name)?,
            _ => UnixAddr::new(path)?,
        };
        let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::empty(), None)?;
        nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
        Ok(Self { socket: Some((socket, address)) })
    }

    /// Whether anybody listens.
    pub fn is_present(&self) -> bool {
        self.socket.is_some()
    }

    /// Started, sockets open, first configuration in force. `full_reload`: SIGHUP re-reads everything, so that a changed
    /// configuration file needs no replacement of the process.
    pub fn ready(&self, full_reload: bool) -> io::Result<()> {
        let text = if full_reload { "READY=1\nX-BATON-RELOAD=full\n" } else { "READY=1\n" };
        self.send(text, None)
    }

    /// Not accepting on the sockets that are shared with a predecessor or successor. `private` says where this process is
    /// reached alone meanwhile: the port of a shared socket and the address that answers as it would.
    pub fn standing_by(&self, private: &[(u16, SocketAddr)]) -> io::Result<()> {
        let pairs: Vec<String> = private.iter().map(|(port, address)| format!("{port}={address}")).collect();
        self.send(&format!("X-BATON-STANDBY=1\nX-BATON-PRIVATE={}\n", pairs.join(" ")), None)
    }

    /// Accepting on all sockets.
    pub fn accepting(&self) -> io::Result<()> {
        self.send("X-BATON-STANDBY=0\n", None)
    }

    /// On the way down.
    pub fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1\n", None)
    }

    /// One line about what it does.
    pub fn status(&self, text: &str) -> io::Result<()> {
        self.send(&format!("STATUS={}\n", text.replace('\n', " ")), None)
    }

    /// Stores a duplicate of a descriptor under a name (letters, digits, `.`, `-`, `_`; at most 255).
    pub fn store(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
        let valid =
            !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !valid {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name:?} is not a name for a stored descriptor"),
            ));
        }
        self.send(&format!("FDSTORE=1\nFDNAME={name}\n"), Some(fd))
    }

    fn send(&self, text: &str, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let Some((socket, address)) = &self.socket else { return Ok(()) };
        let fds: Vec<_> = fd.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let control: &[_] = if fds.is_empty() { &[] } else { &rights };
        loop {
            match sendmsg(
                socket.as_raw_fd(),
                &[IoSlice::new(text.as_bytes())],
                control,
                MsgFlags::empty(),
                Some(address),
            ) {
                Ok(_) => return Ok(()),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify_socket::NotifySocket;
    use std::os::fd::AsFd;

    #[test]
    fn a_supervisor_gets_state_and_sockets() {
        let path = std::env::temp_dir().join(format!("baton-notify-{}", std::process::id()));
        let receiver = NotifySocket::bind(&path).unwrap();
        let supervisor = Supervisor::at(path.as_os_str().as_encoded_bytes()).unwrap();
        let listener = crate::listen::tcp("127.0.0.1:0".parse().unwrap(), 16, crate::listen::Sharing::Group).unwrap();
        supervisor.store("web.0", listener.as_fd()).unwrap();
        supervisor.ready(true).unwrap();
        assert!(supervisor.store("a:b", listener.as_fd()).is_err());
        let stored = receiver.receive().unwrap().unwrap();
        assert_eq!(stored.fd_name(), "web.0");
        assert_eq!(stored.fds.len(), 1);
        let copy = std::net::TcpListener::from(stored.fds.into_iter().next().unwrap());
        assert_eq!(copy.local_addr().unwrap(), listener.local_addr().unwrap());
        let ready = receiver.receive().unwrap().unwrap();
        assert!(ready.is_set("READY"));
        assert_eq!(ready.get("X-BATON-RELOAD"), Some("full"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn without_a_supervisor_every_call_succeeds() {
        let nobody = Supervisor { socket: None };
        nobody.ready(false).unwrap();
        nobody.stopping().unwrap();
    }
}
