//! Passes a request on to the node that can answer it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use baton_model::Node;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer::ApiError;

/// How long a node may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Marks a request that was passed on once; it is not passed on again.
const RELAYED: HeaderName = HeaderName::from_static("x-baton-relayed");

/// Headers that say something to the node that answers.
const PASSED_ON: [HeaderName; 4] =
    [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT, HeaderName::from_static("x-nomad-token")];

/// Asks the node's own API and streams its answer.
pub(crate) async fn to_node(node: &Node, request: Request) -> Result<Response, ApiError> {
    let name = &node.name;
    if request.headers().contains_key(RELAYED) {
        return Err(ApiError::internal(format!("node {name:?} is not run by this agent")));
    }
    if node.http_addr.is_empty() {
        return Err(ApiError::not_found(format!("node {name:?} has told no address: No path to node")));
    }
    if node.tls_enabled {
        return Err(ApiError::internal(format!(
            "the API of node {name:?} uses TLS: ask it directly at {}",
            node.http_addr
        )));
    }
    let unreachable =
        |error: String| ApiError::new(StatusCode::BAD_GATEWAY, format!("node {name:?} at {}: {error}", node.http_addr));
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(&node.http_addr))
        .await
        .map_err(|_| unreachable("no answer".to_owned()))?
        .map_err(|error| unreachable(error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    // Ends by itself when the answer was read or dropped.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let answer = sender.send_request(onward(node, request)?).await.map_err(|error| unreachable(error.to_string()))?;
    Ok(answer.map(Body::new))
}

fn onward(node: &Node, request: Request) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let mut headers = HeaderMap::new();
    for name in PASSED_ON {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let host = HeaderValue::from_str(&node.http_addr).map_err(|_| ApiError::internal("node address is not a host"))?;
    headers.insert(header::HOST, host);
    headers.insert(RELAYED, HeaderValue::from_static("1"));
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let uri: Uri = target.parse().map_err(|_| ApiError::bad("request target cannot be passed on"))?;
    let mut onward = Request::new(body);
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = uri;
    *onward.headers_mut() = headers;
    Ok(onward)
}
