//! `baton node drain -enable|-disable NODE`

use anyhow::{Result, bail};
use baton_model::{Allocation, Nanos, Node, id};
use clap::Args;
use serde_json::{Value, json};

use super::own::Target;
use crate::cli::Connection;
use crate::cli::api::Api;

/// Empty a node for maintenance, or end that.
///
/// Allocations leave as their jobs' migrate blocks allow; the node gets no new ones until --disable.
#[derive(Debug, Args)]
pub struct Drain {
    /// Start draining
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Stop draining; the node becomes eligible again
    #[arg(long)]
    disable: bool,
    /// After this time everything left is stopped
    #[arg(long, value_name = "DURATION", default_value = "1h", conflicts_with_all = ["no_deadline", "force"])]
    deadline: Nanos,
    /// Wait as long as it takes
    #[arg(long, conflicts_with = "force")]
    no_deadline: bool,
    /// Stop everything now
    #[arg(long)]
    force: bool,
    /// Leave system jobs running
    #[arg(long)]
    ignore_system: bool,
    /// With --disable: stay ineligible
    #[arg(long)]
    keep_ineligible: bool,
    /// Return at once instead of following the drain
    #[arg(long)]
    detach: bool,
    /// Accepted for compatibility: nothing is asked
    #[arg(long, hide = true)]
    yes: bool,
    /// Why, kept with the node
    #[arg(short, value_name = "TEXT")]
    m: Option<String>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    target: Target,
}

/// How long one blocking read waits.
const WAIT: &str = "30000ms";

impl Drain {
    pub fn run(self) -> Result<u8> {
        if self.enable == self.disable {
            bail!("give either --enable or --disable");
        }
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let node = self.target.find(&api).await?;
            let spec = self.enable.then(|| {
                let deadline = match (self.force, self.no_deadline) {
                    (true, _) => Nanos(-1_000_000_000),
                    (_, true) => Nanos::ZERO,
                    _ => self.deadline,
                };
                json!({ "Deadline": deadline, "IgnoreSystemJobs": self.ignore_system })
            });
            let body = json!({
                "NodeID": node.id,
                "DrainSpec": spec,
                "MarkEligible": self.disable && !self.keep_ineligible,
                "Meta": self.m.as_ref().map(|text| json!({ "message": text })),
            });
            let _: Value = api.put(&format!("/v1/node/{}/drain", node.id), &body).await?;
            if self.disable {
                eprintln!("Node {:?} ({}) drain strategy unset", id::short(&node.id), node.name);
                return Ok(0);
            }
            eprintln!("Node {:?} ({}) drain strategy set", id::short(&node.id), node.name);
            if !self.detach {
                follow(&api, &node).await?;
            }
            Ok(0)
        })
    }
}

/// Returns once the drain is over and nothing of it runs any more.
async fn follow(api: &Api, node: &Node) -> Result<()> {
    let mut index = 0;
    loop {
        let answer = api.get_indexed::<Node>(&format!("/v1/node/{}?index={index}&wait={WAIT}", node.id)).await?;
        if answer.value.drain_strategy.is_none() {
            eprintln!("Drain complete for node {:?}", id::short(&node.id));
            break;
        }
        index = answer.index.max(1);
    }
    let mut index = 0;
    let mut last = usize::MAX;
    loop {
        let path = format!("/v1/node/{}/allocations?index={index}&wait={WAIT}", node.id);
        let answer = api.get_indexed::<Vec<Allocation>>(&path).await?;
        index = answer.index.max(1);
        let system = |alloc: &Allocation| alloc.job.as_ref().is_some_and(|job| job.job_type.is_system());
        let left = answer.value.iter().filter(|alloc| !alloc.client_terminal() && !system(alloc)).count();
        if left == 0 {
            eprintln!("All allocations on node {:?} have stopped", id::short(&node.id));
            return Ok(());
        }
        if left != last {
            eprintln!("{left} allocations on node {:?} still to stop", id::short(&node.id));
            last = left;
        }
    }
}
