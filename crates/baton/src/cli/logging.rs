//! Logging options of the verbs that run on.

use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Format {
    #[default]
    Logfmt,
    Json,
}

/// `--log-level`, `--log-format`.
#[derive(Debug, Clone, Args)]
pub struct Logging {
    /// Level (trace, debug, info, warn, error) or a filter such as info,baton_proxy=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
    /// Form of the log lines on standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "logfmt")]
    pub log_format: Format,
}

impl Logging {
    /// Sets the process's logging up; to be called once.
    pub fn init(&self) -> anyhow::Result<()> {
        let format = match self.log_format {
            Format::Logfmt => baton_telemetry::LogFormat::Logfmt,
            Format::Json => baton_telemetry::LogFormat::Json,
        };
        Ok(baton_telemetry::init(&self.log_level, format)?)
    }
}
