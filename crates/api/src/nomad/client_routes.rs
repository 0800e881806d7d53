//! `/v1/client/…`: logs, files, restarts, signals and statistics, asked of the client that runs the allocation.

use std::time::Duration;

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::stream::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::answer::ApiError;
use super::asked::{Asked, Here};
use super::client::{Frame, Frames, LogRequest, Output};
use super::{ApiState, write};

/// A stream without data says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);

type Answered = Result<Response, ApiError>;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/client/fs/logs/{id}", get(logs))
        .route("/v1/client/fs/ls/{id}", get(list))
        .route("/v1/client/fs/stat/{id}", get(stat))
        .route("/v1/client/fs/cat/{id}", get(cat))
        .route("/v1/client/fs/readat/{id}", get(read_at))
        .route("/v1/client/fs/stream/{id}", get(stream))
        .route("/v1/client/allocation/{id}/restart", write(restart))
        .route("/v1/client/allocation/{id}/signal", write(signal))
        .route("/v1/client/allocation/{id}/stats", get(alloc_stats))
        .route("/v1/client/allocation/{id}/gc", get(collect_alloc).merge(write(collect_alloc)))
        .route("/v1/client/stats", get(host_stats))
        .route("/v1/client/gc", get(collect_all).merge(write(collect_all)))
}

async fn logs(asked: Asked) -> Answered {
    let task = asked.text("task").to_owned();
    if task.is_empty() {
        return Err(ApiError::bad("must provide task name"));
    }
    let output = match asked.text("type") {
        "stdout" => Output::Stdout,
        "stderr" => Output::Stderr,
        _ => return Err(ApiError::bad("log type must be one of (stdout|stderr)")),
    };
    let plain = asked.flag("plain")?;
    let wanted = LogRequest { task, output, start: asked.start()?, follow: asked.flag("follow")? };
    asked
        .answer(async |here: Here| {
            let frames = here.client.logs(&here.id, wanted).await?;
            Ok(if plain { plain_text(frames) } else { framed(frames) })
        })
        .await
}

async fn stream(asked: Asked) -> Answered {
    let (path, start) = (asked.path()?, asked.start()?);
    let follow = asked.text("follow") != "false";
    asked.answer(async |here: Here| Ok(framed(here.client.stream(&here.id, &path, start, follow).await?))).await
}

/// Concatenated JSON objects; an empty one when nothing else happened for a while.
fn framed(frames: Frames) -> Response {
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    let pieces = futures::stream::unfold((frames, beat), |(mut frames, mut beat)| async move {
        let piece = tokio::select! {
            frame = frames.next() => {
                beat.reset();
                frame?.map(|frame| Bytes::from(encode(&frame)))
            }
            _ = beat.tick() => Ok(Bytes::from_static(b"{}")),
        };
        Some((piece, (frames, beat)))
    });
    streaming(HttpBody::from_stream(pieces), "application/json")
}

fn encode(frame: &Frame) -> String {
    let mut object = Map::new();
    if frame.offset > 0 {
        object.insert("Offset".to_owned(), json!(frame.offset));
    }
    if !frame.data.is_empty() {
        object.insert("Data".to_owned(), json!(STANDARD.encode(&frame.data)));
    }
    if !frame.file.is_empty() {
        object.insert("File".to_owned(), json!(frame.file));
    }
    if !frame.event.is_empty() {
        object.insert("FileEvent".to_owned(), json!(frame.event));
    }
    Value::Object(object).to_string()
}

fn plain_text(frames: Frames) -> Response {
    let data = frames.map(|frame| frame.map(|frame| frame.data));
    streaming(HttpBody::from_stream(data), "text/plain; charset=utf-8")
}

fn streaming(body: HttpBody, content_type: &'static str) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

async fn list(asked: Asked) -> Answered {
    let path = match asked.text("path") {
        "" => "/".to_owned(),
        path => path.to_owned(),
    };
    asked.answer(async |here: Here| here.json(here.client.list(&here.id, &path).await?)).await
}

async fn stat(asked: Asked) -> Answered {
    let path = asked.path()?;
    asked.answer(async |here: Here| here.json(here.client.stat(&here.id, &path).await?)).await
}

async fn cat(asked: Asked) -> Answered {
    read(asked, 0, None).await
}

async fn read_at(asked: Asked) -> Answered {
    let (offset, limit) = (asked.number("offset")?, asked.number("limit")?);
    read(asked, offset, Some(limit)).await
}

async fn read(asked: Asked, offset: u64, limit: Option<u64>) -> Answered {
    let path = asked.path()?;
    asked
        .answer(async |here: Here| {
            let data = here.client.read(&here.id, &path, offset, limit).await?;
            Ok(streaming(HttpBody::from_stream(data), "text/plain; charset=utf-8"))
        })
        .await
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RestartBody {
    task_name: String,
    all_tasks: bool,
}

async fn restart(asked: Asked) -> Answered {
    asked
        .answer(async |here: Here| {
            let body: RestartBody = here.body()?;
            let task = (!body.task_name.is_empty()).then_some(body.task_name);
            here.client.restart(&here.id, task, body.all_tasks).await?;
            here.json(json!({}))
        })
        .await
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SignalBody {
    task: String,
    signal: String,
}

async fn signal(asked: Asked) -> Answered {
    asked
        .answer(async |here: Here| {
            let body: SignalBody = here.body()?;
            let signal = if body.signal.is_empty() { "SIGKILL".to_owned() } else { body.signal };
            here.client.signal(&here.id, (!body.task.is_empty()).then_some(body.task), signal).await?;
            here.json(json!({}))
        })
        .await
}

async fn alloc_stats(asked: Asked) -> Answered {
    asked.answer(async |here: Here| here.json(here.client.alloc_stats(&here.id).await?)).await
}

async fn collect_alloc(asked: Asked) -> Answered {
    asked
        .answer(async |here: Here| {
            here.client.collect_garbage(Some(&here.id)).await?;
            here.json(json!({}))
        })
        .await
}

async fn host_stats(asked: Asked) -> Answered {
    asked.answer(async |here: Here| here.json(here.client.host_stats().await?)).await
}

async fn collect_all(asked: Asked) -> Answered {
    asked
        .answer(async |here: Here| {
            here.client.collect_garbage(None).await?;
            here.json(json!({}))
        })
        .await
}
