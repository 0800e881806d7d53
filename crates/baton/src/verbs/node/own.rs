//! `-self` and `-node NAME`: which node is meant.

use anyhow::{Result, bail};
use baton_model::Node;
use clap::Args;
use serde_json::Value;

use crate::cli::api::Api;
use crate::cli::resolve;

/// The node that a verb is about.
#[derive(Debug, Args)]
pub struct Target {
    /// The node of the agent that is asked
    #[arg(long = "self")]
    own: bool,
    /// A node by name or id; needed with --self where one agent runs several nodes (baton dev)
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Node id, its beginning, or the node's name
    id: Option<String>,
}

impl Target {
    /// No node was named at all.
    pub fn is_none(&self) -> bool {
        !self.own && self.node.is_none() && self.id.is_none()
    }

    /// Finds the node.
    pub async fn find(&self, api: &Api) -> Result<Node> {
        if let Some(text) = self.node.as_ref().or(self.id.as_ref()) {
            return resolve::node(api, text).await;
        }
        if !self.own {
            bail!("which node? give its id or name, or --self for this agent's");
        }
        let agent: Value = api.get("/v1/agent/self").await?;
        let ids = agent.pointer("/stats/client/node_ids").and_then(Value::as_str).unwrap_or_default();
        match ids.split(',').filter(|id| !id.is_empty()).collect::<Vec<_>>()[..] {
            [] => bail!("this agent runs no node (no client); name one: baton node status lists them"),
            [one] => api.get(&format!("/v1/node/{one}")).await,
            ref several => {
                let mut names = Vec::new();
                for id in several {
                    names.push(api.get::<Node>(&format!("/v1/node/{id}")).await?.name);
                }
                names.sort_unstable();
                bail!("this agent runs several nodes: {}; say which one with --node NAME", names.join(", "))
            }
        }
    }
}
