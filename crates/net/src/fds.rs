//! Descriptors over Unix stream sockets.
//!
//! One message carries any number of descriptors: the kernel takes at most [`FDS_PER_MESSAGE`] at once, so a longer list
//! goes in several pieces, each with one byte of payload. The receiver says how many it expects; what came in surplus is
//! closed. Everything received is close-on-exec.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Linux's `SCM_MAX_FD` is 253.
pub const FDS_PER_MESSAGE: usize = 250;

/// Sends descriptors over a blocking stream; the receiver calls [`receive`] with the same count.
pub fn send(stream: &UnixStream, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    for piece in fds.chunks(FDS_PER_MESSAGE) {
        let raw: Vec<RawFd> = piece.iter().map(AsRawFd::as_raw_fd).collect();
        let payload = [IoSlice::new(b"f")];
        let control = [ControlMessage::ScmRights(&raw)];
        loop {
            match sendmsg::<()>(stream.as_raw_fd(), &payload, &control, MsgFlags::empty(), None) {
                Ok(_) => break,
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Receives `count` descriptors sent by [`send`] from a blocking stream.
pub fn receive(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut fds = Vec::with_capacity(count.min(FDS_PER_MESSAGE));
    while fds.len() < count {
        let mut byte = [0u8];
        let mut payload = [IoSliceMut::new(&mut byte)];
        let mut space = nix::cmsg_space!([RawFd; FDS_PER_MESSAGE]);
        let message =
            match recvmsg::<()>(stream.as_raw_fd(), &mut payload, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
                Ok(message) => message,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
        if message.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = fds.len();
        for control in message.cmsgs().map_err(io::Error::from)? {
            if let ControlMessageOwned::ScmRights(raw) = control {
                fds.extend(own(&raw));
            }
        }
        if fds.len() == before {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message without the descriptors it announced"));
        }
    }
    fds.truncate(count);
    Ok(fds)
}

/// Takes ownership of descriptors that a control message has just delivered.
#[allow(unsafe_code)]
pub(crate) fn own(raw: &[RawFd]) -> Vec<OwnedFd> {
    // SAFETY: the kernel installed these descriptors for this process in the message just read; nobody else owns them.
    raw.iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_thousand_descriptors_arrive_in_order() {
        let (left, right) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let null = File::open("/dev/null").unwrap();
        let mut fds: Vec<BorrowedFd<'_>> = vec![null.as_fd(); 399];
        fds.push(writer.as_fd());
        let sent = std::thread::scope(|scope| {
            let receiver = scope.spawn(|| receive(&right, 400).unwrap());
            send(&left, &fds).unwrap();
            receiver.join().unwrap()
        });
        assert_eq!(sent.len(), 400);
        let mut last = File::from(sent.into_iter().next_back().unwrap());
        last.write_all(b"x").unwrap();
        drop((last, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }
}
