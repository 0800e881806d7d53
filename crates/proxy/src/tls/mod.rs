//! TLS toward clients: certificates by name, options by name, ticket keys for all cores.
//!
//! A handshake asks [`choose`] with the client's server name and gets a ready `ServerConfig`. Everything is built when a
//! configuration is applied and shared by all cores; connections that are open keep what they were made with. The crypto
//! provider is named in one place ([`provider`]).

mod certificates;
mod client;
mod names;
mod server;

pub use certificates::Certificates;
pub use client::client_config;

use crate::snapshot::Snapshot;
use baton_routing::config::ClientAuthMode;
use baton_routing::table::NamedTlsOptions;
use baton_routing::{Kind, Problem, RouteTable, Severity};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The crypto provider of every TLS connection.
pub fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// Certificates and options of one configuration.
#[derive(Default)]
pub struct TlsState {
    /// Certificates by name.
    pub certificates: Arc<Certificates>,
    configs: HashMap<Arc<str>, Prepared>,
}

/// One set of options; without a configuration where they are unusable.
///
/// Each has ticket keys of its own: a session that began under other options, or under these before they changed, is not
/// resumed, so that nobody gets around a client certificate or a protocol version that way.
struct Prepared {
    options: Arc<NamedTlsOptions>,
    config: Option<Arc<ServerConfig>>,
    tickets: Option<Arc<dyn ProducesTickets>>,
}

/// What a ClientHello gets.
pub enum Choice {
    /// A handshake under the options of this name.
    Serve(Arc<str>, Arc<ServerConfig>),
    /// No certificate covers the name, and the options insist on one.
    UnknownName,
    /// The options are unusable.
    Closed,
}

impl TlsState {
    /// Loads certificates and builds a server configuration per set of options in use.
    pub fn build(table: &RouteTable, previous: &Self, problems: &mut Vec<Problem>) -> Self {
        let certificates = Arc::new(Certificates::load(&table.tls, &previous.certificates, problems));
        let mut state = Self { certificates, configs: HashMap::new() };
        state.add(&table.default_tls_options, previous, problems);
        for route in &table.routes {
            if let Some(options) = &route.tls_options {
                state.add(options, previous, problems);
            }
        }
        state
    }

    fn add(&mut self, options: &Arc<NamedTlsOptions>, previous: &Self, problems: &mut Vec<Problem>) {
        if self.configs.contains_key(&options.name) {
            return;
        }
        let known = previous.configs.get(&options.name).filter(|known| known.may_go_on_under(options));
        let tickets =
            known.and_then(|known| known.tickets.clone()).or_else(|| rustls::crypto::aws_lc_rs::Ticketer::new().ok());
        let config = match &options.closed {
            Some(_) => None,
            None => match server::config(&options.config, self.certificates.clone(), tickets.clone()) {
                Ok(config) => Some(Arc::new(config)),
                Err(reason) => {
                    problems.push(Problem::new(Kind::TlsOptions, &*options.name, Severity::Closed, reason));
                    None
                }
            },
        };
        self.configs.insert(options.name.clone(), Prepared { options: options.clone(), config, tickets });
    }
}

impl Prepared {
    /// Whether sessions may be resumed under `options`. Where client certificates are verified the files of the
    /// authorities may have changed too.
    fn may_go_on_under(&self, options: &NamedTlsOptions) -> bool {
        self.options.config == options.config && options.config.client_auth.mode() == Some(ClientAuthMode::NoClientCert)
    }
}

/// The configuration for a handshake at the entry point in `slot`.
pub fn choose(snapshot: &Snapshot, slot: usize, sni: Option<&str>) -> Choice {
    let named = sni.and_then(|sni| snapshot.routes(slot)?.tls_hosts.get(sni));
    let options = named.unwrap_or(&snapshot.table.default_tls_options);
    let Some(Prepared { options, config: Some(config), .. }) = snapshot.tls.configs.get(&options.name) else {
        return Choice::Closed;
    };
    let covered = sni.is_some_and(|sni| snapshot.tls.certificates.covers(sni));
    if options.config.sni_strict && !covered {
        return Choice::UnknownName;
    }
    Choice::Serve(options.name.clone(), config.clone())
}

/// Sends the alert `unrecognized_name` (RFC 8446 §6.2) and closes.
pub async fn refuse_name(mut tcp: TcpStream) {
    const FATAL_UNRECOGNIZED_NAME: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70];
    if tcp.write_all(&FATAL_UNRECOGNIZED_NAME).await.is_ok() {
        // The peer may be gone already, which is what this is about.
        let _ = tcp.shutdown().await;
    }
}
