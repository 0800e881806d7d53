//! `baton node eligibility -enable|-disable NODE`

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::own::Target;
use crate::cli::api::Api;
use crate::cli::{Connection, outln};

/// Let a node get new allocations, or not.
#[derive(Debug, Args)]
pub struct EligibilityVerb {
    /// Eligible again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// No new allocations
    #[arg(long)]
    disable: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    target: Target,
}

impl EligibilityVerb {
    pub fn run(self) -> Result<u8> {
        if self.enable == self.disable {
            bail!("give either --enable or --disable");
        }
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let node = self.target.find(&api).await?;
            let word = if self.enable { "eligible" } else { "ineligible" };
            let body = json!({ "NodeID": node.id, "Eligibility": word });
            let _: Value = api.put(&format!("/v1/node/{}/eligibility", node.id), &body).await?;
            outln(&format!("Node {:?} scheduling eligibility set: {word}", node.id))?;
            Ok(0)
        })
    }
}
