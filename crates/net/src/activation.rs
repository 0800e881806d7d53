//! Sockets that were open before this process: handed over by a predecessor or by the service manager.
//!
//! The protocol is systemd's: descriptors from 3 on, counted by `LISTEN_FDS`, named by `LISTEN_FDNAMES`, meant for the
//! process in `LISTEN_PID`. A task may be started through a wrapper script that keeps that id for itself; since the
//! keeper makes each task the leader of a process group, sockets meant for our group's leader are ours too.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// First descriptor of the protocol.
const FIRST: RawFd = 3;

/// Most descriptors taken over.
pub const SOCKETS_MAX: usize = 1024;

/// Inherited listening sockets by entry point name.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: HashMap<String, Vec<(usize, TcpListener)>>,
}

/// What the environment says about inherited descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Names in order of the descriptors; unnamed ones are called `unknown`.
    pub names: Vec<String>,
}

impl Announced {
    /// Reads the protocol's variables through `variable`; what is meant for none of `ours` is not announced to us.
    pub fn read(variable: impl Fn(&str) -> Option<String>, ours: &[i32]) -> Self {
        let none = Self { names: Vec::new() };
        let for_us = variable("LISTEN_PID").and_then(|text| text.parse().ok()).is_some_and(|pid| ours.contains(&pid));
        let Some(count) = variable("LISTEN_FDS").and_then(|text| text.parse::<usize>().ok()).filter(|_| for_us) else {
            return none;
        };
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(|name| if name.is_empty() { "unknown" } else { name }.to_owned());
        Self {
            names: (0..count.min(SOCKETS_MAX)).map(|_| names.next().unwrap_or_else(|| "unknown".to_owned())).collect(),
        }
    }
}

impl Inherited {
    /// Takes over what the environment announces. To be called once, early, before other threads run.
    pub fn from_environment() -> Self {
        let ours = [nix::unistd::getpid().as_raw(), nix::unistd::getpgrp().as_raw()];
        let announced = Announced::read(|name| std::env::var(name).ok(), &ours);
        Self::adopt(&announced)
    }

    /// Takes over the announced descriptors that are listening sockets; others are left alone.
    #[allow(unsafe_code)]
    fn adopt(announced: &Announced) -> Self {
        let mut inherited = Self::default();
        for (index, name) in announced.names.iter().enumerate() {
            let fd = FIRST + index as RawFd;
            // SAFETY: fcntl does not touch memory; a number that is no descriptor is answered with an error.
            if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
                continue;
            }
            // SAFETY: the descriptor is open (just checked), and by the protocol belongs to nobody else in this process.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            if let Ok(listener) = listening(fd) {
                inherited.add(name, listener);
            }
        }
        inherited
    }

    /// Adds a socket stored as `web.3` (or `web`).
    pub fn add(&mut self, stored: &str, socket: TcpListener) {
        let (name, index) = match stored.rsplit_once('.') {
            Some((name, index)) if !name.is_empty() => match index.parse() {
                Ok(index) => (name, index),
                Err(_) => (stored, 0),
            },
            _ => (stored, 0),
        };
        self.sockets.entry(name.to_owned()).or_default().push((index, socket));
    }

    /// Takes the sockets of an entry point, in the order of their numbers.
    pub fn take(&mut self, name: &str) -> Vec<TcpListener> {
        let mut sockets = self.sockets.remove(name).unwrap_or_default();
        sockets.sort_by_key(|(index, _)| *index);
        sockets.into_iter().map(|(_, socket)| socket).collect()
    }

    /// Names for which nobody asked; their sockets are still held.
    pub fn left(&self) -> Vec<&str> {
        self.sockets.keys().map(String::as_str).collect()
    }

    /// Whether nothing was inherited, or all of it was taken.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
}

fn listening(fd: OwnedFd) -> io::Result<TcpListener> {
    let socket = socket2::Socket::from(fd);
    // Only sockets that listen for TCP are of use; a datagram or connected socket has another reader.
    if socket.r#type()? != socket2::Type::STREAM || !listens(&socket)? {
        let _not_ours = std::mem::ManuallyDrop::new(socket);
        return Err(io::ErrorKind::InvalidInput.into());
    }
    socket.set_nonblocking(true)?;
    debug_assert!(socket.as_raw_fd() >= FIRST);
    Ok(socket.into())
}

#[cfg(target_os = "linux")]
fn listens(socket: &socket2::Socket) -> io::Result<bool> {
    socket.is_listener()
}

/// Where the system does not say, a bound socket without a peer is taken for a listener.
#[cfg(not(target_os = "linux"))]
fn listens(socket: &socket2::Socket) -> io::Result<bool> {
    Ok(socket.peer_addr().is_err() && socket.local_addr()?.as_socket().is_some_and(|address| address.port() != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn announced(variables: &[(&str, &str)], ours: &[i32]) -> Vec<String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Announced::read(find, ours).names
    }

    #[test]
    fn names_follow_the_protocol() {
        let systemd = [("LISTEN_PID", "7"), ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "web.0::api")];
        assert_eq!(announced(&systemd, &[7, 5]), ["web.0", "unknown", "api"]);
        assert!(announced(&systemd, &[8, 8]).is_empty());
        // Behind a wrapper script: the leader of our process group was meant.
        assert_eq!(announced(&systemd, &[9, 7]).len(), 3);
        assert!(announced(&[("LISTEN_PID", "7"), ("LISTEN_FDS", "x")], &[7]).is_empty());
        assert_eq!(announced(&[("LISTEN_PID", "7"), ("LISTEN_FDS", "99999999")], &[7]).len(), SOCKETS_MAX);
    }

    #[test]
    fn sockets_come_back_in_order_and_work() {
        let mut inherited = Inherited::default();
        let make = || crate::listen::tcp("127.0.0.1:0".parse().unwrap(), 16, crate::listen::Sharing::Group).unwrap();
        let (first, second) = (make(), make());
        let address = first.local_addr().unwrap();
        inherited.add("web.1", second);
        inherited.add("web.0", first);
        inherited.add("api.v2", make());
        let sockets = inherited.take("web");
        assert_eq!(sockets.len(), 2);
        assert_eq!(sockets[0].local_addr().unwrap(), address);
        assert_eq!(inherited.left(), ["api.v2"]);
        let mut client = std::net::TcpStream::connect(address).unwrap();
        sockets[0].set_nonblocking(false).unwrap();
        let (mut server, _) = sockets[0].accept().unwrap();
        server.write_all(b"x").unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }
}
