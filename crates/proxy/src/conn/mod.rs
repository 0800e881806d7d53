//! Client connections, from accept to close.
//!
//! A connection is one task on one core. It is told apart first (TLS or not, HTTP/1 or 2), then [`http1`] or [`http2`]
//! serves it. A request of HTTP/1.1 whose route needs heads only is relayed byte for byte ([`relay`]); everything else
//! becomes a [`Request`](crate::middleware::Request) for the chain ([`generic`]).

mod accept;
mod generic;
mod http1;
mod http2;
mod intake;
mod relay;
mod respond;
mod streams;
mod tunnel;

pub use accept::serve;
pub use intake::{Draft, Lookup};

use crate::core::{Connection, Core};
use crate::exchange::Peer;
use crate::io::{Outgoing, Stream};
use std::rc::Rc;

/// A client's connection while HTTP/1 is spoken.
pub struct Client {
    /// The core this runs on.
    pub core: Rc<Core>,
    /// List entry, deadline, wake-up.
    pub connection: Connection,
    /// Who it is.
    pub peer: Rc<Peer>,
    /// The stream with its buffers.
    pub io: ClientIo,
    /// Requests served so far.
    pub served: u32,
    /// Tick of the accept.
    pub since: u64,
}

/// Stream and buffers. Both buffers are empty, and hold no memory worth naming, while the connection is idle.
pub struct ClientIo {
    /// The byte stream.
    pub stream: Stream,
    /// Input that was read but not used.
    pub input: Vec<u8>,
    /// Output that the socket has not taken.
    pub out: Outgoing,
}

/// What becomes of the connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Next request.
    Keep,
    /// Close in good order: the client may still be sending.
    Close,
    /// Close at once: the response is incomplete, and the client must see that.
    Abort,
}
