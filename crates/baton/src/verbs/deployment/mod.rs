//! `baton deployment …`

pub mod table;

use anyhow::Result;
use baton_model::{Deployment, id};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::{Connection, Json, monitor, outln, resolve};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List deployments
    List(List),
    /// Show one deployment
    Status(Status),
    /// Promote the canaries of a deployment
    Promote(Act),
    /// Mark a deployment as failed
    Fail(Act),
    /// Pause a deployment
    Pause(Act),
    /// Resume a paused deployment
    Resume(Act),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub struct Status {
    /// Follow it to its end
    #[arg(long)]
    monitor: bool,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
    /// Deployment id or its beginning
    deployment: String,
}

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

impl Command {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            match self {
                Self::List(verb) => verb.run().await,
                Self::Status(verb) => verb.run().await,
                Self::Promote(verb) => verb.run("promote", |id| json!({ "DeploymentID": id, "All": true })).await,
                Self::Fail(verb) => verb.run("fail", |id| json!({ "DeploymentID": id })).await,
                Self::Pause(verb) => verb.run("pause", |id| json!({ "DeploymentID": id, "Pause": true })).await,
                Self::Resume(verb) => verb.run("pause", |id| json!({ "DeploymentID": id, "Pause": false })).await,
            }
        })
    }
}

impl List {
    async fn run(self) -> Result<u8> {
        let api = Api::new(&self.connection)?;
        let deployments: Vec<Deployment> = api.get("/v1/deployments").await?;
        if !self.json.print(&deployments)? {
            outln(&table::list(&deployments))?;
        }
        Ok(0)
    }
}

impl Status {
    async fn run(self) -> Result<u8> {
        let api = Api::new(&self.connection)?;
        let deployment = resolve::deployment(&api, &self.deployment).await?;
        if self.monitor {
            return monitor::deployment(&api, &deployment.id).await;
        }
        if !self.json.print(&deployment)? {
            outln(&table::one(&deployment))?;
        }
        Ok(0)
    }
}

impl Act {
    async fn run(self, verb: &str, body: impl Fn(&str) -> Value) -> Result<u8> {
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
