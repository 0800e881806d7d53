//! The server side: transports, connections, and the exchange of the generic path.
//!
//! The fast path (`conn::relay`) uses [`connect`] and the pool directly; everything else goes through [`forward`].

mod connect;
mod denied;
mod forward;
mod h1;
mod h2;
mod resolve;
mod transport;

pub use connect::{Connected, connect, connect_plain};
pub use denied::Denied;
pub use forward::{forward, replayable};
pub use h2::H2Pool;
pub use resolve::Resolver;
pub use transport::Transport;
