//! Who is here: this agent, the members, the "leader".

use std::collections::BTreeMap;

use axum::http::StatusCode;
use baton_catalog::{Command, State};
use baton_consul::wire::{
    AgentConfig, AgentSelf, CatalogDeregistration, Coordinate, Member, Meta, Node, RaftConfiguration, RaftServer,
    SERF_HEALTH, Status,
};
use serde_json::json;

use super::answer::{Answer, Failure};
use super::catalog::named;
use super::{CONSUL_VERSION, Call, Face, Identity, backend};

/// The ports Consul's parts would have; nothing listens there.
const RPC_PORT: u16 = 8300;
const GOSSIP_PORT: u16 = 8301;
/// Values of `Member.Status`.
const ALIVE: u8 = 1;
const FAILED: u8 = 4;

pub(super) fn agent_self(face: &Face) -> Result<Answer, Failure> {
    let Identity { node, node_id, datacenter, server, .. } = &*face.identity;
    let about = backend::read(&*face.backend, |state| AgentSelf {
        config: AgentConfig {
            datacenter: datacenter.clone(),
            node_name: node.clone(),
            node_id: node_id.clone(),
            revision: String::new(),
            server: *server,
            version: CONSUL_VERSION.into(),
        },
        debug_config: match json!({"Datacenter": datacenter, "NodeName": node, "NodeID": node_id, "Version": CONSUL_VERSION, "Baton": env!("CARGO_PKG_VERSION")})
        {
            serde_json::Value::Object(object) => object,
            _ => serde_json::Map::new(),
        },
        coord: Some(Coordinate::default()),
        member: own_member(&face.identity),
        stats: stats(face, state),
        meta: state.node(node).map(|node| node.meta.clone()).unwrap_or_default(),
    });
    Ok(Answer::json(&about))
}

fn stats(face: &Face, state: &State) -> BTreeMap<String, BTreeMap<String, String>> {
    let node = &face.identity.node;
    let section = |pairs: &[(&str, String)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    let ttl = state.checks_on(node).filter(|check| check.r#type == "ttl").count();
    let index = state.index().to_string();
    let leader = face.backend.reach().known_leader && face.identity.server;
    BTreeMap::from([
        (
            "agent".to_owned(),
            section(&[
                ("check_monitors", state.runnable_checks(node).len().to_string()),
                ("check_ttls", ttl.to_string()),
                ("checks", state.checks_on(node).count().to_string()),
                ("services", state.services_on(node).count().to_string()),
            ]),
        ),
        (
            "build".to_owned(),
            section(&[
                ("prerelease", String::new()),
                ("revision", String::new()),
                ("version", CONSUL_VERSION.to_owned()),
            ]),
        ),
        (
            "consul".to_owned(),
            section(&[
                ("acl", "disabled".to_owned()),
                ("bootstrap", "false".to_owned()),
                ("known_datacenters", "1".to_owned()),
                ("leader", leader.to_string()),
                ("leader_addr", leader_address(face)),
                ("server", face.identity.server.to_string()),
            ]),
        ),
        (
            "raft".to_owned(),
            section(&[("applied_index", index.clone()), ("commit_index", index.clone()), ("last_log_index", index)]),
        ),
        (
            "runtime".to_owned(),
            section(&[("arch", std::env::consts::ARCH.to_owned()), ("os", std::env::consts::OS.to_owned())]),
        ),
        ("serf_lan".to_owned(), section(&[("members", state.nodes().count().to_string())])),
    ])
}

fn leader_address(face: &Face) -> String {
    format!("{}:{RPC_PORT}", face.identity.address)
}

fn own_member(identity: &Identity) -> Member {
    let node = Node {
        id: identity.node_id.clone(),
        node: identity.node.clone(),
        address: identity.address.clone(),
        datacenter: identity.datacenter.clone(),
        ..Node::default()
    };
    member(&node, ALIVE, identity.server)
}

fn member(node: &Node, status: u8, server: bool) -> Member {
    let mut tags = Meta::from([
        ("build".to_owned(), format!("{CONSUL_VERSION}:")),
        ("dc".to_owned(), node.datacenter.clone()),
        ("id".to_owned(), node.id.clone()),
        ("role".to_owned(), if server { "consul" } else { "node" }.to_owned()),
        ("segment".to_owned(), String::new()),
        ("vsn".to_owned(), "2".to_owned()),
        ("vsn_max".to_owned(), "3".to_owned()),
        ("vsn_min".to_owned(), "2".to_owned()),
    ]);
    if server {
        tags.insert("port".to_owned(), RPC_PORT.to_string());
        tags.insert("raft_vsn".to_owned(), "3".to_owned());
    }
    Member {
        name: node.node.clone(),
        addr: node.address.clone(),
        port: GOSSIP_PORT,
        tags,
        status,
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 4,
    }
}

/// Every node that an agent vouches for; nodes registered by hand have no agent and are no members.
pub(super) fn list(face: &Face) -> Result<Answer, Failure> {
    let members: Vec<Member> = backend::read(&*face.backend, |state| {
        let health = |node: &Node| state.checks_on(&node.node).find(|check| check.check_id == SERF_HEALTH);
        let with_agent = state.nodes().filter_map(|node| Some((node, health(node)?)));
        let described = with_agent.map(|(node, check)| {
            let status = if check.status == Status::Critical { FAILED } else { ALIVE };
            member(node, status, face.identity.server && node.node == face.identity.node)
        });
        described.collect()
    });
    Ok(Answer::json(&members))
}

/// Forgets a node that failed; one that is alive stays, as with Consul.
pub(super) async fn force_leave(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = named(call, "Missing node name")?;
    let alive = backend::read(&*face.backend, |state| {
        let check = state.checks_on(name).find(|check| check.check_id == SERF_HEALTH);
        check.map(|check| check.status != Status::Critical)
    });
    match alive {
        None => Err(Failure::internal(format!("agent: No node found with name '{name}'"))),
        Some(true) => Ok(Answer::empty()),
        Some(false) => {
            let target = CatalogDeregistration { node: name.to_owned(), ..CatalogDeregistration::default() };
            face.backend.apply(Command::Deregister(target)).await?;
            Ok(Answer::empty())
        }
    }
}

/// One address stands for the server; without contact to it there is none.
fn known_leader(face: &Face) -> Result<String, Failure> {
    if face.backend.reach().known_leader {
        Ok(leader_address(face))
    } else {
        Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "No cluster leader"))
    }
}

pub(super) fn leader(face: &Face) -> Result<Answer, Failure> {
    Ok(Answer::json(&known_leader(face).unwrap_or_default()))
}

pub(super) fn peers(face: &Face) -> Result<Answer, Failure> {
    Ok(Answer::json(&[known_leader(face)?]))
}

pub(super) fn raft(face: &Face) -> Result<Answer, Failure> {
    let server = RaftServer {
        id: face.identity.node_id.clone(),
        node: face.identity.node.clone(),
        address: known_leader(face)?,
        leader: true,
        protocol_version: "3".into(),
        voter: true,
    };
    Ok(Answer::json(&RaftConfiguration { servers: vec![server], index: 0 }))
}
