//! `baton node status [NODE]`

use anyhow::Result;
use baton_model::{Node, id};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::own::Target;
use crate::cli::api::Api;
use crate::cli::{Connection, Json, outln, table};
use crate::verbs::alloc::table::{AllocStub, allocations};

/// Show nodes, or one node with its allocations.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    json: Json,
    /// Attributes and metadata too
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NodeStub {
    #[serde(rename = "ID")]
    id: String,
    datacenter: String,
    name: String,
    node_class: String,
    node_pool: String,
    drain: bool,
    scheduling_eligibility: String,
    status: String,
}

impl Status {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            if self.target.is_none() { self.list(&api).await } else { self.one(&api).await }?;
            Ok(0)
        })
    }

    async fn list(&self, api: &Api) -> Result<()> {
        let stubs: Value = api.get("/v1/nodes").await?;
        if self.json.print(&stubs)? {
            return Ok(());
        }
        let stubs: Vec<NodeStub> = serde_json::from_value(stubs)?;
        let rows = stubs.iter().map(|node| {
            [
                id::short(&node.id).to_owned(),
                node.node_pool.clone(),
                node.datacenter.clone(),
                node.name.clone(),
                or_none(&node.node_class),
                node.drain.to_string(),
                node.scheduling_eligibility.clone(),
                node.status.clone(),
            ]
        });
        let header = ["ID", "Node Pool", "DC", "Name", "Class", "Drain", "Eligibility", "Status"];
        outln(&table::columns(&header, rows))
    }

    async fn one(&self, api: &Api) -> Result<()> {
        let node = self.target.find(api).await?;
        if self.json.print(&node)? {
            return Ok(());
        }
        let drivers: Vec<_> =
            node.drivers.iter().filter(|(_, driver)| driver.healthy).map(|(name, _)| name.as_str()).collect();
        outln(&table::pairs(&[
            ("ID", node.id.clone()),
            ("Name", node.name.clone()),
            ("Node Pool", node.node_pool.clone()),
            ("Class", or_none(&node.node_class)),
            ("DC", node.datacenter.clone()),
            ("Drain", node.drain_strategy.is_some().to_string()),
            ("Eligibility", node.scheduling_eligibility.as_str().to_owned()),
            ("Status", node.status.as_str().to_owned()),
            ("Drivers", drivers.join(",")),
        ]))?;
        outln(&format!("\nResources\n{}", resources(&node)))?;
        let allocs: Vec<AllocStub> = api.get(&format!("/v1/node/{}/allocations", node.id)).await?;
        outln(&format!("\nAllocations\n{}", allocations(&allocs)))?;
        if self.verbose {
            outln(&format!("\nAttributes\n{}", table::pairs(&node.attributes.iter().collect::<Vec<_>>())))?;
            outln(&format!("\nMeta\n{}", table::pairs(&node.meta.iter().collect::<Vec<_>>())))?;
        }
        Ok(())
    }
}

fn resources(node: &Node) -> String {
    let given = &node.node_resources;
    table::columns(
        &["CPU", "Memory", "Disk"],
        [[
            format!("{} MHz", given.cpu.cpu_shares),
            format!("{} MiB", given.memory.memory_mb),
            format!("{} MiB", given.disk.disk_mb),
        ]],
    )
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text.to_owned() }
}
