//! One node of this agent: its keeper, its client, and what makes it a node in the catalog.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use baton_consul::Client as ConsulClient;
use baton_model::Node;
use baton_model::node::ReservedResources;
use baton_runner::config::{GC_MAX_ALLOCS, MAX_KILL_TIMEOUT, TEMPLATE_WAIT};
use baton_runner::fingerprint::{CONSUL_VERSION, fingerprint};
use baton_runner::link::HttpLink;
use baton_runner::service::{AgentCatalog, Catalog, NodeCatalog};
use baton_runner::template::ConsulFetcher;
use baton_runner::{Client, ClientConfig, ClientHandle, KeeperConfig, Shutdown};

use crate::cli::times;
use crate::proxy;

/// The catalog a node registers its services in.
#[derive(Debug, Clone)]
pub enum CatalogKind {
    /// Baton's own, which knows several nodes.
    Embedded,
    /// A Consul agent, which stands for this node.
    Consul,
}

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct NodeSetup {
    pub name: String,
    pub datacenter: String,
    pub node_class: String,
    pub node_pool: String,
    pub meta: BTreeMap<String, String>,
    pub address: IpAddr,
    /// Dynamic ports, first and last.
    pub ports: (i64, i64),
    /// Everything of this node lies below.
    pub dir: PathBuf,
    /// The way to the server.
    pub link: HttpLink,
    pub catalog: CatalogKind,
    /// How the catalog's API is reached.
    pub consul: baton_consul::Config,
    /// Where this node's API is reached from elsewhere, `host:port`; empty where there is none.
    pub http_addr: String,
    /// The agent's Unix socket, for tasks.
    pub api_socket: Option<PathBuf>,
    pub limits: NodeLimits,
    /// Tasks bind this node's address instead of all (virtual nodes).
    pub bind: bool,
    pub script_checks: bool,
    /// The keeper ends everything soon after this process is gone, and removes this directory.
    pub temporary: Option<PathBuf>,
}

/// What a node gives and keeps back.
#[derive(Debug, Clone)]
pub struct NodeLimits {
    /// Jobs may use the driver.
    pub raw_exec: bool,
    pub reserved: ReservedResources,
    /// Instead of what the machine has: MHz, MB, MB.
    pub cpu: Option<i64>,
    pub memory: Option<i64>,
    pub disk: Option<i64>,
    pub max_kill_timeout: Duration,
    pub gc_max_allocs: usize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            raw_exec: true,
            reserved: ReservedResources::default(),
            cpu: None,
            memory: None,
            disk: None,
            max_kill_timeout: MAX_KILL_TIMEOUT,
            gc_max_allocs: GC_MAX_ALLOCS,
        }
    }
}

/// A running node.
pub struct RunningNode {
    pub node: Node,
    pub client: Arc<ClientHandle>,
}

impl NodeSetup {
    /// Fingerprints the machine, finds or starts the keeper, takes up what runs, follows the server.
    pub async fn start(self) -> Result<RunningNode> {
        std::fs::create_dir_all(&self.dir).with_context(|| format!("cannot make {}", self.dir.display()))?;
        let node = self.node().await?;
        let consul = ConsulClient::new(&self.consul)?;
        let catalog: Arc<dyn Catalog> = match self.catalog {
            CatalogKind::Embedded => Arc::new(NodeCatalog::new(consul.clone(), &node)),
            CatalogKind::Consul => Arc::new(AgentCatalog::new(consul.clone())),
        };
        let mut env = BTreeMap::from([("BATON_CATALOG_ADDR".to_owned(), self.consul.address.clone())]);
        let own_catalog = matches!(self.catalog, CatalogKind::Embedded).then_some(&*self.consul.address);
        env.insert(proxy::agent::ADDRESSES.to_owned(), proxy::agent::told(&self.http_addr, own_catalog));
        if let Some(path) = path_with_own_folder() {
            env.insert("PATH".to_owned(), path);
        }
        let config = ClientConfig {
            dir: self.dir.join("client"),
            alloc_dir: self.dir.join("alloc"),
            state_dir: self.dir.join("state"),
            keeper: self.keeper()?,
            catalog: Some(catalog),
            fetcher: Some(Arc::new(ConsulFetcher::new(consul, &node.name))),
            link: Arc::new(self.link.clone()),
            env,
            bind_address: self.bind.then_some(self.address),
            api_socket: self.api_socket.clone(),
            max_kill_timeout: self.limits.max_kill_timeout,
            script_checks: self.script_checks,
            template_wait: TEMPLATE_WAIT,
            gc_max_allocs: self.limits.gc_max_allocs,
            node: node.clone(),
        };
        let client = Client::start(config).await.with_context(|| format!("node {}", self.name))?;
        Ok(RunningNode { node, client: Arc::new(client) })
    }

