//! `/v1/event/…`.

use baton_catalog::{Command, Outcome, Scope};
use baton_consul::wire::{Base64, UserEvent};
use uuid::Uuid;

use super::answer::{Answer, Failure};
use super::catalog::named;
use super::{Call, Face, blocking};

pub(super) async fn fire(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let parameter = |name: &str| call.query.get(name).unwrap_or_default().to_owned();
    let event = UserEvent {
        id: Uuid::new_v4().to_string(),
        name: named(call, "Missing name")?.to_owned(),
        payload: Base64(call.body.to_vec()),
        node_filter: parameter("node"),
        service_filter: parameter("service"),
        tag_filter: parameter("tag"),
        ..UserEvent::default()
    };
    match face.backend.apply(Command::Fire(event)).await? {
        Outcome::Event(event) => Ok(Answer::json(&event)),
        _ => Err(Failure::internal("firing yielded no event")),
    }
}

pub(super) async fn list(face: &Face, call: &Call) -> Result<Answer, Failure> {
    let name = call.query.get("name").filter(|name| !name.is_empty());
    let read = blocking::read(face, call, Scope::Events, |state| {
        state.events().filter(|event| name.is_none_or(|name| event.name == name)).cloned().collect::<Vec<_>>()
    });
    let read = read.await?;
    Ok(read.local_answer(Answer::json(&read.data)))
}
