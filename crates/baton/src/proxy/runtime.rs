//! The running proxy: providers, signals and the engine in one loop.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use baton_net::activation::Inherited;
use baton_net::notify::Supervisor;
use baton_proxy::access::AccessLog;
use baton_proxy::health::Probes;
use baton_proxy::providers::catalog::{Catalog, Picture};
use baton_proxy::providers::files::{Files, Found, Watch};
use baton_proxy::{DrainPlan, Engine, EngineConfig, EngineHandle};
use baton_routing::{Problem, RouteTable, Severity, compile};
use baton_traefik::static_config::Loaded;
use std::os::fd::AsFd as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::agent;
use super::drain::Drains;
use super::internals::{self, View};
use super::observe::Observers;
use super::sources::{Sources, saved};
use super::startup::{Start, log};

/// How long a start waits for the catalog's first complete picture before it serves without.
const FIRST_CATALOG: Duration = Duration::from_secs(3);
/// Set for a process that is to begin in standby.
const STANDBY: &str = baton_keeper::protocol::STANDBY_VARIABLE;
/// The catalog as it was last seen, in the state directory.
const CATALOG_FILE: &str = "catalog.json";

/// Runs the proxy until it is told to stop.
pub async fn run(start: Start, loaded: Loaded, inherited: Inherited) -> Result<()> {
    let mut signals = Signals::new()?;
    let supervisor = Supervisor::from_environment().context("NOTIFY_SOCKET cannot be used")?;
    let mut sources = Sources::new(loaded.config, start.environment());
    let mut files = FileSource::new(&sources);
    let mut catalog = CatalogSource::start(&sources)?;
    files.read_into(&mut sources);
    catalog.first(&mut sources).await;

    let view = Arc::new(View::default());
    let observers = Arc::new(Observers::new(&sources.fixed)?);
    // Over the shared sockets half of the checks would reach the predecessor: it is looked at alone before it accepts there.
    let standby = supervisor.is_present() && std::env::var_os(STANDBY).is_some() && !inherited.is_empty();
    let config = EngineConfig {
        internals: internals::all(&view, observers.metrics()),
        access_log: (!observers.is_idle()).then(|| Arc::clone(&observers) as Arc<dyn AccessLog>),
        inherited,
        bind_host: std::env::var("BATON_BIND_ADDRESS").ok().filter(|host| !host.is_empty()),
        paused: standby,
        denied: agent::denied(),
        ping_terminating_status: sources.fixed.ping.as_ref().map_or(503, |ping| ping.terminating_status_code),
        ..EngineConfig::new(table(&sources))
    };
    let (engine, problems) = Engine::start(config)?;
    let engine = Arc::new(engine);
    tell(&engine.snapshot().table.problems, &problems);
    observers.applied(&engine.snapshot().table);
    view.show(&sources.fixed, &engine);
    let mut probes = Probes::default();
    probes.follow(&engine);
    for (name, address) in engine.bound() {
        tracing::info!(entry_point = name, %address, "listening");
    }
    store_sockets(&engine, &supervisor)?;
    if standby {
        supervisor.standing_by(&engine.listen_alone()?)?;
    }
    supervisor.ready(true)?;

    let name = format!("{}-{}", baton_net::listen::hostname(), std::process::id());
    let mut drains = Drains::new(engine.snapshots(), name);
    let mut draining = None;
    loop {
        tokio::select! {
            () = files.watch.changed() => if !files.read_into(&mut sources) {
                continue;
            },
            picture = catalog.changed() => {
                sources.take_catalog(&picture);
                catalog.save(&picture);
                draining = Some(Sources::draining(&picture));
            }
            caught = signals.next() => match caught {
                Caught::Stop => break,
                Caught::Reload => {
                    reload(&start, &mut sources);
                    files = FileSource::new(&sources);
                    files.read_into(&mut sources);
                    catalog.follow(&sources)?;
                }
                Caught::Reopen => {
                    observers.reopen();
                    continue;
                }
                Caught::StandBy if supervisor.is_present() => {
                    engine.pause()?;
                    supervisor.standing_by(&[])?;
                    tracing::info!("standing by: a successor takes the new connections");
                    continue;
                }
                Caught::GoOn if supervisor.is_present() => {
                    engine.resume()?;
                    supervisor.accepting()?;
                    continue;
                }
                Caught::StandBy | Caught::GoOn | Caught::Other => continue,
            },
        }
        let applied = apply(&engine, &sources, &view, &supervisor);
        if let Some(draining) = draining.take() {
            // After the table is in force: from then on the counts only fall.
            drains.set(draining, catalog.client.as_ref());
        }
        if applied {
            observers.applied(&engine.snapshot().table);
            probes.follow(&engine);
        }
    }
    tracing::info!("stopping");
    supervisor.stopping()?;
    drop(files);
    view.clear();
    let plan = DrainPlan::of(&engine.snapshot().table);
    let mut shutdown = pin!(async { alone(engine).await.shutdown(plan).await });
    let drained = loop {
        tokio::select! {
            drained = &mut shutdown => break drained?,
            // What is still to be finished must not lose its backend meanwhile.
            picture = catalog.changed() => drains.set(Sources::draining(&picture), catalog.client.as_ref()),
        }
    };
    drains.finish(catalog.client.as_ref()).await;
    if drained.cut > 0 {
        tracing::warn!(connections = drained.cut, "cut connections that did not end in time");
    }
    Ok(())
}

