//! How Baton's processes talk about themselves: one tracing subscriber, logfmt on standard error by default.
//!
//! Every process calls [`init`] once, before its first thread. Data never goes through here: tables and JSON are
//! written to standard output by the verb that makes them.

mod logfmt;

use std::io;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

pub use logfmt::Logfmt;

/// The filter of this process, for [`set_level`].
static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

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
    #[error(
        "log level {0:?} is not one of trace, debug, info, warn, error, off, or a filter such as info,baton_proxy=debug"
    )]
    Level(String),
    #[error("logging was set up twice")]
    Twice,
    #[error("logging was not set up")]
    NotYet,
}

/// Sends the process's events to standard error.
///
/// `level` is a level or a filter of `tracing`'s kind; upper case is accepted, as Traefik and Nomad write it.
pub fn init(level: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let registry = tracing_subscriber::registry().with(filter);
    let fmt = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Logfmt => registry.with(fmt.event_format(Logfmt)).try_init(),
        LogFormat::Json => registry.with(fmt.json().flatten_event(true)).try_init(),
    }
    .map_err(|_| TelemetryError::Twice)?;
    LEVEL.set(handle).map_err(|_| TelemetryError::Twice)
}

/// Changes the level of a process that [`init`] has set up, from the next event on.
pub fn set_level(level: &str) -> Result<(), TelemetryError> {
    let filter = filter(level)?;
    let handle = LEVEL.get().ok_or(TelemetryError::NotYet)?;
    handle.reload(filter).map_err(|_| TelemetryError::NotYet)
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(level.to_ascii_lowercase()).map_err(|_| TelemetryError::Level(level.to_owned()))
}
