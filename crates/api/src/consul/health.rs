//! `/v1/health/…`.

use baton_catalog::Scope;
use baton_catalog::filter::schema;
use baton_consul::wire::{Aggregate, HealthCheck, Status};

use super::answer::{Answer, Failure};
use super::catalog::{has_meta, has_tag, kept, named};
use super::{Call, Face, blocking};

pub(super) async fn service(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = named(call, "Missing service name")?;
    let filter = call.query.filter(&schema::ENTRY)?;
    let meta = call.query.node_meta();
    let tags: Vec<&str> = call.query.all("tag").collect();
    let passing = call.query.passing()?;
    let read = blocking::read(face, call, Scope::Service(name.to_owned()), |state| {
        let mut entries = state.health_service(name);
        entries.retain(|entry| {
            tags.iter().all(|tag| has_tag(&entry.service.tags, tag))
                && has_meta(&entry.node, &meta)
                && (!passing || entry.status() == Aggregate::Passing)
        });
        entries
    });
    let read = read.await?.map(|entries| kept(filter.as_ref(), entries));
    Ok(read.answer(Answer::json(&read.data)))
}

pub(super) async fn checks(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = named(call, "Missing service name")?;
    let scope = Scope::Service(name.to_owned());
    list(face, call, scope, |state, wanted| state.service_checks(name).filter(|check| wanted(check)).cloned().collect())
        .await
}

pub(super) async fn node(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = named(call, "Missing node name")?;
    list(face, call, Scope::Checks, |state, wanted| {
        state.checks_on(name).filter(|check| wanted(check)).cloned().collect()
    })
    .await
}

pub(super) async fn state(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let status = match named(call, "Missing check state")? {
        "any" => None,
        text => Some(text.parse::<Status>()),
    };
    let scope = if call.query.has("node-meta") { Scope::Catalog } else { Scope::Checks };
    list(face, call, scope, |state, wanted| {
        let fits = |check: &&HealthCheck| status.is_none_or(|status| status == Ok(check.status));
        state.checks().filter(fits).filter(|check| wanted(check)).cloned().collect()
    })
    .await
}

/// Lists checks on nodes with the `node-meta` asked for.
async fn list(
    face: &Face,
    call: &Call,
    scope: Scope,
    query: impl Fn(&baton_catalog::State, &dyn Fn(&HealthCheck) -> bool) -> Vec<HealthCheck>,
) -> Result<Answer, Failure> {
    let filter = call.query.filter(&schema::CHECK)?;
    let meta = call.query.node_meta();
    let read = blocking::read(face, call, scope, |state| {
        query(state, &|check| state.node(&check.node).is_some_and(|node| has_meta(node, &meta)))
    });
    let read = read.await?.map(|checks| kept(filter.as_ref(), checks));
    Ok(read.answer(Answer::json(&read.data)))
}
