//! The receiving side of systemd's notification protocol (sd_notify(3)).
//!
//! One datagram socket per task. Input: datagrams of `KEY=value` lines, perhaps with descriptors; output:
//! [`Notification`]s with the sender's credentials where the system tells them. Nothing a task sends can block or
//! panic the receiver; descriptors that no `FDSTORE=1` claims are closed.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::fds;

/// Longest datagram that is read; the rest is cut off, as systemd does.
pub const MESSAGE_MAX: usize = 4096;

/// The name of a stored descriptor without `FDNAME=`.
pub const DEFAULT_FD_NAME: &str = "stored";

/// Longest `FDNAME`, as in systemd.
pub const FD_NAME_MAX: usize = 255;

/// A bound notification socket. The path stays when this is dropped: its successor binds over it.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

/// One datagram.
#[derive(Debug, Default)]
pub struct Notification {
    /// The sender, where the system says it.
    pub pid: Option<i32>,
    /// As whom it sent, where the system says it.
    pub uid: Option<u32>,
    pub fields: Vec<(String, String)>,
    pub fds: Vec<OwnedFd>,
}

impl NotifySocket {
    /// Binds at `path`, replacing an old socket there without a moment in which nobody listens.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let fresh = path.with_extension("new");
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&fresh)?;
        // Any user that a task runs as may write; who it was is checked by credentials.
        std::fs::set_permissions(&fresh, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
        std::fs::rename(&fresh, path)?;
        Self::adopt(socket, path)
    }

    /// Takes over a socket that is bound at `path` already (after an upgrade by `execve`).
    pub fn adopt(socket: UnixDatagram, path: &Path) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        #[cfg(target_os = "linux")]
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::PassCred, &true)?;
        Ok(Self { socket, path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next datagram, or `None` when nothing waits.
    pub fn receive(&self) -> io::Result<Option<Notification>> {
        let mut buffer = [0u8; MESSAGE_MAX];
        let mut payload = [IoSliceMut::new(&mut buffer)];
        let mut space = vec![0u8; control_space()];
        let message = match recvmsg::<()>(
            self.socket.as_raw_fd(),
            &mut payload,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(message) => message,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut notification = Notification::default();
        for control in message.cmsgs().map_err(io::Error::from)? {
            match control {
                ControlMessageOwned::ScmRights(raw) => notification.fds.extend(fds::own(&raw)),
                #[cfg(target_os = "linux")]
                ControlMessageOwned::ScmCredentials(credentials) => {
                    notification.pid = Some(credentials.pid());
                    notification.uid = Some(credentials.uid());
                }
                _ => {}
            }
        }
        let bytes = message.bytes;
        notification.fields = parse(&buffer[..bytes]);
        Ok(Some(notification))
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Notification {
    /// A datagram without a sender and without descriptors.
    pub fn read(message: &[u8]) -> Self {
        Self { fields: parse(message), ..Self::default() }
    }

    /// The last value of a field, as systemd takes it.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn is_set(&self, key: &str) -> bool {
        self.get(key) == Some("1")
    }

    /// `FDNAME`, or the default for a bad or missing one.
    pub fn fd_name(&self) -> &str {
        self.get("FDNAME").filter(|name| valid_fd_name(name)).unwrap_or(DEFAULT_FD_NAME)
    }
}

/// Printable ASCII without `:`, which parts the names in `LISTEN_FDNAMES`.
fn valid_fd_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= FD_NAME_MAX && name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b':')
}

fn parse(message: &[u8]) -> Vec<(String, String)> {
    String::from_utf8_lossy(message)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn control_space() -> usize {
    let rights = nix::cmsg_space!([RawFd; fds::FDS_PER_MESSAGE]).capacity();
    // Room for credentials beside the descriptors.
    rights + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (tempfile_path::Dir, NotifySocket, UnixDatagram) {
        let dir = tempfile_path::Dir::new();
        let socket = NotifySocket::bind(&dir.0.join("n")).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(socket.path()).unwrap();
        (dir, socket, sender)
    }

    mod tempfile_path {
        use std::path::PathBuf;
        use std::sync::atomic::{AtomicU32, Ordering};

        pub(super) struct Dir(pub(super) PathBuf);

        impl Dir {
            pub(super) fn new() -> Self {
                static NEXT: AtomicU32 = AtomicU32::new(0);
                let name = format!("bn-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
                let path = std::env::temp_dir().join(name);
                std::fs::create_dir_all(&path).unwrap();
                Self(path)
            }
        }

        impl Drop for Dir {
            fn drop(&mut self) {
                let _ = std::fs::remove_dir_all(&self.0);
            }
        }
    }

    #[test]
    fn reads_fields_and_the_senders_pid() {
        let (_dir, socket, sender) = pair();
        sender.send(b"READY=1\nSTATUS=a=b\nnonsense\n").unwrap();
        let message = socket.receive().unwrap().unwrap();
        assert!(message.is_set("READY"));
        assert_eq!(message.get("STATUS"), Some("a=b"));
        assert_eq!(message.fields.len(), 2);
        #[cfg(target_os = "linux")]
        assert_eq!(message.pid, Some(std::process::id() as i32));
        assert!(socket.receive().unwrap().is_none());
    }

    #[test]
    fn hostile_names_become_the_default() {
        for text in ["FDNAME=a:b", "FDNAME=", "FDNAME=\u{1}", "FDNAME=é"] {
            let message = Notification { fields: parse(text.as_bytes()), ..Notification::default() };
            assert_eq!(message.fd_name(), DEFAULT_FD_NAME, "{text}");
        }
        let message = Notification { fields: parse(b"FDNAME=web.0"), ..Notification::default() };
        assert_eq!(message.fd_name(), "web.0");
    }

    #[test]
    fn a_second_bind_takes_the_path_over() {
        let (dir, old, _sender) = pair();
        let fresh = NotifySocket::bind(&dir.0.join("n")).unwrap();
        drop(old);
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"READY=1", fresh.path()).unwrap();
        assert!(fresh.receive().unwrap().unwrap().is_set("READY"));
    }
}
