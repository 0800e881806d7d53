//! What a client needs to know to run allocations.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use baton_model::Node;

use crate::link::ServerLink;
use crate::service::Catalog;
use crate::template::Fetcher;

/// The settings of one node's client. Every directory is absolute.
#[derive(Clone)]
pub struct ClientConfig {
    /// With id, name, datacenter, meta and everything [`crate::fingerprint`] fills in.
    pub node: Node,
    /// The client's own state (`/var/lib/baton/client`); 0700.
    pub dir: PathBuf,
    /// Allocation directories (`/var/lib/baton/alloc`).
    pub alloc_dir: PathBuf,
    /// `BATON_STATE_DIR`s of tasks (`/var/lib/baton/state`): outlive allocations.
    pub state_dir: PathBuf,
    pub keeper: KeeperConfig,
    /// Where services register; `None` runs tasks without.
    pub catalog: Option<Arc<dyn Catalog>>,
    /// Where templates get their data; `None` leaves them `env` and `file`.
    pub fetcher: Option<Arc<dyn Fetcher>>,
    pub link: Arc<dyn ServerLink>,
    /// Further variables for every task, over those of the agent's own environment.
    pub env: BTreeMap<String, String>,
    /// `BATON_BIND_ADDRESS` for tasks; in loopback dev only.
    pub bind_address: Option<IpAddr>,
    /// The agent's Unix socket, `NOMAD_UNIX_ADDR` for tasks.
    pub api_socket: Option<PathBuf>,
    /// Caps every task's `kill_timeout`.
    pub max_kill_timeout: Duration,
    /// Script checks run a job's command on this node.
    pub script_checks: bool,
    /// Pause between a change of a template's data and its rendering, unless its `wait` says otherwise.
    pub template_wait: Duration,
    /// Ended allocations whose directories are kept.
    pub gc_max_allocs: usize,
}

/// `max_kill_timeout` unless configured.
pub const MAX_KILL_TIMEOUT: Duration = Duration::from_secs(30);
/// `template_wait` unless configured.
pub const TEMPLATE_WAIT: Duration = Duration::from_millis(250);
/// `gc_max_allocs` unless configured, as in Nomad.
pub const GC_MAX_ALLOCS: usize = 50;

/// Where the keeper is and how to start one.
#[derive(Clone)]
pub struct KeeperConfig {
    pub socket: PathBuf,
    /// The command of a new keeper, when none answers.
    pub command: Arc<dyn Fn() -> Command + Send + Sync>,
    /// Where a started keeper's messages go.
    pub log: PathBuf,
}
