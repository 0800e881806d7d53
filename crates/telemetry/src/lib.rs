//! How Baton's processes talk about themselves: one tracing subscriber, logfmt on standard error by default.
//!
//! Every process calls [`init`] once, before its first thread. Data never goes through here: tables and JSON are
//! written to standard output by the verb that makes them.

mod logfmt;

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use logfmt::Logfmt;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `time=… level=info msg="…" key=value`
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("log level {0:?} is not one of trace, debug, info, warn, error, off, or a filter such as info,baton_proxy=debug")]
    Level(String),
    #[error("logging was set up twice")]
    Twice,
}

/// Sends the process's events to standard error.
///
/// `level` is a level or a filter of `tracing`'s kind; upper case is accepted, as Traefik and Nomad write it.
pub fn init(level: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let filter =
        EnvFilter::try_new(level.to_ascii_lowercase()).map_err(|_| TelemetryError::Level(level.to_owned()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let fmt = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Logfmt => registry.with(fmt.event_format(Logfmt)).try_init(),
        LogFormat::Json => registry.with(fmt.json().flatten_event(true)).try_init(),
    }
    .map_err(|_| TelemetryError::Twice)
}
