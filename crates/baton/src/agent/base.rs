//! From the configuration to the parts of an agent: its directories and token, its listeners, the set-ups of its server and
//! its node.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use baton_api::Listener;
use baton_api::guard::{Access, Secret};
use baton_model::Nanos;
use baton_model::node::{NodeCpu, NodeDisk, NodeMemory, ReservedNetworks, ReservedResources};
use baton_runner::config::{GC_MAX_ALLOCS, MAX_KILL_TIMEOUT};
use baton_server::{Config as ServerConfig, GcThresholds, Heartbeat};
use tokio::net::{TcpListener, UnixListener};

use super::config::{AgentConfig, CATALOG_ADDRESS};
use super::node::{self, CatalogKind};
use super::occupied::{self, Purpose};
use super::{Control, ControlSetup, NodeLimits, NodeSetup, address};
use crate::cli::places;

/// What the parts of one agent share.
pub struct Base {
    pub config: AgentConfig,
    pub data_dir: PathBuf,
    node_id: String,
    /// The node's address.
    pub address: IpAddr,
    token: Option<Secret>,
}

impl Base {
    /// Makes the directories and the token.
    pub fn prepare(config: AgentConfig) -> Result<Self> {
        config.whole()?;
        let data_dir = config.data_dir()?;
        directory(&data_dir, 0o711)?;
        directory(&data_dir.join("server"), 0o700)?;
        let token_file = config.acl.token_file.clone().unwrap_or_else(|| places::token_file(&data_dir));
        let token = match (config.allows_everything(), config.server.enabled) {
            (true, _) => None,
            (false, true) => Some(Secret::load_or_create(&token_file)?),
            (false, false) if token_file.exists() => Some(Secret::load_or_create(&token_file)?),
            (false, false) => {
                bail!("no token for the server: copy the server's token file to {} (chmod 600)", token_file.display())
            }
        };
        Ok(Self {
            node_id: node::node_id(&data_dir.join("node-id"))?,
            address: address::of_node(&config)?,
            config,
            data_dir,
            token,
        })
    }

    /// Where the API is to answer; elsewhere than on loopback only with the token.
    pub async fn listen(&self) -> Result<Vec<TcpListener>> {
        let purpose = Purpose {
            what: "the API",
            flag: "ports { http } or addresses { http }",
            consul_advice: "choose another address with ports { http } or addresses { http }",
        };
        let mut listeners = Vec::new();
        for ip in self.config.http_addresses()? {
            self.admit("the API", ip)?;
            listeners.push(occupied::listen(SocketAddr::new(ip, self.config.http_port()), purpose).await?);
        }
        Ok(listeners)
    }

    fn admit(&self, what: &str, ip: IpAddr) -> Result<()> {
        if ip.is_loopback() {
            return Ok(());
        }
        if self.token.is_none() {
            bail!(
                "{what} on {ip} with acl {{ default = \"allow\" }} would let everybody run programs here: remove the default, or bind it to 127.0.0.1"
            );
        }
        tracing::warn!(%ip, "{what} is reached from elsewhere without TLS: whoever is on the way reads the token");
        Ok(())
    }

    /// Starts the server and its faces.
    pub async fn control(&self, api: Vec<TcpListener>, bound: &[SocketAddr], local: UnixListener) -> Result<Control> {
        let catalog = match &self.config.consul.address {
            Some(_) => None,
            None => {
                let text = self.config.catalog.address.as_deref().unwrap_or(CATALOG_ADDRESS);
                let address: SocketAddr = text.parse().context("catalog.address")?;
                self.admit("the catalog", address.ip())?;
                let purpose = Purpose {
                    what: "the catalog",
                    flag: "catalog { address }",
                    consul_advice: "use it with consul { address }, or choose another address with catalog { address }",
                };
                Some(occupied::listen(address, purpose).await?)
            }
        };
        let mut faces: Vec<Listener> = api.into_iter().map(Listener::Tcp).collect();
        faces.push(Listener::Unix(local));
        let setup = ControlSetup {
            config: self.server()?,
            node_id: self.node_id.clone(),
            address: self.address,
            dir: Some(self.data_dir.join("server")),
            access: self.token.clone().map_or(Access::Allow, Access::Token),
            names: address::names(&self.config, bound)?,
            advertise: address::own(bound)?,
            api: faces,
            catalog,
        };
        Control::start(setup).await
    }

    fn server(&self) -> Result<ServerConfig> {
        let server = &self.config.server;
        let (heartbeat, gc) = (Heartbeat::default(), GcThresholds::default());
        Ok(ServerConfig {
            region: self.config.region(),
            datacenter: self.config.datacenter(),
            name: self.config.name()?,
            heartbeat: Heartbeat {
                ttl: or(server.min_heartbeat_ttl, heartbeat.ttl),
                grace: or(server.heartbeat_grace, heartbeat.grace),
                after_start: or(server.failover_heartbeat_ttl, heartbeat.after_start),
            },
            gc: GcThresholds {
                interval: or(server.job_gc_interval, gc.interval),
                eval: or(server.eval_gc_threshold, gc.eval),
                batch_eval: or(server.batch_eval_gc_threshold, gc.batch_eval),
                job: or(server.job_gc_threshold, gc.job),
                deployment: or(server.deployment_gc_threshold, gc.deployment),
                node: or(server.node_gc_threshold, gc.node),
            },
        })
    }

