//! The books of an HTTP/2 connection's streams: how many are open, and which wait for the client.

use crate::core::{Connection, WakeHandle};
use std::cell::Cell;
use std::rc::Rc;

/// What is known of a connection's streams.
pub(super) struct Streams {
    /// Requests that are not answered to the end.
    pub(super) open: Cell<usize>,
    /// Responses whose next piece waits for the client's window.
    pub(super) blocked: Cell<usize>,
    /// Pieces of responses that were taken so far.
    pub(super) moved: Cell<u64>,
    /// Wakes the connection's task.
    connection: WakeHandle,
}

impl Streams {
    pub(super) fn of(connection: &Connection) -> Self {
        let connection = connection.watch.handle();
        Self { open: Cell::new(0), blocked: Cell::new(0), moved: Cell::new(0), connection }
    }
}

/// One open stream.
pub(super) struct Open {
    streams: Rc<Streams>,
    blocked: bool,
}

impl Open {
    pub(super) fn new(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        Self { streams: streams.clone(), blocked: false }
    }

    /// A piece of the response went to the codec, which asks for the next one when the window allows. The connection
    /// has to know: its limit for clients that open no window runs from here.
    pub(super) fn block(&mut self) {
        if !std::mem::replace(&mut self.blocked, true) {
            self.streams.blocked.set(self.streams.blocked.get() + 1);
            self.streams.connection.wake();
        }
    }

    /// The codec asks for the next piece.
    pub(super) fn unblock(&mut self) {
        if std::mem::replace(&mut self.blocked, false) {
            self.streams.blocked.set(self.streams.blocked.get() - 1);
            self.streams.moved.set(self.streams.moved.get() + 1);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.unblock();
        self.streams.open.set(self.streams.open.get() - 1);
    }
}
