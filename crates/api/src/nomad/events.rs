//! `/v1/event/stream`: changes as they happen, one JSON object per line.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use baton_server::{Event, Payload};
use bytes::Bytes;
use futures::StreamExt as _;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use super::ApiState;
use super::answer::ApiError;
use super::stub;

/// An idle stream sends `{}` this often.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Topics that one stream may name.
const TOPICS_MAX: usize = 64;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/v1/event/stream", get(stream))
}

/// `topic=Job:web`, `topic=Job`, `topic=*`.
#[derive(Clone, Debug)]
struct Topic {
    name: String,
    key: String,
}

impl Topic {
    fn takes(&self, event: &Event) -> bool {
        (self.name == "*" || self.name == event.topic)
            && (self.key == "*" || self.key == event.key || event.filter_keys.contains(&self.key))
    }
}

fn topics(query: &str) -> Result<Vec<Topic>, ApiError> {
    let mut topics = Vec::new();
    for pair in query.split('&') {
        let Some(value) = pair.strip_prefix("topic=") else { continue };
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8().map_err(|_| ApiError::bad("topic is not UTF-8"))?;
        let (name, key) = value.split_once(':').unwrap_or((&value, "*"));
        topics.push(Topic { name: name.to_owned(), key: key.to_owned() });
    }
    if topics.len() > TOPICS_MAX {
        return Err(ApiError::bad(format!("at most {TOPICS_MAX} topics in one stream")));
    }
    if topics.is_empty() {
        topics.push(Topic { name: "*".to_owned(), key: "*".to_owned() });
    }
    Ok(topics)
}

/// `index=N`: what is remembered from there on comes first. Without it, or with 0, the stream begins now.
fn first_index(query: &str) -> Result<u64, ApiError> {
    let index = query.split('&').find_map(|pair| pair.strip_prefix("index=")).filter(|digits| !digits.is_empty());
    index.map_or(Ok(0), |digits| digits.parse().map_err(|_| ApiError::bad("Invalid index")))
}

async fn stream(State(api): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let topics = topics(&query)?;
    let index = first_index(&query)?;
    let (past, events) = api.server.events(Some(index).filter(|index| *index > 0));
    let past: Vec<String> = past.iter().filter_map(|group| line(group, &topics, index)).collect();
    let past = futures::stream::iter(past.into_iter().map(|line| Ok(Bytes::from(line))));
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    let lines = futures::stream::unfold((events, beat, topics), |(mut events, mut beat, topics)| async move {
        let line = loop {
            tokio::select! {
                group = events.recv() => match group {
                    Ok(group) => {
                        if let Some(line) = line(&group, &topics, 0) {
                            break line;
                        }
                    }
                    // A listener that missed something must not believe that it has seen everything: it comes again.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
                _ = beat.tick() => break "{}\n".to_owned(),
            }
        };
        beat.reset();
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(line)), (events, beat, topics)))
    });
    let mut response = Response::new(Body::from_stream(past.chain(lines)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// One line for the changes of a group at `from` and later.
fn line(group: &Arc<[Event]>, topics: &[Topic], from: u64) -> Option<String> {
    let takes = |event: &&Event| event.index >= from && topics.iter().any(|topic| topic.takes(event));
    let wanted: Vec<&Event> = group.iter().filter(takes).collect();
    let index = wanted.last()?.index;
    let events: Vec<Value> = wanted.into_iter().map(shape).collect();
    Some(format!("{}\n", json!({ "Index": index, "Events": events })))
}

fn shape(event: &Event) -> Value {
    let payload = match &event.payload {
        Payload::Job(job) => json!({ "Job": stub::value(job) }),
        Payload::Node(node) => json!({ "Node": stub::value(node) }),
        Payload::Allocation(alloc) => {
            let mut alloc = stub::value(alloc);
            // The job is told once, by its own event.
            alloc["Job"] = Value::Null;
            json!({ "Allocation": alloc })
        }
        Payload::Evaluation(eval) => json!({ "Evaluation": stub::value(eval) }),
        Payload::Deployment(deployment) => json!({ "Deployment": stub::value(deployment) }),
    };
    json!({
        "Topic": event.topic,
        "Type": event.kind,
        "Key": event.key,
        "Namespace": baton_server::NAMESPACE,
        "FilterKeys": event.filter_keys,
        "Index": event.index,
        "Payload": payload,
    })
}