    async fn node(&self) -> Result<Node> {
        let mut node = Node {
            id: node_id(&self.dir.join("node-id"))?,
            name: self.name.clone(),
            datacenter: self.datacenter.clone(),
            node_class: self.node_class.clone(),
            node_pool: self.node_pool.clone(),
            meta: self.meta.clone(),
            http_addr: self.http_addr.clone(),
            reserved_resources: self.limits.reserved.clone(),
            ..Node::default()
        };
        node.node_resources.min_dynamic_port = self.ports.0;
        node.node_resources.max_dynamic_port = self.ports.1;
        fingerprint(&mut node, self.address, &self.dir, Some((CONSUL_VERSION, &self.datacenter)), times::now());
        let resources = &mut node.node_resources;
        resources.cpu.cpu_shares = self.limits.cpu.unwrap_or(resources.cpu.cpu_shares);
        resources.memory.memory_mb = self.limits.memory.unwrap_or(resources.memory.memory_mb);
        resources.disk.disk_mb = self.limits.disk.unwrap_or(resources.disk.disk_mb);
        if !self.limits.raw_exec {
            node.drivers.remove("raw_exec");
            node.attributes.remove("driver.raw_exec");
        }
        Ok(node)
    }

    fn keeper(&self) -> Result<KeeperConfig> {
        let dir = self.dir.join("keeper");
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let (socket, log, temporary) = (dir.join("keeper.sock"), dir.join("keeper.log"), self.temporary.clone());
        let command = move || {
            let mut command = Command::new(&program);
            // The keeper outlives this agent; it is not what the agent's supervisor waits for.
            command.env_remove("NOTIFY_SOCKET");
            command.args(["keep", "--dir"]).arg(&dir);
            if let Some(remove) = &temporary {
                command.args(["--die-with", &std::process::id().to_string(), "--remove-dir"]).arg(remove);
            }
            command
        };
        Ok(KeeperConfig { socket, command: Arc::new(command), log })
    }
}

impl RunningNode {
    /// Ends the client; waits for whoever still holds it (a request in flight).
    pub async fn stop(self, how: Shutdown) {
        let mut client = self.client;
        loop {
            match Arc::try_unwrap(client) {
                Ok(client) => return client.shutdown(how).await,
                Err(shared) => client = shared,
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The node's id, the same at every start.
pub fn node_id(path: &Path) -> Result<String> {
    // An empty file is what a crash during the first start leaves.
    if let Ok(id) = std::fs::read_to_string(path)
        && !id.trim().is_empty()
    {
        let id = id.trim();
        ensure!(
            uuid::Uuid::try_parse(id).is_ok(),
            "{} holds {id:?}, which is no node id: restore it, or remove it to have a new one made",
            path.display()
        );
        return Ok(id.to_owned());
    }
    let id = baton_model::id::new();
    std::fs::write(path, &id).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(id)
}

/// `PATH` with this program's folder first, so that jobs can say `command = "baton"` and get this version.
fn path_with_own_folder() -> Option<String> {
    let own = std::env::current_exe().ok()?.parent()?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let joined = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).ok()?;
    joined.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::node_id;

    #[test]
    fn a_node_keeps_its_id_and_a_damaged_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node-id");
        let id = node_id(&path).unwrap();
        assert_eq!(node_id(&path).unwrap(), id);
        std::fs::write(&path, &id[..20]).unwrap();
        let error = node_id(&path).unwrap_err().to_string();
        assert!(error.contains(&id[..20]) && error.contains("remove it"), "{error}");
        std::fs::write(&path, " \n").unwrap();
        assert_ne!(node_id(&path).unwrap(), id);
    }
}