fn table(sources: &Sources) -> Arc<RouteTable> {
    Arc::new(compile(&sources.config(), &super::IMPLEMENTED))
}

/// The engine, once nobody looks at its numbers any more.
async fn alone(mut engine: Arc<EngineHandle>) -> EngineHandle {
    loop {
        match Arc::try_unwrap(engine) {
            Ok(engine) => return engine,
            Err(shared) => engine = shared,
        }
        tokio::task::yield_now().await;
    }
}

/// Serves what the sources say now, and says so; if that cannot be, everything stays as it is.
fn apply(engine: &Arc<EngineHandle>, sources: &Sources, view: &View, supervisor: &Supervisor) -> bool {
    let table = table(sources);
    match engine.apply(table) {
        Ok(problems) => {
            tell(&engine.snapshot().table.problems, &problems);
            view.show(&sources.fixed, engine);
            if let Err(error) = store_sockets(engine, supervisor) {
                tracing::warn!(%error, "new sockets cannot be stored for a successor");
            }
            tracing::info!(routes = engine.snapshot().table.routes.len(), "configuration applied");
            true
        }
        Err(error) => {
            tracing::error!(%error, "the new configuration cannot be used; the old one stays");
            false
        }
    }
}

/// Reads the static configuration again; a broken one changes nothing.
fn reload(start: &Start, sources: &mut Sources) {
    match start.load() {
        Ok(loaded) => {
            loaded.findings.iter().for_each(log);
            if loaded.is_broken() {
                tracing::error!("the static configuration has mistakes; the old one stays");
            } else {
                sources.replace_fixed(loaded.config);
            }
        }
        Err(error) => tracing::error!("{error}; the old static configuration stays"),
    }
}

fn tell(compiled: &[Problem], built: &[Problem]) {
    for problem in compiled.iter().chain(built) {
        let name = &problem.object.name;
        match problem.severity {
            Severity::Warning => tracing::warn!("{name}: {}", problem.message),
            Severity::Disabled => tracing::error!("{name} is disabled: {}", problem.message),
            Severity::Closed => tracing::error!("{name} answers 503 only: {}", problem.message),
        }
    }
}

fn store_sockets(engine: &EngineHandle, supervisor: &Supervisor) -> Result<()> {
    if supervisor.is_present() {
        for (name, socket) in engine.sockets()? {
            supervisor.store(&name, socket.as_fd())?;
        }
    }
    Ok(())
}

/// The file provider, if there is one.
struct FileSource {
    files: Option<Files>,
    watch: MaybeWatch,
    /// What was read last.
    known: Option<Found>,
}

struct MaybeWatch(Option<Watch>);