    /// The catalog of this node: a real Consul, this agent's own, or the server's.
    pub fn catalog(&self, control: Option<&Control>) -> Result<(CatalogKind, baton_consul::Config)> {
        let settings = &self.config.consul;
        if let Some(address) = &settings.address {
            let pem = |path: &Option<PathBuf>| match path {
                Some(path) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display())),
                None => Ok(Vec::new()),
            };
            let identity = match (&settings.cert_file, &settings.key_file) {
                (Some(_), Some(_)) => Some((pem(&settings.cert_file)?, pem(&settings.key_file)?)),
                _ => None,
            };
            let tls = baton_consul::Tls {
                authorities: pem(&settings.ca_file)?,
                identity,
                insecure: settings.verify_ssl == Some(false),
            };
            let scheme = if settings.ssl && !address.contains("://") { "https://" } else { "" };
            let address = format!("{scheme}{address}");
            return Ok((CatalogKind::Consul, baton_consul::Config { address, token: settings.token.clone(), tls }));
        }
        let address = match (control.and_then(|control| control.catalog_address), &self.config.catalog.address) {
            (Some(address), _) => address.to_string(),
            (None, Some(address)) => address.clone(),
            (None, None) => {
                let servers = self.config.servers();
                let host =
                    servers.first().and_then(|server| server.rsplit_once(':')).map_or("127.0.0.1", |(host, _)| host);
                format!("{host}:8500")
            }
        };
        let token = self.token.as_ref().map(|token| token.expose().to_owned());
        Ok((CatalogKind::Embedded, baton_consul::Config { address, token, ..Default::default() }))
    }

    /// The set-up of the node. `server`: URL and advertised address of this process's API.
    pub fn node(
        &self,
        server: Option<(String, String)>,
        catalog: CatalogKind,
        consul: baton_consul::Config,
        api_socket: Option<PathBuf>,
    ) -> Result<NodeSetup> {
        let client = &self.config.client;
        let (server, http_addr) = match server {
            Some(own) => own,
            None => {
                let servers = self.config.servers();
                let first = servers.first().context("a client without a server needs one")?;
                if servers.len() > 1 {
                    tracing::warn!(server = %first, "several servers are named; the first one is used");
                }
                tracing::warn!(
                    "this agent has no API of its own yet: logs and files of its allocations are read on this machine"
                );
                (format!("http://{first}"), String::new())
            }
        };
        let (first, last) = self.config.dynamic_ports();
        Ok(NodeSetup {
            name: self.config.name()?,
            datacenter: self.config.datacenter(),
            node_class: client.node_class.clone(),
            node_pool: client.node_pool.clone().unwrap_or_else(|| "default".to_owned()),
            meta: client.meta.clone(),
            address: self.address,
            ports: (first.into(), last.into()),
            dir: self.data_dir.clone(),
            server,
            token: self.token.as_ref().map(|token| token.expose().to_owned()),
            catalog,
            consul,
            http_addr,
            api_socket,
            limits: self.limits(),
            bind: false,
            script_checks: self.config.catalog.enable_script_checks,
            temporary: None,
        })
    }

    fn limits(&self) -> NodeLimits {
        let client = &self.config.client;
        let reserved = &client.reserved;
        NodeLimits {
            raw_exec: self.config.raw_exec(),
            reserved: ReservedResources {
                cpu: NodeCpu { cpu_shares: reserved.cpu, ..NodeCpu::default() },
                memory: NodeMemory { memory_mb: reserved.memory },
                disk: NodeDisk { disk_mb: reserved.disk },
                networks: ReservedNetworks { reserved_host_ports: reserved.reserved_ports.clone() },
            },
            cpu: client.cpu_total_compute.filter(|mhz| *mhz > 0),
            memory: client.memory_total_mb.filter(|megabytes| *megabytes > 0),
            disk: client.disk_total_mb.filter(|megabytes| *megabytes > 0),
            max_kill_timeout: or(client.max_kill_timeout, MAX_KILL_TIMEOUT),
            gc_max_allocs: client.gc_max_allocs.unwrap_or(GC_MAX_ALLOCS),
        }
    }
}

fn or(configured: Option<Nanos>, default: Duration) -> Duration {
    configured.map_or(default, Nanos::to_std)
}

fn directory(path: &Path, mode: u32) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.with_context(|| format!("cannot make {} (--data-dir chooses another)", path.display()))
}
