//! How servers are talked to: limits, timeouts, TLS.

use crate::limits::{POOL_IDLE_PER_SERVER, TICK};
use baton_routing::config;
use std::sync::Arc;
use std::time::Duration;

/// A `serversTransport`, ready for use.
#[derive(Debug)]
pub struct Transport {
    /// As configured.
    pub config: config::ServersTransport,
    /// TLS toward servers; `Err` says why it cannot be used.
    pub tls: Result<Arc<rustls::ClientConfig>, String>,
}

impl Transport {
    /// Prepares a transport. Unreadable files show when a server is dialled over TLS, and in the problem list.
    pub fn new(config: &config::ServersTransport, http2: bool) -> Self {
        Self { config: config.clone(), tls: crate::tls::client_config(config, http2).map(Arc::new) }
    }

    /// Limit of a dial; `None` means none.
    pub fn dial_timeout(&self) -> Option<Duration> {
        some(*self.config.forwarding_timeouts.dial_timeout)
    }

    /// Limit from the end of the request to the first byte of the response.
    pub fn header_timeout(&self) -> Option<Duration> {
        some(*self.config.forwarding_timeouts.response_header_timeout)
    }

    /// Ticks that an idle connection is kept.
    pub fn idle_ticks(&self) -> u64 {
        let idle = some(*self.config.forwarding_timeouts.idle_conn_timeout).unwrap_or(Duration::from_secs(3600));
        (idle.as_millis() / TICK.as_millis()) as u64
    }

    /// Idle connections kept per server and core.
    pub fn idle_limit(&self) -> usize {
        match self.config.max_idle_conns_per_host {
            0 => POOL_IDLE_PER_SERVER,
            negative if negative < 0 => 0,
            limit => limit as usize,
        }
    }
}

fn some(limit: Duration) -> Option<Duration> {
    (!limit.is_zero()).then_some(limit)
}
