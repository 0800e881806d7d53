//! `/v1/session/…`.

use baton_catalog::{Command, Outcome, Scope};
use baton_consul::decode;
use baton_consul::wire::{Session, SessionRequest};
use serde_json::json;
use uuid::Uuid;

use super::answer::{Answer, Failure};
use super::catalog::named;
use super::{Call, Face, blocking};

pub(super) async fn create(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let request = if call.body.is_empty() { SessionRequest::default() } else { decode::lenient(&call.body)? };
    let id = Uuid::new_v4().to_string();
    let node = face.identity.node.clone();
    face.backend.apply(Command::CreateSession { id: id.clone(), node, request }).await?;
    Ok(Answer::json(&json!({"ID": id})))
}

pub(super) async fn destroy(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let id = named(call, "Missing session")?.to_owned();
    face.backend.apply(Command::DestroySession { id }).await?;
    Ok(Answer::json(&true))
}

pub(super) async fn renew(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let id = named(call, "Missing session")?.to_owned();
    match face.backend.apply(Command::RenewSession { id }).await? {
        Outcome::Session(session) => Ok(Answer::json(&[session])),
        _ => Err(Failure::internal("a renewal yielded no session")),
    }
}

pub(super) async fn info(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let id = named(call, "Missing session")?;
    sessions(face, call, |session| session.id == id).await
}

pub(super) async fn on_node(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let node = named(call, "Missing node name")?;
    sessions(face, call, |session| session.node == node).await
}

pub(super) async fn list(face: &Face, call: &Call) -> Result<Answer, Failure> {
    sessions(face, call, |_| true).await
}

async fn sessions(face: &Face, call: &Call, wanted: impl Fn(&Session) -> bool) -> Result<Answer, Failure> {
    let read = blocking::read(face, call, Scope::Sessions, |state| {
        state.sessions().filter(|session| wanted(session)).cloned().collect::<Vec<_>>()
    });
    let read = read.await?;
    Ok(read.plain_answer(Answer::json(&read.data)))
}