impl MaybeWatch {
    async fn changed(&mut self) {
        match &mut self.0 {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl FileSource {
    fn new(sources: &Sources) -> Self {
        let files = sources.fixed.providers.file.as_ref().and_then(Files::new);
        Self { watch: MaybeWatch(files.as_ref().map(Files::watch)), files, known: None }
    }

    /// Reads the files; says whether they are not what they were.
    fn read_into(&mut self, sources: &mut Sources) -> bool {
        let found = self.files.as_ref().map(Files::read).unwrap_or_default();
        if self.known.as_ref() == Some(&found) {
            return false;
        }
        self.known = Some(found.clone());
        sources.take_files(found);
        true
    }
}

/// The catalog provider, if there is one.
struct CatalogSource {
    client: Option<baton_consul::Client>,
    following: Option<JoinHandle<()>>,
    options: Option<baton_routing::config::ConsulCatalog>,
    pictures: watch::Receiver<Picture>,
    state: Option<PathBuf>,
}

impl CatalogSource {
    fn start(sources: &Sources) -> Result<Self> {
        let state = std::env::var_os("BATON_STATE_DIR").map(|dir| PathBuf::from(dir).join(CATALOG_FILE));
        let mut source = Self { client: None, following: None, options: None, pictures: watch::channel(None).1, state };
        source.follow(sources)?;
        Ok(source)
    }

    /// Follows the catalog that the options name; goes on as before when they have not changed.
    fn follow(&mut self, sources: &Sources) -> Result<()> {
        let options = sources.catalog_options().cloned();
        if options == self.options {
            return Ok(());
        }
        let (tell, pictures) = watch::channel(None);
        let following = match &options {
            None => None,
            Some(options) => {
                let catalog = Catalog::new(options).context("providers.consulCatalog")?;
                self.client = Some(catalog.client().clone());
                Some(tokio::spawn(async move { catalog.follow(&tell).await }))
            }
        };
        if let Some(earlier) = std::mem::replace(&mut self.following, following) {
            earlier.abort();
        }
        self.pictures = pictures;
        self.options = options;
        Ok(())
    }

    /// The first picture: the catalog's if it answers soon, else the last one saved.
    async fn first(&mut self, sources: &mut Sources) {
        if self.options.is_none() {
            return;
        }
        if let Some(bytes) = self.state.as_ref().and_then(|path| std::fs::read(path).ok()) {
            sources.take_catalog(&saved::from_bytes(&bytes));
        }
        match tokio::time::timeout(FIRST_CATALOG, self.changed()).await {
            Ok(picture) => {
                sources.take_catalog(&picture);
                self.save(&picture);
            }
            Err(_) => {
                tracing::warn!("the catalog has not answered within {FIRST_CATALOG:?}; starting without news from it")
            }
        }
    }

    async fn changed(&mut self) -> Picture {
        match self.pictures.changed().await {
            Ok(()) => self.pictures.borrow_and_update().clone(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Keeps the picture for a start without catalog; losing it costs no request now.
    fn save(&self, picture: &Picture) {
        let (Some(path), Some(bytes)) = (&self.state, saved::to_bytes(picture)) else { return };
        let partial = path.with_extension("partial");
        if let Err(error) = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path)) {
            tracing::warn!(%error, path = %path.display(), "the last known services cannot be kept");
        }
    }
}

impl Drop for CatalogSource {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

/// The signals that mean something here.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
    window: Signal,
    proceed: Signal,
}

enum Caught {
    Stop,
    Reload,
    /// The access log was moved away.
    Reopen,
    /// Leave new connections to the process that shares the sockets.
    StandBy,
    /// Accept (again).
    GoOn,
    Other,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            window: signal(SignalKind::from_raw(baton_keeper::protocol::STAND_BY))?,
            proceed: signal(SignalKind::from_raw(baton_keeper::protocol::GO_ON))?,
        })
    }

    async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.terminate.recv() => Caught::Stop,
            _ = self.interrupt.recv() => Caught::Stop,
            _ = self.hangup.recv() => Caught::Reload,
            _ = self.user1.recv() => Caught::Reopen,
            _ = self.user2.recv() => Caught::Other,
            _ = self.window.recv() => Caught::StandBy,
            _ = self.proceed.recv() => Caught::GoOn,
        }
    }
}
