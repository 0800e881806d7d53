//! The server side of an agent: the store, the control plane, and the two HTTP faces before it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use baton_api::consul::{Backend, Identity, ServerBackend};
use baton_api::guard::{Access, Guard};
use baton_api::nomad::{AgentInfo, ApiState};
use baton_api::{Listener, consul, nomad, serve};
use baton_catalog::Command;
use baton_consul::wire::Node as CatalogNode;
use baton_runner::fingerprint::NOMAD_VERSION;
use baton_server::{Config, Server};
use baton_store::{MemoryStore, RedbStore, Store};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clients::Clients;
use super::membership;

/// What a control side is started with.
pub struct ControlSetup {
    pub config: Config,
    /// This agent's id in the catalog, a UUID.
    pub node_id: String,
    /// This agent's address in the catalog.
    pub address: IpAddr,
    /// Where the state lives; `None` keeps it in memory.
    pub dir: Option<PathBuf>,
    pub access: Access,
    /// Names under which this agent is known besides loopback.
    pub names: Vec<String>,
    /// Where the API is reached from elsewhere, and where it answers.
    pub advertise: SocketAddr,
    pub api: Vec<Listener>,
    /// Where the embedded catalog answers; `None` when a real Consul is the catalog.
    pub catalog: Option<TcpListener>,
}

/// A running control side.
pub struct Control {
    pub server: Server,
    pub clients: Arc<Clients>,
    pub advertise: SocketAddr,
    pub catalog_address: Option<SocketAddr>,
    shutdown: CancellationToken,
    faces: TaskTracker,
}

impl Control {
    /// Opens the state and serves both faces.
    pub async fn start(setup: ControlSetup) -> Result<Self> {
        let store: Box<dyn Store> = match &setup.dir {
            Some(dir) => Box::new(RedbStore::open(dir)?),
            None => Box::new(MemoryStore::default()),
        };
        let server = Server::open(setup.config, store)?;
        let clients = Arc::new(Clients::default());
        let guard = Guard::new(setup.access, setup.names);
        let state = ApiState {
            server: server.clone(),
            clients: clients.clone(),
            agent: Arc::new(AgentInfo {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                nomad_version: NOMAD_VERSION.to_owned(),
                advertise: setup.advertise,
                config: json!({ "Baton": env!("CARGO_PKG_VERSION") }),
            }),
        };
        let shutdown = CancellationToken::new();
        let faces = TaskTracker::new();
        let router = guard.clone().protect(nomad::router(state), nomad::needs_token);
        for listener in setup.api {
            faces.spawn(serve(listener, router.clone(), shutdown.clone()));
        }

        let mut catalog_address = None;
        if let Some(listener) = setup.catalog {
            catalog_address = Some(listener.local_addr().context("the catalog's listener")?);
            let config = server.config();
            let identity = Identity {
                node: config.name.clone(),
                node_id: setup.node_id,
                datacenter: config.datacenter.clone(),
                address: setup.address.to_string(),
                server: true,
            };
            let backend: Arc<dyn Backend> = Arc::new(ServerBackend::new(server.clone()));
            let own = catalog_node(&identity);
            backend.apply(Command::NodeUp(own.clone())).await.context("the catalog")?;
            duty(&faces, &shutdown, membership::follow(server.clone(), Arc::clone(&backend), own));
            let checks = consul::run_checks(Arc::clone(&backend), identity.node.clone());
            duty(&faces, &shutdown, async move {
                if let Err(error) = checks.await {
                    tracing::error!(%error, "checks of services registered by others are not run");
                }
            });
            let router = guard.protect(consul::router(backend, identity), consul::needs_token);
            faces.spawn(serve(Listener::Tcp(listener), router, shutdown.clone()));
        }
        faces.close();
        Ok(Self { server, clients, advertise: setup.advertise, catalog_address, shutdown, faces })
    }

    /// Ends the faces, then the server; what was acknowledged is on the disk.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.faces.wait().await;
        self.server.shutdown().await;
    }
}

/// Runs beside the faces until the stop.
pub(super) fn duty(faces: &TaskTracker, shutdown: &CancellationToken, duty: impl Future<Output = ()> + Send + 'static) {
    let shutdown = shutdown.clone();
    faces.spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = duty => {}
        }
    });
}

fn catalog_node(identity: &Identity) -> CatalogNode {
    CatalogNode {
        id: identity.node_id.clone(),
        node: identity.node.clone(),
        address: identity.address.clone(),
        datacenter: identity.datacenter.clone(),
        ..CatalogNode::default()
    }
}
