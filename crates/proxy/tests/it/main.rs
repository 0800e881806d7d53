//! The engine on loopback sockets, against scripted servers and clients that speak raw bytes.

mod drain;
mod framing;
mod http2;
mod middlewares;
mod relaying;
mod reload;
mod support;
mod tls;
