//! `baton deployment list`

use std::cmp::Reverse;

use anyhow::Result;
use baton_model::Deployment;
use clap::Args;

use super::table;
use crate::cli::api::Api;
use crate::cli::{Connection, Json, outln};

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    connection: Connection,
}

impl List {
    pub async fn run(self) -> Result<u8> {
        let api = Api::new(&self.connection)?;
        let mut deployments: Vec<Deployment> = api.get("/v1/deployments").await?;
        deployments.sort_by_key(|deployment| Reverse(deployment.create_index));
        if !self.json.print(&deployments)? {
            outln(&table::list(&deployments))?;
        }
        Ok(0)
    }
}
