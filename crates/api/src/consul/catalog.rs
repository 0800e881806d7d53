//! `/v1/catalog/…`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use baton_catalog::filter::{Filter, schema};
use baton_catalog::{Command, Scope};
use baton_consul::decode;
use baton_consul::wire::{CatalogDeregistration, CatalogNode, CatalogNodeList, CatalogRegistration, Node};
use serde::Serialize;

use super::answer::{Answer, Failure};
use super::{Call, Face, blocking};

/// Whether a node has all the `node-meta` asked for.
pub(super) fn has_meta(node: &Node, wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(key, value)| node.meta.get(*key).is_some_and(|found| found == value))
}

pub(super) async fn nodes(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let filter = call.query.filter(&schema::NODE)?;
    let meta = call.query.node_meta();
    let read = blocking::read(face, call, Scope::Nodes, |state| {
        state.nodes().filter(|node| has_meta(node, &meta)).cloned().collect::<Vec<_>>()
    });
    let read = read.await?.map(|nodes| kept(filter.as_ref(), nodes));
    Ok(read.answer(Answer::json(&read.data)))
}

pub(super) async fn services(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let meta = call.query.node_meta();
    let scope = if meta.is_empty() { Scope::Services } else { Scope::Catalog };
    let read = blocking::read(face, call, scope, |state| state.service_names_where(|node| has_meta(node, &meta)));
    let read = read.await?;
    Ok(read.answer(Answer::json(&read.data)))
}

pub(super) async fn service(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = named(call, "Missing service name")?;
    let filter = call.query.filter(&schema::CATALOG_SERVICE)?;
    let meta = call.query.node_meta();
    let tags: Vec<&str> = call.query.all("tag").collect();
    let read = blocking::read(face, call, Scope::Service(name.to_owned()), |state| {
        let mut found = state.catalog_service(name);
        found.retain(|entry| tags.iter().all(|tag| has_tag(&entry.service_tags, tag)));
        found.retain(|entry| state.node(&entry.node).is_some_and(|node| has_meta(node, &meta)));
        found
    });
    let read = read.await?.map(|found| kept(filter.as_ref(), found));
    Ok(read.answer(Answer::json(&read.data)))
}

/// What the filter accepts, if there is one.
pub(super) fn kept<T: Serialize>(filter: Option<&Filter>, items: Vec<T>) -> Vec<T> {
    match filter {
        Some(filter) => filter.keep(items),
        None => items,
    }
}

/// Tags compare without case, as in Consul.
pub(super) fn has_tag(tags: &[String], wanted: &str) -> bool {
    tags.iter().any(|tag| tag.eq_ignore_ascii_case(wanted))
}

pub(super) async fn node(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = named(call, "Missing node name")?;
    let filter = call.query.filter(&schema::SERVICE)?;
    let read = blocking::read(face, call, Scope::Node(name.to_owned()), |state| {
        let services = state.services_on(name).filter(|service| filter.as_ref().is_none_or(|f| f.accepts(service)));
        let services: BTreeMap<_, _> = services.map(|service| (service.id.clone(), service.clone())).collect();
        state.node(name).map(|node| CatalogNode { node: node.clone(), services })
    });
    let read = read.await?;
    Ok(read.answer(Answer::json(&read.data)))
}

pub(super) async fn node_services(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = named(call, "Missing node name")?;
    let filter = call.query.filter(&schema::SERVICE)?;
    let read = blocking::read(face, call, Scope::Node(name.to_owned()), |state| {
        let services = state.services_on(name).filter(|service| filter.as_ref().is_none_or(|f| f.accepts(service)));
        let services = services.cloned().collect();
        state.node(name).map(|node| CatalogNodeList { node: node.clone(), services })
    });
    let read = read.await?;
    Ok(read.answer(Answer::json(&read.data)))
}

pub(super) async fn no_connect(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let read = blocking::read(face, call, Scope::Catalog, |_| ()).await?;
    Ok(read.answer(Answer::json(&[(); 0])))
}

pub(super) async fn register(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let registration: CatalogRegistration = decode::strict(&call.body)?;
    in_this_datacenter(face, &registration.datacenter)?;
    face.backend.apply(Command::Register(Box::new(registration))).await?;
    Ok(Answer::json(&true))
}

pub(super) async fn deregister(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let target: CatalogDeregistration = decode::strict(&call.body)?;
    in_this_datacenter(face, &target.datacenter)?;
    face.backend.apply(Command::Deregister(target)).await?;
    Ok(Answer::json(&true))
}

fn in_this_datacenter(face: &Face, datacenter: &str) -> Result<(), Failure> {
    if face.is_in(datacenter) {
        return Ok(());
    }
    Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "No path to datacenter"))
}

/// What follows the path; most endpoints need it.
pub(super) fn named<'a>(call: &'a Call, missing: &str) -> Result<&'a str, Failure> {
    if call.rest.is_empty() { Err(Failure::bad_request(missing)) } else { Ok(&call.rest) }
}
