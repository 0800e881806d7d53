//! The HTTP faces over real sockets, with the real clients where they are at hand.

mod consul;
mod nomad;
