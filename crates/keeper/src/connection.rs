//! One client's connection: non-blocking, bounded both ways.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::KeeperError;
use crate::protocol::{Call, Decoder, Message, encode};

/// A client that does not read loses its connection here; it subscribes anew and gets the whole state.
const UNSENT_MAX: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    decoder: Decoder,
    unsent: Vec<u8>,
    pub(crate) greeted: bool,
    pub(crate) subscribed: bool,
    pub(crate) closed: bool,
}

impl Connection {
    pub(crate) fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            decoder: Decoder::default(),
            unsent: Vec::new(),
            greeted: false,
            subscribed: false,
            closed: false,
        })
    }

    /// The calls that have arrived; a broken peer is closed.
    pub(crate) fn read(&mut self) -> Vec<Call> {
        let mut buffer = [0u8; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => self.decoder.push(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.closed = true,
        }
        let mut calls = Vec::new();
        loop {
            match self.decoder.message() {
                Ok(Some(call)) => calls.push(call),
                Ok(None) => return calls,
                Err(_) => {
                    self.closed = true;
                    return calls;
                }
            }
        }
    }

    pub(crate) fn send(&mut self, message: &Message) {
        let frame: Result<Vec<u8>, KeeperError> = encode(message);
        match frame {
            Ok(frame) if self.unsent.len() + frame.len() <= UNSENT_MAX => self.unsent.extend_from_slice(&frame),
            _ => self.closed = true,
        }
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    pub(crate) fn wants_write(&self) -> bool {
        !self.unsent.is_empty()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
