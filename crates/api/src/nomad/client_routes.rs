//! `/v1/client/…`: logs, files, restarts, signals and statistics, asked of the client that runs the allocation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::stream::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::answer::{Answer, ApiError};
use super::client::{ClientApi, ClientError, Frame, Frames, LogRequest, Output, Start};
use super::query::parse_flag;
use super::{ApiState, relay, write};

/// A stream without data says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);

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
        .route("/v1/client/allocation/{id}/checks", get(checks))
        .route("/v1/client/allocation/{id}/gc", get(collect_alloc).merge(write(collect_alloc)))
        .route("/v1/client/stats", get(host_stats))
        .route("/v1/client/gc", get(collect_all).merge(write(collect_all)))
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        let status = match &error {
            ClientError::NotFound(_) => StatusCode::NOT_FOUND,
            ClientError::Invalid(_) => StatusCode::BAD_REQUEST,
            ClientError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

/// Where a request about an allocation is answered.
enum Place {
    Here(Arc<dyn ClientApi>),
    /// The answer of the node that runs it.
    There(Response),
}

async fn place_of_alloc(api: &ApiState, alloc_id: &str, request: Request) -> Result<(Place, Bytes), ApiError> {
    let node_id = {
        let state = api.server.state();
        let alloc = state.alloc(alloc_id).ok_or_else(|| {
            // The CLI and python-nomad look for the two spellings on the two kinds of routes.
            ApiError::not_found(format!("Unknown allocation {alloc_id:?}"))
        })?;
        alloc.node_id.clone()
    };
    place_of_node(api, &node_id, request).await
}

async fn place_of_node(api: &ApiState, node_id: &str, request: Request) -> Result<(Place, Bytes), ApiError> {
    if let Some(client) = api.clients.local(node_id) {
        let body = axum::body::to_bytes(request.into_body(), super::BODY_MAX).await;
        let body = body.map_err(|error| ApiError::bad(error.to_string()))?;
        return Ok((Place::Here(client), body));
    }
    let node = api.server.state().node(node_id).cloned();
    let node = node.ok_or_else(|| ApiError::not_found("node not found"))?;
    Ok((Place::There(relay::to_node(&node, request).await?), Bytes::new()))
}

/// Query parameters as they are; a repeated one counts once.
type Parameters = Query<BTreeMap<String, String>>;

fn text<'a>(parameters: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    parameters.get(name).map_or("", String::as_str)
}

fn flag(parameters: &BTreeMap<String, String>, name: &str) -> Result<bool, ApiError> {
    let value = text(parameters, name);
    parse_flag(value).ok_or_else(|| ApiError::bad(format!("failed to parse {name} field to boolean: {value:?}")))
}

fn number(parameters: &BTreeMap<String, String>, name: &str) -> Result<u64, ApiError> {
    match text(parameters, name) {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| ApiError::bad(format!("error parsing {name}: {digits:?}"))),
    }
}

fn start(parameters: &BTreeMap<String, String>) -> Result<Start, ApiError> {
    let offset = number(parameters, "offset")?;
    match text(parameters, "origin") {
        "" | "start" => Ok(Start::Beginning(offset)),
        "end" => Ok(Start::End(offset)),
        _ => Err(ApiError::bad("must provide origin as either \"start\" or \"end\"")),
    }
}

fn path_of(parameters: &BTreeMap<String, String>) -> Result<&str, ApiError> {
    match text(parameters, "path") {
        "" => Err(ApiError::bad("must provide a file name")),
        path => Ok(path),
    }
}

async fn logs(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Query(parameters): Parameters,
    request: Request,
) -> Result<Response, ApiError> {
    let task = text(&parameters, "task").to_owned();
    if task.is_empty() {
        return Err(ApiError::bad("must provide task name"));
    }
    let output = match text(&parameters, "type") {
        "stdout" => Output::Stdout,
        "stderr" => Output::Stderr,
        _ => return Err(ApiError::bad("log type must be one of (stdout|stderr)")),
    };
    let follow = flag(&parameters, "follow")?;
    let plain = flag(&parameters, "plain")?;
    let start = start(&parameters)?;
    match place_of_alloc(&api, &id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => {
            let frames = client.logs(&id, LogRequest { task, output, start, follow }).await?;
            Ok(if plain { plain_text(frames) } else { framed(frames) })
        }
    }
}

