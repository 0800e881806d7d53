//! What the verbs share: the API client, tables, times, reading job files. Knows no verb.

pub mod api;
pub mod argv;
pub mod host;
pub mod jobfile;
pub mod logging;
pub mod monitor;
pub mod places;
pub mod resolve;
pub mod table;
pub mod times;

use clap::Args;

/// Options of every verb that talks to an agent.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// Address of the agent's API [default: http://127.0.0.1:4646; env: BATON_ADDR, NOMAD_ADDR]
    #[arg(long, global = true, value_name = "URL")]
    pub address: Option<String>,
    /// Token for writes [env: BATON_TOKEN, NOMAD_TOKEN, BATON_TOKEN_FILE; else the agent's token file, where readable]
    #[arg(long, global = true, value_name = "SECRET", hide_env_values = true)]
    pub token: Option<String>,
    /// Namespace; accepted for compatibility, only "default" exists
    #[arg(long, global = true, hide = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Region; accepted for compatibility
    #[arg(long, global = true, hide = true, value_name = "NAME")]
    pub region: Option<String>,
}

/// `--json`: the object instead of the table.
#[derive(Debug, Clone, Copy, Args)]
pub struct Json {
    /// Print the object as JSON
    #[arg(long)]
    pub json: bool,
}

impl Json {
    /// Prints `value` as indented JSON when asked to; says whether it did.
    pub fn print<T: serde::Serialize>(self, value: &T) -> anyhow::Result<bool> {
        if self.json {
            outln(&serde_json::to_string_pretty(value)?)?;
        }
        Ok(self.json)
    }
}

/// Writes a line of data to standard output; a closed pipe is an error for `main` to end on quietly.
pub fn outln(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// The reader of our output went away (`baton job status | head`).
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Runs a verb's future on a small runtime.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
