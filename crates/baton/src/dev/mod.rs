//! `baton dev`: an agent with several virtual nodes in one process tree.
//!
//! Each node has its own loopback address, keeper and directories and talks to the server like a real one. Ctrl-C stops
//! everything. Without a data directory everything lies in a temporary one, and the keepers end it all should this process
//! vanish; with one, tasks outlive a vanished process, and the next start goes on with what was there.

mod banner;
mod events;
mod infer;
mod last_words;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use baton_api::Listener;
use baton_api::guard::Access;
use baton_model::Job;
use baton_model::node::Eligibility;
use baton_runner::Shutdown;
use baton_runner::link::HttpLink;
use baton_server::{Config, Heartbeat, RegisterRequest};
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::local::LocalClient;
use crate::agent::node::CatalogKind;
use crate::agent::occupied::{self, Purpose};
use crate::agent::{Control, ControlSetup, NodeLimits, NodeSetup, RunningNode};
use crate::cli::{jobfile, outln};
use banner::{Started, StartedNode};
use infer::Wishes;

/// Dynamic ports of all nodes together; each gets an equal slice.
const PORTS: (i64, i64) = (20_000, 32_000);

/// What is wanted.
#[derive(Debug)]
pub struct Options {
    pub nodes: u8,
    pub meta: BTreeMap<String, String>,
    pub datacenter: Option<String>,
    pub node_base: Ipv4Addr,
    pub api: SocketAddr,
    pub catalog: SocketAddr,
    pub consul: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub json: bool,
    pub files: Vec<PathBuf>,
}

