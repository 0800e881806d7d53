//! The engine on loopback sockets, against scripted servers and clients that speak raw bytes.

mod basic_auth;
mod buffering;
mod compress;
mod denied;
mod detours;
mod drain;
mod framing;
mod hostile;
mod hostile_http2;
mod http2;
mod limits;
mod middlewares;
mod paths;
mod relaying;
mod reload;
mod services;
mod support;
mod tls;
