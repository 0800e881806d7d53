//! The access log's seam: one call per finished request.

use crate::exchange::Peer;
use std::time::Duration;

/// One finished request.
#[derive(Debug)]
pub struct AccessEntry<'a> {
    /// The client's connection.
    pub peer: &'a Peer,
    /// Entry point's name.
    pub entry_point: &'a str,
    /// Method as sent.
    pub method: &'a str,
    /// Host as sent.
    pub host: &'a str,
    /// Path and query as sent upstream before middlewares.
    pub target: &'a str,
    /// `HTTP/1.1` …
    pub protocol: &'static str,
    /// Status told to the client; 499 when it went away first.
    pub status: u16,
    /// Body bytes told to the client.
    pub bytes_out: u64,
    /// Router's qualified name, when one matched.
    pub router: Option<&'a str>,
    /// Service's qualified name.
    pub service: Option<&'a str>,
    /// URL of the server that answered.
    pub server: Option<&'a str>,
    /// From the head's arrival to the last byte.
    pub duration: Duration,
    /// `Referer` as sent.
    pub referer: Option<&'a str>,
    /// `User-Agent` as sent.
    pub user_agent: Option<&'a str>,
}

/// Receives finished requests. Called on the data path: it must not block (queue, and drop aloud when full).
pub trait AccessLog: Send + Sync {
    /// Takes note of a request.
    fn record(&self, entry: &AccessEntry<'_>);
}