/// `name=value`
pub fn split_meta(pair: &str) -> Result<(String, String)> {
    let (name, value) = pair.split_once('=').with_context(|| format!("--meta {pair:?}: give name=value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Starts everything, tells what happens, and ends everything at a signal.
pub async fn run(options: Options) -> Result<u8> {
    let mut jobs = Vec::new();
    for file in &options.files {
        let parsed = jobfile::read_plain(file)?;
        let unsupported = parsed.unsupported();
        if !unsupported.is_empty() {
            jobfile::show(&unsupported, &parsed.source);
            bail!("{} asks for what Baton does not do", file.display());
        }
        jobs.push(parsed.job);
    }
    let dir = Directory::open(options.data_dir.as_deref())?;
    let mut stop = Stop::new()?;
    let dev = tokio::select! {
        dev = Dev::start(&options, &jobs, &dir) => dev?,
        () = stop.first() => bail!("stopped during the start"),
    };
    let submitted = tokio::select! {
        submitted = dev.submit(jobs) => submitted,
        () = stop.first() => Ok(Submitted::Interrupted),
    };
    if matches!(submitted, Ok(Submitted::All)) {
        stop.first().await;
    }
    eprintln!("stopping; Ctrl-C again kills");
    tokio::select! {
        () = dev.stop(&dir) => {}
        () = stop.first() => bail!("killed; what still ran is ended by its keeper"),
    }
    dir.close()?;
    submitted.map(|_| 0)
}

/// How far the hand-over of the jobs came.
enum Submitted {
    All,
    Interrupted,
}

struct Dev {
    control: Control,
    nodes: Vec<RunningNode>,
    events: tokio::task::JoinHandle<()>,
}

impl Dev {
    async fn start(options: &Options, jobs: &[Job], dir: &Directory) -> Result<Self> {
        let api = occupied::listen(
            options.api,
            Purpose { what: "the API", flag: "--api-addr", consul_advice: "choose another address with --api-addr" },
        )
        .await?;
        let catalog = match &options.consul {
            Some(_) => None,
            None => {
                let purpose = Purpose {
                    what: "the catalog",
                    flag: "--catalog-addr",
                    consul_advice: "use it with --consul, or choose another address with --catalog-addr",
                };
                Some(occupied::listen(options.catalog, purpose).await?)
            }
        };
        let datacenter = options.datacenter.clone().unwrap_or_else(|| Wishes::of(jobs).node(0).datacenter);
        let config = Config {
            datacenter: datacenter.clone(),
            name: "baton-dev".to_owned(),
            heartbeat: Heartbeat::short(),
            ..Config::default()
        };
        let api_address = api.local_addr().context("the API's listener")?;
        let setup = ControlSetup {
            config,
            node_id: crate::agent::node::node_id(&dir.path.join("node-id"))?,
            address: api_address.ip(),
            dir: Some(dir.path.join("server")),
            access: Access::Dev,
            names: Vec::new(),
            advertise: api_address,
            api: vec![Listener::Tcp(api)],
            catalog,
        };
        let control = Control::start(setup).await?;
        let wishes = Wishes::of(&wanted(jobs, &control));
        let catalog_address = match (&options.consul, control.catalog_address) {
            (Some(consul), _) => consul.clone(),
            (None, Some(address)) => address.to_string(),
            (None, None) => bail!("no catalog"),
        };
        let mut nodes = Vec::new();
        for index in 0..options.nodes {
            let setup = node(options, &wishes, index, dir, &control, &catalog_address)?;
            let running = setup.start().await?;
            control.clients.add(running.node.id.clone(), std::sync::Arc::new(LocalClient::new(&running.client)));
            if dir.take_rest(&running.node.name) {
                control.server.set_eligibility(running.node.id.clone(), Eligibility::Eligible).await?;
            }
            nodes.push(running);
        }
        tell(options, jobs, &control, &nodes, &catalog_address, dir)?;
        let events = tokio::spawn(events::tell(control.server.clone(), control.clients.clone()));
        Ok(Self { control, nodes, events })
    }

    /// Hands the jobs to the server.
    async fn submit(&self, jobs: Vec<Job>) -> Result<Submitted> {
        for job in jobs {
            let id = job.id.clone();
            let request = RegisterRequest { job, ..RegisterRequest::default() };
            self.control.server.register_job(request).await.with_context(|| format!("job {id}"))?;
        }
        Ok(Submitted::All)
    }

    async fn stop(self, dir: &Directory) {
        self.events.abort();
        for RunningNode { node, .. } in &self.nodes {
            self.control.clients.remove(&node.id);
            let known = self.control.server.state().node(&node.id).map(|node| node.scheduling_eligibility);
            if known == Some(Eligibility::Eligible) {
                // What is stopped here is not to be placed again before the next start.
                dir.leave_rest(&node.name);
                let _ = self.control.server.set_eligibility(node.id.clone(), Eligibility::Ineligible).await;
            }
        }
        futures::future::join_all(self.nodes.into_iter().map(|node| node.stop(Shutdown::StopAll))).await;
        self.control.stop().await;
    }
}

/// The given jobs, and behind them those that a data directory still holds.
fn wanted(jobs: &[Job], control: &Control) -> Vec<Job> {
    let state = control.server.state();
    let kept = state.jobs().filter(|job| !job.stop && jobs.iter().all(|given| given.id != job.id));
    jobs.iter().cloned().chain(kept.map(|job| Job::clone(job))).collect()
}

fn node(
    options: &Options,
    wishes: &Wishes,
    index: u8,
    dir: &Directory,
    control: &Control,
    catalog_address: &str,
) -> Result<NodeSetup> {
    let mut shape = wishes.node(usize::from(index));
    shape.meta.extend(options.meta.clone());
    let name = format!("edge-{}", index + 1);
    let slice = (PORTS.1 - PORTS.0) / i64::from(options.nodes);
    let first = PORTS.0 + slice * i64::from(index);
    Ok(NodeSetup {
        datacenter: options.datacenter.clone().unwrap_or(shape.datacenter),
        node_class: String::new(),
        node_pool: "default".to_owned(),
        meta: shape.meta,
        address: IpAddr::V4(Ipv4Addr::from_bits(options.node_base.to_bits().wrapping_add(u32::from(index)))),
        ports: (first, first + slice - 1),
        dir: dir.path.join("nodes").join(&name),
        link: HttpLink::new(format!("http://{}", control.advertise), None)?,
        catalog: if options.consul.is_some() { CatalogKind::Consul } else { CatalogKind::Embedded },
        consul: baton_consul::Config::new(catalog_address),
        http_addr: control.advertise.to_string(),
        api_socket: None,
        limits: NodeLimits::default(),
        bind: true,
        script_checks: true,
        temporary: dir.is_temporary().then(|| dir.path.clone()),
        name,
    })
}

fn tell(
    options: &Options,
    jobs: &[Job],
    control: &Control,
    nodes: &[RunningNode],
    catalog_address: &str,
    dir: &Directory,
) -> Result<()> {
    let address =
        |node: &baton_model::Node| node.node_resources.networks.first().and_then(|network| network.ip.parse().ok());
    let started = Started {
        api: control.advertise,
        catalog: catalog_address.to_owned(),
        nodes: nodes
            .iter()
            .map(|running| StartedNode {
                name: running.node.name.clone(),
                id: running.node.id.clone(),
                address: address(&running.node).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                datacenter: running.node.datacenter.clone(),
                meta: running.node.meta.clone(),
            })
            .collect(),
        jobs: jobs.iter().map(|job| job.id.clone()).collect(),
        data_dir: dir.path.display().to_string(),
    };
    if options.json {
        return outln(&serde_json::to_string(&started)?);
    }
    // As it was called, so that the lines can be copied: a clone has no `baton` in its PATH.
    let program = std::env::args().next().unwrap_or_else(|| "baton".to_owned());
    outln(&banner::text(&started, jobs, &program))
}

/// Where everything lies, and whether it stays.
struct Directory {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Directory {
    fn open(given: Option<&Path>) -> Result<Self> {
        if let Some(path) = given {
            std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
            let path = path.canonicalize().with_context(|| format!("cannot use {}", path.display()))?;
            return Ok(Self { path, temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("baton-dev-").tempdir().context("no temporary directory")?;
        Ok(Self { path: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Notes that a node is at rest only because everything stops.
    fn leave_rest(&self, node: &str) {
        if !self.is_temporary()
            && let Err(error) = std::fs::write(self.rest(node), "")
        {
            tracing::warn!(%error, node, "the next start will not place anything on this node by itself");
        }
    }

    /// Whether that was noted at the last stop; forgets it.
    fn take_rest(&self, node: &str) -> bool {
        std::fs::remove_file(self.rest(node)).is_ok()
    }

    fn rest(&self, node: &str) -> PathBuf {
        self.path.join("nodes").join(node).join("stopped-with-dev")
    }

    fn close(self) -> Result<()> {
        self.temporary.map_or(Ok(()), |temporary| temporary.close().context("cannot remove the temporary directory"))
    }
}

/// Ctrl-C and TERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
