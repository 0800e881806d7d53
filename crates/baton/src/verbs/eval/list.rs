//! `baton eval list`

use std::cmp::Reverse;

use anyhow::Result;
use baton_model::Evaluation;
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
        let mut evals: Vec<Evaluation> = api.get("/v1/evaluations").await?;
        evals.sort_by_key(|eval| Reverse(eval.create_index));
        if !self.json.print(&evals)? {
            outln(&table::list(&evals))?;
        }
        Ok(0)
    }
}
