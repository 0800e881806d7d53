//! Consul's face: by itself, against a real Consul, and with Consul's own command line.

mod agreement;
mod blocking;
mod cli;
mod http;
mod prober;
mod python;
mod stories;
mod support;
mod traefik;
