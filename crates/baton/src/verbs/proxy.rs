//! `baton proxy [Traefik's flags]`

use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory as _};

use crate::proxy::{self, Start};

/// Run the proxy on Traefik's configuration.
///
/// Takes Traefik's own flags (--configfile FILE, --entryPoints.web.address=:80 …), its environment variables
/// (TRAEFIK_…) and its default files. SIGHUP reads everything again, SIGTERM and SIGINT drain and stop.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Proxy {
    /// Traefik's flags
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    args: Vec<String>,
}

impl Proxy {
    pub fn run(self) -> Result<u8> {
        if self.args.iter().any(|arg| matches!(arg.as_str(), "-h" | "-help" | "--help")) {
            let mut command = super::Cli::command();
            command.build();
            command.find_subcommand_mut("proxy").context("the verb that runs")?.print_long_help()?;
            return Ok(0);
        }
        // Before anything opens a descriptor or starts a thread.
        let inherited = baton_net::activation::Inherited::from_environment();
        let start = Start::new(self.args);
        let level = start.load().ok().and_then(|loaded| loaded.config.log).map(|log| (log.level, log.format));
        let (level, format) = level.unwrap_or_else(|| ("info".to_owned(), String::new()));
        let format =
            if format == "json" { baton_telemetry::LogFormat::Json } else { baton_telemetry::LogFormat::Logfmt };
        baton_telemetry::init(&level, format).or_else(|_| baton_telemetry::init("info", format))?;
        let loaded = start.load_strictly()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(proxy::run(start, loaded, inherited))?;
        Ok(0)
    }
}
