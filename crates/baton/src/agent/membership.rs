//! Nodes of the server as nodes of its catalog: one that lives has a passing `serfHealth`, one that is gone a critical one,
//! one that was purged leaves the catalog with everything on it. A node that somebody took out of the catalog comes back.
//!
//! Input: the server's state, followed as it changes. Output: catalog commands. A command that fails is tried again at the
//! next change of the state.

use std::collections::HashMap;
use std::sync::Arc;

use baton_api::consul::Backend;
use baton_catalog::Command;
use baton_consul::wire::{CatalogDeregistration, Node as CatalogNode, SERF_HEALTH};
use baton_model::Node;
use baton_model::node::NodeStatus;
use baton_server::Server;

/// What the catalog was told about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    name: String,
    address: String,
    up: bool,
}

/// Follows the nodes until the server stops. `own` is the server's node, which is there as long as it is.
pub async fn follow(server: Server, backend: Arc<dyn Backend>, own: CatalogNode) {
    let mut states = server.watch();
    let mut told: HashMap<String, Told> = HashMap::new();
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        let wanted: HashMap<String, (Told, &Node)> = state
            .nodes()
            .filter(|node| node.status != NodeStatus::Initializing)
            .map(|node| (node.id.clone(), (wanted(node), node.as_ref())))
            .collect();
        let present = |name: &str| {
            let catalog = state.catalog();
            catalog.node(name).is_some() && catalog.checks_on(name).any(|check| check.check_id == SERF_HEALTH)
        };
        if !present(&own.node) {
            tell(&*backend, Command::NodeUp(own.clone())).await;
        }
        for (id, (fresh, node)) in &wanted {
            if (told.get(id) != Some(fresh) || fresh.up && !present(&fresh.name))
                && tell(&*backend, command(fresh, node)).await
            {
                told.insert(id.clone(), fresh.clone());
            }
        }
        let gone: Vec<String> = told.keys().filter(|id| !wanted.contains_key(*id)).cloned().collect();
        for id in gone {
            let Some(old) = told.remove(&id) else { continue };
            // The name may belong to a new node by now.
            if !wanted.values().any(|(fresh, _)| fresh.name == old.name) {
                let target = CatalogDeregistration { node: old.name, ..CatalogDeregistration::default() };
                tell(&*backend, Command::Deregister(target)).await;
            }
        }
        drop(wanted);
        if states.changed().await.is_err() {
            return;
        }
    }
}

fn wanted(node: &Node) -> Told {
    let address = node.node_resources.networks.first().map(|network| network.ip.clone()).unwrap_or_default();
    Told { name: node.name.clone(), address, up: node.status == NodeStatus::Ready }
}

fn command(told: &Told, node: &Node) -> Command {
    if !told.up {
        return Command::NodeDown { node: told.name.clone() };
    }
    Command::NodeUp(CatalogNode {
        id: node.id.clone(),
        node: told.name.clone(),
        address: told.address.clone(),
        datacenter: node.datacenter.clone(),
        ..CatalogNode::default()
    })
}

async fn tell(backend: &dyn Backend, command: Command) -> bool {
    match backend.apply(command).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, "the catalog did not take a change of a node");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use baton_api::consul::ServerBackend;
    use baton_consul::wire::Status;
    use baton_server::{Config, Heartbeat};
    use baton_store::MemoryStore;

    use super::*;

    /// What `serfHealth` of a node says; nothing when the catalog does not know the node.
    async fn await_health(server: &Server, name: &str, wanted: Option<Status>) {
        let mut states = server.watch();
        let health = |state: &Arc<baton_server::State>| {
            state.catalog().checks_on(name).find(|check| check.check_id == "serfHealth").map(|check| check.status)
        };
        let reached = states.wait_for(|state| health(state) == wanted);
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("in time").expect("the server runs");
    }

    #[tokio::test]
    async fn a_node_is_up_then_down_then_gone() {
        let heartbeat = Heartbeat {
            ttl: Duration::from_millis(200),
            grace: Duration::from_millis(100),
            after_start: Duration::from_secs(1),
        };
        let server = Server::open(Config { heartbeat, ..Config::default() }, Box::new(MemoryStore::default())).unwrap();
        let backend: Arc<dyn Backend> = Arc::new(ServerBackend::new(server.clone()));
        let own = CatalogNode { node: "own".to_owned(), address: "127.0.0.1".to_owned(), ..CatalogNode::default() };
        let duty = tokio::spawn(follow(server.clone(), Arc::clone(&backend), own));
        await_health(&server, "own", Some(Status::Passing)).await;
        let mut node =
            Node { id: baton_model::id::new(), name: "n1".to_owned(), datacenter: "dc1".to_owned(), ..Node::default() };
        node.node_resources
            .networks
            .push(baton_model::resources::NetworkResource { ip: "10.0.0.1".to_owned(), ..Default::default() });
        let id = node.id.clone();
        server.register_node(node).await.unwrap();
        await_health(&server, "n1", Some(Status::Passing)).await;
        await_health(&server, "n1", Some(Status::Critical)).await;
        server.heartbeat(&id).await.unwrap();
        await_health(&server, "n1", Some(Status::Passing)).await;
        for name in ["own", "n1"] {
            let target = CatalogDeregistration { node: name.to_owned(), ..CatalogDeregistration::default() };
            backend.apply(Command::Deregister(target)).await.unwrap();
        }
        await_health(&server, "own", Some(Status::Passing)).await;
        server.heartbeat(&id).await.unwrap();
        await_health(&server, "n1", Some(Status::Passing)).await;
        server.purge_node(id).await.unwrap();
        await_health(&server, "n1", None).await;
        server.shutdown().await;
        drop(server);
        duty.await.unwrap();
    }
}
