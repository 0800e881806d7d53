//! The catalog's face of an agent without a server: Consul's API over a copy of the server's catalog, and the checks that
//! others registered on this node.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use baton_api::consul::{Backend, Identity};
use baton_api::guard::{Access, Guard};
use baton_api::{Listener, consul, serve};
use baton_runner::link::HttpLink;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::control::duty;
use super::replica::Replica;

/// What a follower is started with.
pub struct FollowerSetup {
    pub node: String,
    /// A UUID.
    pub node_id: String,
    pub datacenter: String,
    /// The node's address in the catalog.
    pub address: IpAddr,
    /// Where the copy is kept.
    pub dir: PathBuf,
    pub server: HttpLink,
    pub access: Access,
    /// Names under which this agent is known besides loopback.
    pub names: Vec<String>,
    pub listener: TcpListener,
}

/// A running face.
pub struct Follower {
    pub address: SocketAddr,
    shutdown: CancellationToken,
    duties: TaskTracker,
}

impl Follower {
    /// Takes up the copy, asks the server once for news, and answers.
    pub async fn start(setup: FollowerSetup) -> Result<Self> {
        let address = setup.listener.local_addr().context("the catalog's listener")?;
        let replica = Arc::new(Replica::open(&setup.dir, Arc::new(setup.server), &setup.node, &setup.datacenter)?);
        replica.greet().await;
        let identity = Identity {
            node: setup.node,
            node_id: setup.node_id,
            datacenter: setup.datacenter,
            address: setup.address.to_string(),
            server: false,
        };
        let (shutdown, duties) = (CancellationToken::new(), TaskTracker::new());
        let following = Arc::clone(&replica);
        duty(&duties, &shutdown, async move { following.run().await });
        let backend: Arc<dyn Backend> = replica;
        let checks = consul::run_checks(Arc::clone(&backend), identity.node.clone());
        duty(&duties, &shutdown, async move {
            if let Err(error) = checks.await {
                tracing::error!(%error, "checks of services registered by others are not run");
            }
        });
        let guard = Guard::new(setup.access, setup.names);
        let router = guard.protect(consul::router(backend, identity), consul::needs_token);
        duties.spawn(serve(Listener::Tcp(setup.listener), router, shutdown.clone()));
        duties.close();
        Ok(Self { address, shutdown, duties })
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.duties.wait().await;
    }
}
