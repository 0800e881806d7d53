//! `/v1/kv/…`.

use axum::http::{HeaderName, Method, StatusCode};
use baton_catalog::{Command, KvCommand, KvVerb, Outcome, Scope};
use baton_consul::wire::Base64;

use super::answer::{Answer, Failure};
use super::{Call, Face, blocking};

const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const CONTENT_POLICY: HeaderName = HeaderName::from_static("content-security-policy");

pub(super) async fn handle(face: &Face, call: &Call) -> Result<Answer, Failure> {
    match call.method {
        Method::PUT => put(face, call).await,
        Method::DELETE => delete(face, call).await,
        _ if call.query.has("keys") => keys(face, call).await,
        _ if call.query.has("recurse") => tree(face, call).await,
        _ => get(face, call).await,
    }
}

async fn get(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let key = key(call)?;
    let read = blocking::read(face, call, Scope::Key(key.to_owned()), |state| state.key(key).cloned()).await?;
    let answer = match &read.data {
        None => Answer::empty().status(StatusCode::NOT_FOUND),
        // A browser must never run what somebody stored.
        Some(pair) if call.query.has("raw") => Answer::bytes(pair.value.0.clone(), "text/plain")
            .header(NO_SNIFF, "nosniff")
            .header(CONTENT_POLICY, "sandbox"),
        Some(pair) => Answer::json(&[pair]),
    };
    Ok(read.plain_answer(answer))
}

async fn tree(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let prefix = &call.rest;
    let read = blocking::read(face, call, Scope::Prefix(prefix.clone()), |state| {
        state.keys_under(prefix).cloned().collect::<Vec<_>>()
    });
    let read = read.await?;
    Ok(read.plain_answer(list_or_missing(&read.data)))
}

async fn keys(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let prefix = &call.rest;
    let separator = call.query.get("separator").unwrap_or_default();
    let read =
        blocking::read(face, call, Scope::Prefix(prefix.clone()), |state| state.key_names(prefix, separator)).await?;
    Ok(read.plain_answer(list_or_missing(&read.data)))
}

fn list_or_missing<T: serde::Serialize>(items: &[T]) -> Answer {
    if items.is_empty() { Answer::empty().status(StatusCode::NOT_FOUND) } else { Answer::json(items) }
}

async fn put(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let key = key(call)?.to_owned();
    no_conflict(call, &["cas", "acquire", "release"])?;
    let flags = call.query.number("flags")?.unwrap_or_default();
    let value = Base64(call.body.to_vec());
    let command = KvCommand { key, value, flags, ..KvCommand::default() };
    let command = if let Some(index) = call.query.number("cas")? {
        KvCommand { verb: KvVerb::Cas, index, ..command }
    } else if let Some(session) = call.query.get("acquire") {
        KvCommand { verb: KvVerb::Lock, session: session.to_owned(), ..command }
    } else if let Some(session) = call.query.get("release") {
        KvCommand { verb: KvVerb::Unlock, session: session.to_owned(), ..command }
    } else {
        command
    };
    write(face, command).await
}

async fn delete(face: &Face, call: &Call) -> Result<Answer, Failure> {
    no_conflict(call, &["recurse", "cas"])?;
    if call.query.has("recurse") {
        return write(face, KvCommand { verb: KvVerb::DeleteTree, key: call.rest.clone(), ..KvCommand::default() })
            .await;
    }
    let key = key(call)?.to_owned();
    let index = call.query.number("cas")?;
    let verb = if index.is_some() { KvVerb::DeleteCas } else { KvVerb::Delete };
    write(face, KvCommand { verb, key, index: index.unwrap_or_default(), ..KvCommand::default() }).await
}

async fn write(face: &Face, command: KvCommand) -> Result<Answer, Failure> {
    let outcome = face.backend.apply(Command::Kv(command)).await?;
    Ok(Answer::json(&matches!(outcome, Outcome::Flag(true))))
}

fn key(call: &Call) -> Result<&str, Failure> {
    if call.rest.is_empty() { Err(Failure::bad_request("Missing key name")) } else { Ok(&call.rest) }
}

fn no_conflict(call: &Call, flags: &[&str]) -> Result<(), Failure> {
    if flags.iter().filter(|flag| call.query.has(flag)).count() > 1 {
        return Err(Failure::bad_request(format!("Conflicting flags: {}", call.query.encoded())));
    }
    Ok(())
}
