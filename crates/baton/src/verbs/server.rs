//! `baton server …`

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::api::Api;
use crate::cli::{Connection, Json, outln, table};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the servers and which one leads
    Members(Members),
}

#[derive(Debug, Args)]
pub struct Members {
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
}

impl Command {
    pub fn run(self) -> Result<u8> {
        let Self::Members(verb) = self;
        crate::cli::block_on(async {
            let api = Api::new(&verb.connection)?;
            let answer: Value = api.get("/v1/agent/members").await?;
            if verb.json.print(&answer)? {
                return Ok(0);
            }
            let leader: String = api.get("/v1/status/leader").await?;
            let members = answer.get("Members").and_then(Value::as_array).cloned().unwrap_or_default();
            let text = |member: &Value, path: &str| {
                member.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let rows = members.iter().map(|member| {
                let address = format!("{}:{}", text(member, "/Addr"), text(member, "/Tags/port"));
                [
                    text(member, "/Name"),
                    text(member, "/Addr"),
                    text(member, "/Status"),
                    (address == leader).to_string(),
                    text(member, "/Tags/build"),
                    text(member, "/Tags/dc"),
                    text(member, "/Tags/region"),
                ]
            });
            let header = ["Name", "Address", "Status", "Leader", "Build", "Datacenter", "Region"];
            outln(&table::columns(&header, rows))?;
            Ok(0)
        })
    }
}
