//! `baton deployment promote`, `fail`, `pause`, `resume`: one request each, with the same options.

use anyhow::Result;
use baton_model::id;
use clap::Args;
use serde_json::Value;

use crate::cli::api::Api;
use crate::cli::{Connection, monitor, outln, resolve};

#[derive(Debug, Args)]
pub struct Act {
    /// Return at once
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    connection: Connection,
    /// Deployment id or its beginning
    deployment: String,
}

impl Act {
    /// Asks for `verb` with the body that `body` makes of the deployment's id.
    pub async fn run(self, verb: &str, body: impl Fn(&str) -> Value) -> Result<u8> {
        let api = Api::new(&self.connection)?;
        let deployment = resolve::deployment(&api, &self.deployment).await?;
        let path = format!("/v1/deployment/{verb}/{}", deployment.id);
        let answer: Value = api.put(&path, &body(&deployment.id)).await?;
        match answer.get("EvalID").and_then(Value::as_str).filter(|eval| !eval.is_empty()) {
            Some(eval) => monitor::evaluation(&api, eval, self.detach).await,
            None => {
                outln(&format!("Deployment \"{}\": {verb} done", id::short(&deployment.id)))?;
                Ok(0)
            }
        }
    }
}
