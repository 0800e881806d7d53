//! `baton alloc status ID`

use anyhow::Result;
use baton_model::task::{TaskRunState, TaskState};
use baton_model::{Allocation, id};
use clap::Args;

use crate::cli::api::Api;
use crate::cli::{Connection, Json, outln, resolve, table, times};

/// Show an allocation: where it runs, its addresses, its tasks and their events.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    json: Json,
    /// Full ids
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    connection: Connection,
    /// Allocation id or its beginning
    alloc: String,
}

impl Status {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let alloc = resolve::alloc(&api, &self.alloc).await?;
            if self.json.print(&alloc)? {
                return Ok(0);
            }
            outln(&self.basics(&alloc))?;
            if let Some(addresses) = addresses(&alloc) {
                outln(&format!("\nAllocation Addresses:\n{addresses}"))?;
            }
            for (name, state) in &alloc.task_states {
                outln(&task(&alloc, name, state))?;
            }
            Ok(0)
        })
    }

    fn basics(&self, alloc: &Allocation) -> String {
        let show = |text: &str| if self.verbose { text.to_owned() } else { id::short(text).to_owned() };
        let now = times::now();
        let mut rows = vec![
            ("ID", alloc.id.clone()),
            ("Eval ID", show(&alloc.eval_id)),
            ("Name", alloc.name.clone()),
            ("Node ID", show(&alloc.node_id)),
            ("Node Name", alloc.node_name.clone()),
            ("Job ID", alloc.job_id.clone()),
            ("Job Version", alloc.job.as_ref().map_or(0, |job| job.version).to_string()),
            ("Client Status", alloc.client_status.as_str().to_owned()),
            ("Client Description", or_none(&alloc.client_description)),
            ("Desired Status", alloc.desired_status.as_str().to_owned()),
            ("Desired Description", or_none(&alloc.desired_description)),
            ("Created", times::ago(alloc.create_time, now)),
            ("Modified", times::ago(alloc.modify_time, now)),
        ];
        if !alloc.deployment_id.is_empty() {
            let health = match alloc.deployment_health() {
                Some(true) => "healthy",
                Some(false) => "unhealthy",
                None => "unset",
            };
            rows.push(("Deployment ID", show(&alloc.deployment_id)));
            rows.push(("Deployment Health", health.to_owned()));
        }
        if !alloc.previous_allocation.is_empty() {
            rows.push(("Replaces", show(&alloc.previous_allocation)));
        }
        if !alloc.next_allocation.is_empty() {
            rows.push(("Replacement Alloc ID", show(&alloc.next_allocation)));
        }
        table::pairs(&rows)
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text.to_owned() }
}

/// Ports of the group and of its tasks' own networks.
fn addresses(alloc: &Allocation) -> Option<String> {
    let group = alloc.job.as_ref()?.group(&alloc.task_group)?;
    let dynamic = |label: &str| {
        let networks = group.networks.iter().chain(group.tasks.iter().flat_map(|task| &task.resources.networks));
        networks.flat_map(|network| &network.dynamic_ports).any(|port| port.label == label)
    };
    let resources = &alloc.allocated_resources;
    let shared = resources.shared.ports.iter().map(|port| (port.label.clone(), port.host_ip.clone(), port.value));
    let own = resources
        .tasks
        .values()
        .flat_map(|task| &task.networks)
        .flat_map(|network| network.ports().map(|port| (port.label.clone(), network.ip.clone(), port.value)));
    let rows: Vec<_> = shared
        .chain(own)
        .map(|(label, ip, port)| {
            let is_dynamic = if dynamic(&label) { "yes" } else { "no" };
            [format!("*{label}"), is_dynamic.to_owned(), format!("{ip}:{port}")]
        })
        .collect();
    (!rows.is_empty()).then(|| table::columns(&["Label", "Dynamic", "Address"], rows))
}

fn task(alloc: &Allocation, name: &str, state: &TaskState) -> String {
    let run_state = match state.state {
        TaskRunState::Pending => "pending",
        TaskRunState::Running => "running",
        TaskRunState::Dead => "dead",
    };
    let resources = alloc.allocated_resources.tasks.get(name);
    let given = table::columns(
        &["CPU", "Memory", "Disk"],
        [[
            format!("{} MHz", resources.map_or(0, |given| given.cpu.cpu_shares)),
            format!("{} MiB", resources.map_or(0, |given| given.memory.memory_mb)),
            format!("{} MiB", alloc.allocated_resources.shared.disk_mb),
        ]],
    );
    let times = table::pairs(&[
        ("Started At", times::date(state.started_at)),
        ("Finished At", times::date(state.finished_at)),
        ("Total Restarts", state.restarts.to_string()),
        ("Last Restart", times::date(state.last_restart)),
    ]);
    let events = table::columns(
        &["Time", "Type", "Description"],
        state.events.iter().rev().map(|event| {
            let text = if event.display_message.is_empty() { &event.message } else { &event.display_message };
            [times::date(event.time), event.kind.clone(), text.clone()]
        }),
    );
    format!(
        "\nTask \"{name}\" is \"{run_state}\"\nTask Resources:\n{given}\n\nTask Events:\n{times}\n\nRecent Events:\n{events}"
    )
}
