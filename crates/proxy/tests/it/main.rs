//! The engine on loopback sockets, against scripted servers and clients that speak raw bytes.

mod basic_auth;
mod breaker;
mod buffering;
mod compress;
mod content;
mod denied;
mod detours;
mod digest_auth;
mod drain;
mod framing;
mod health;
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
