//! `baton agent`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::agent::run;
use crate::cli::logging::Format;

/// Run the agent: server, client, catalog and API as configured.
///
/// The configuration is HCL or JSON with the keys of Nomad's agent. SIGTERM and SIGINT stop the agent and leave its tasks
/// running: the next one takes them up. SIGHUP reads the configuration again and takes up log_level; everything else
/// takes effect at the next start. The first start makes a token, which writes need, in server/token of the data
/// directory.
#[derive(Debug, Args)]
pub struct Agent {
    /// Configuration file, or folder of .hcl and .json files; may be given again, later ones win [env: BATON_CONFIG; default: /etc/baton/baton.hcl]
    #[arg(long, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// Where the state lives [default: /var/lib/baton for root, else $XDG_STATE_HOME/baton]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address that the API answers on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    bind: Option<String>,
    /// Level (trace, debug, info, warn, error) or a filter such as info,baton_runner=debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Form of the log lines on standard error [default: logfmt]
    #[arg(long, value_name = "FORMAT", value_enum)]
    log_format: Option<Format>,
}

impl Agent {
    pub fn run(self) -> Result<u8> {
        let files = run::files(&self.config);
        let read = move || run::read(&files, self.data_dir.as_deref(), self.bind.as_deref(), self.log_level.as_deref());
        let loaded = read()?;
        let json = self.log_format.map_or(loaded.config.log_json, |format| matches!(format, Format::Json));
        let format = if json { baton_telemetry::LogFormat::Json } else { baton_telemetry::LogFormat::Logfmt };
        baton_telemetry::init(&loaded.config.log_level(), format)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run::run(loaded, Box::new(read)))
    }
}
