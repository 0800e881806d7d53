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
use baton_runner::link::HttpLink;
use baton_server::{Config as ServerConfig, GcThresholds, Heartbeat};
use tokio::net::{TcpListener, UnixListener};

use super::config::{AgentConfig, CATALOG_ADDRESS};
use super::follower::{Follower, FollowerSetup};
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
            None => Some(self.catalog_listener().await?),
        };
        let mut faces: Vec<Listener> = api.into_iter().map(Listener::Tcp).collect();
        faces.push(Listener::Unix(local));
        let setup = ControlSetup {
            config: self.server()?,
            node_id: self.node_id.clone(),
            address: self.address,
            dir: Some(self.data_dir.join("server")),
            access: self.access(),
            names: address::names(&self.config, bound)?,
            advertise: address::own(bound)?,
            api: faces,
            catalog,
        };
        Control::start(setup).await
    }

    /// Serves a copy of the server's catalog, where neither a server nor a real Consul is here.
    pub async fn follower(&self, server: HttpLink) -> Result<Follower> {
        let listener = self.catalog_listener().await?;
        let bound = listener.local_addr().context("the catalog's listener")?;
        Follower::start(FollowerSetup {
            node: self.config.name()?,
            node_id: self.node_id.clone(),
            datacenter: self.config.datacenter(),
            address: self.address,
            dir: self.data_dir.join("catalog"),
            server,
            access: self.access(),
            names: address::names(&self.config, &[bound])?,
            listener,
        })
        .await
    }

    async fn catalog_listener(&self) -> Result<TcpListener> {
        let text = self.config.catalog.address.as_deref().unwrap_or(CATALOG_ADDRESS);
        let address: SocketAddr = text.parse().context("catalog.address")?;
        self.admit("the catalog", address.ip())?;
        let purpose = Purpose {
            what: "the catalog",
            flag: "catalog { address }",
            consul_advice: "use it with consul { address }, or choose another address with catalog { address }",
        };
        occupied::listen(address, purpose).await
    }

    fn access(&self) -> Access {
        self.token.clone().map_or(Access::Allow, Access::Token)
    }

    /// The way to the server of an agent that is none, over every address that leads there.
    pub fn link(&self) -> Result<HttpLink> {
        let bases = self.config.servers().into_iter().map(|server| format!("http://{server}"));
        Ok(HttpLink::among(bases, self.token())?)
    }

    pub fn token(&self) -> Option<String> {
        self.token.as_ref().map(|token| token.expose().to_owned())
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

    /// The catalog of this node: a real Consul, or this agent's `own`.
    pub fn catalog(&self, own: Option<SocketAddr>) -> Result<(CatalogKind, baton_consul::Config)> {
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
        let address = own.context("this agent has no catalog")?.to_string();
        Ok((CatalogKind::Embedded, baton_consul::Config { address, token: self.token(), ..Default::default() }))
    }

    /// The set-up of the node. `http_addr`: where this process's API is reached from elsewhere.
    pub fn node(
        &self,
        link: HttpLink,
        http_addr: Option<String>,
        catalog: CatalogKind,
        consul: baton_consul::Config,
        api_socket: Option<PathBuf>,
    ) -> Result<NodeSetup> {
        let client = &self.config.client;
        if http_addr.is_none() {
            tracing::warn!(
                "this agent has no API of its own yet: logs and files of its allocations are read on this machine"
            );
        }
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
            link,
            catalog,
            consul,
            http_addr: http_addr.unwrap_or_default(),
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
