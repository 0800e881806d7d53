//! `baton agent`: a server, a client or both, as configured, until told to stop.
//!
//! SIGTERM and SIGINT end the agent and leave its tasks running; the next one takes them up. A second signal ends at once.
//! SIGHUP reads the configuration again and takes up the log level.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use baton_net::notify::Supervisor;
use baton_runner::Shutdown;
use baton_runner::link::HttpLink;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::base::Base;
use super::config::{self, AgentConfig, Loaded};
use super::follower::Follower;
use super::local::LocalClient;
use super::socket::Socket;
use super::{Control, RunningNode, address};
use crate::cli::places;

/// Reads the configuration again, as it was read at the start.
pub type Reread = Box<dyn Fn() -> Result<Loaded>>;

/// A running agent.
struct Agent {
    control: Option<Control>,
    follower: Option<Follower>,
    node: Option<RunningNode>,
    _socket: Option<Socket>,
}

/// Starts the agent, and ends it at a signal.
pub async fn run(loaded: Loaded, reread: Reread) -> Result<u8> {
    let supervisor = Supervisor::from_environment().context("NOTIFY_SOCKET")?;
    let mut signals = Signals::new()?;
    let mut hangups = signal(SignalKind::hangup())?;
    for file in &loaded.files {
        tracing::info!(file = %file.display(), "configuration read");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut config = loaded.config;
    let agent = tokio::select! {
        agent = Agent::start(config.clone()) => agent?,
        () = signals.end() => bail!("stopped during the start"),
    };
    supervisor.ready(false).context("cannot tell the supervisor")?;
    loop {
        tokio::select! {
            () = signals.end() => break,
            _ = hangups.recv() => reload(&mut config, &reread),
        }
    }
    supervisor.stopping().context("cannot tell the supervisor")?;
    tracing::info!("stopping; the tasks go on");
    tokio::select! {
        () = agent.stop() => Ok(0),
        () = signals.end() => bail!("ended at once; the tasks go on"),
    }
}

/// Takes up what can change while the agent runs, and says what cannot.
fn reload(config: &mut AgentConfig, reread: &Reread) {
    let fresh = match reread() {
        Ok(loaded) => loaded.config,
        Err(error) => return tracing::error!(error = format!("{error:#}"), "the configuration stays as it was"),
    };
    if let Err(error) = baton_telemetry::set_level(&fresh.log_level()) {
        tracing::error!(%error, "the log level stays as it was");
    }
    tracing::info!(log_level = fresh.log_level(), "configuration read again");
    config.log_level.clone_from(&fresh.log_level);
    if *config != fresh {
        tracing::warn!("what changed besides log_level takes effect at the next start; a restart stops no task");
    }
}

impl Agent {
    async fn start(config: AgentConfig) -> Result<Self> {
        let base = Base::prepare(config)?;
        let mut agent = Self { control: None, follower: None, node: None, _socket: None };
        let (mut link, mut http_addr, mut socket_path) = (None, None, None);
        if base.config.server.enabled {
            let api = base.listen().await?;
            let bound = api.iter().map(|listener| Ok(listener.local_addr()?)).collect::<Result<Vec<_>>>()?;
            let path = base.config.addresses.socket.clone().unwrap_or_else(|| places::socket(&base.data_dir));
            let (socket, local) = Socket::listen(&path).await?;
            let control = base.control(api, &bound, local).await?;
            link = Some(HttpLink::new(format!("http://{}", address::own(&bound)?), base.token())?);
            http_addr = Some(address::advertised(&base.config, &bound, base.address)?);
            tracing::info!(
                api = %address::own(&bound)?,
                catalog = control.catalog_address.map_or_else(|| base.config.consul.address.clone().unwrap_or_default(), |address| address.to_string()),
                socket = %path.display(),
                data_dir = %base.data_dir.display(),
                "server started"
            );
            agent.control = Some(control);
            agent._socket = Some(socket);
            socket_path = Some(path);
        }
        if base.config.client.enabled {
            let link = link.map_or_else(|| base.link(), Ok)?;
            let mut catalog = agent.control.as_ref().and_then(|control| control.catalog_address);
            if agent.control.is_none() && base.config.consul.address.is_none() {
                let follower = base.follower(link.clone()).await?;
                tracing::info!(catalog = %follower.address, "a copy of the server's catalog is served");
                catalog = Some(follower.address);
                agent.follower = Some(follower);
            }
            let (kind, consul) = base.catalog(catalog)?;
            let setup = base.node(link, http_addr, kind, consul, socket_path)?;
            let running = setup.start().await?;
            if let Some(control) = &agent.control {
                control.clients.add(running.node.id.clone(), Arc::new(LocalClient::new(&running.client)));
            }
            tracing::info!(node = running.node.name, id = running.node.id, address = %base.address, "client started");
            agent.node = Some(running);
        }
        Ok(agent)
    }

    async fn stop(self) {
        if let (Some(control), Some(node)) = (&self.control, &self.node) {
            control.clients.remove(&node.node.id);
        }
        if let Some(node) = self.node {
            node.stop(Shutdown::Leave).await;
        }
        if let Some(follower) = self.follower {
            follower.stop().await;
        }
        if let Some(control) = self.control {
            control.stop().await;
        }
    }
}

/// The signals that end an agent.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The configuration files: those named, `BATON_CONFIG`, or the system's.
pub fn files(given: &[PathBuf]) -> Vec<PathBuf> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let named = std::env::var_os("BATON_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let system = || Some(PathBuf::from(places::CONFIG_FILE)).filter(|path| path.exists());
    named.or_else(system).into_iter().collect()
}

/// Reads the files, and puts the options of the command line over them.
pub fn read(files: &[PathBuf], data_dir: Option<&Path>, bind: Option<&str>, log_level: Option<&str>) -> Result<Loaded> {
    let mut loaded = config::load(files)?;
    let config = &mut loaded.config;
    if let Some(path) = data_dir {
        config.data_dir = Some(std::path::absolute(path).with_context(|| format!("--data-dir {}", path.display()))?);
    }
    if let Some(address) = bind {
        config.addresses.http = Some(address.to_owned());
        config.http_addresses().context("--bind")?;
    }
    if let Some(level) = log_level {
        config.log_level = Some(level.to_owned());
    }
    Ok(loaded)
}