async fn stream(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Query(parameters): Parameters,
    request: Request,
) -> Result<Response, ApiError> {
    let path = path_of(&parameters)?.to_owned();
    let start = start(&parameters)?;
    let follow = text(&parameters, "follow") != "false";
    match place_of_alloc(&api, &id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => Ok(framed(client.stream(&id, &path, start, follow).await?)),
    }
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

async fn list(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Query(parameters): Parameters,
    request: Request,
) -> Result<Response, ApiError> {
    let path = match text(&parameters, "path") {
        "" => "/",
        path => path,
    };
    match place_of_alloc(&api, &id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => Ok(answer(&api, client.list(&id, path).await?)),
    }
}

async fn stat(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    Query(parameters): Parameters,
    request: Request,
) -> Result<Response, ApiError> {
    let path = path_of(&parameters)?.to_owned();
    match place_of_alloc(&api, &id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => Ok(answer(&api, client.stat(&id, &path).await?)),
    }
}

async fn cat(
    state: State<ApiState>,
    id: Path<String>,
    Query(parameters): Parameters,
    request: Request,
) -> Result<Response, ApiError> {
    read(state, id, &parameters, 0, None, request).await
}

async fn read_at(
    state: State<ApiState>,
    id: Path<String>,
    Query(parameters): Parameters,
    request: Request,
) -> Result<Response, ApiError> {
    let offset = number(&parameters, "offset")?;
    let limit = number(&parameters, "limit")?;
    read(state, id, &parameters, offset, Some(limit), request).await
}

async fn read(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    parameters: &BTreeMap<String, String>,
    offset: u64,
    limit: Option<u64>,
    request: Request,
) -> Result<Response, ApiError> {
    let path = path_of(parameters)?;
    match place_of_alloc(&api, &id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => {
            let data = client.read(&id, path, offset, limit).await?;
            Ok(streaming(HttpBody::from_stream(data), "text/plain; charset=utf-8"))
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RestartBody {
    task_name: String,
    all_tasks: bool,
}

async fn restart(State(api): State<ApiState>, Path(id): Path<String>, request: Request) -> Result<Response, ApiError> {
    match place_of_alloc(&api, &id, request).await? {
        (Place::There(response), _) => Ok(response),
        (Place::Here(client), body) => {
            let body: RestartBody = parse(&body)?;
            let task = (!body.task_name.is_empty()).then_some(body.task_name);
            client.restart(&id, task, body.all_tasks).await?;
            Ok(answer(&api, json!({})))
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SignalBody {
    task: String,
    signal: String,
}

async fn signal(State(api): State<ApiState>, Path(id): Path<String>, request: Request) -> Result<Response, ApiError> {
    match place_of_alloc(&api, &id, request).await? {
        (Place::There(response), _) => Ok(response),
        (Place::Here(client), body) => {
            let body: SignalBody = parse(&body)?;
            let signal = if body.signal.is_empty() { "SIGKILL".to_owned() } else { body.signal };
            client.signal(&id, (!body.task.is_empty()).then_some(body.task), signal).await?;
            Ok(answer(&api, json!({})))
        }
    }
}

async fn alloc_stats(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    match place_of_alloc(&api, &id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => Ok(answer(&api, client.alloc_stats(&id).await?)),
    }
}

async fn checks(State(api): State<ApiState>, Path(id): Path<String>, request: Request) -> Result<Response, ApiError> {
    match place_of_alloc(&api, &id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => Ok(answer(&api, client.checks(&id).await?)),
    }
}

async fn collect_alloc(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    match place_of_alloc(&api, &id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => {
            client.collect_garbage(Some(&id)).await?;
            Ok(answer(&api, json!({})))
        }
    }
}

/// The node asked for by `node_id`, or the only one there is here.
fn node_asked(api: &ApiState, parameters: &BTreeMap<String, String>) -> Result<String, ApiError> {
    match (text(parameters, "node_id"), api.clients.local_nodes().as_slice()) {
        ("", [only]) => Ok(only.clone()),
        ("", []) => Err(ApiError::bad("this agent runs no client: name the node by node_id")),
        ("", _) => Err(ApiError::bad("this agent runs several clients: name the node by node_id")),
        (id, _) => Ok(id.to_owned()),
    }
}

async fn host_stats(
    State(api): State<ApiState>,
    Query(parameters): Parameters,
    request: Request,
) -> Result<Response, ApiError> {
    let node_id = node_asked(&api, &parameters)?;
    match place_of_node(&api, &node_id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => Ok(answer(&api, client.host_stats().await?)),
    }
}

async fn collect_all(
    State(api): State<ApiState>,
    Query(parameters): Parameters,
    request: Request,
) -> Result<Response, ApiError> {
    let node_id = node_asked(&api, &parameters)?;
    match place_of_node(&api, &node_id, request).await?.0 {
        Place::There(response) => Ok(response),
        Place::Here(client) => {
            client.collect_garbage(None).await?;
            Ok(answer(&api, json!({})))
        }
    }
}

fn parse<T: Default + for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, ApiError> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| ApiError::bad(format!("request body: {error}")))
}

fn answer<T: serde::Serialize>(api: &ApiState, value: T) -> Response {
    Answer::new(value, api.server.state().index()).into_response()
}
