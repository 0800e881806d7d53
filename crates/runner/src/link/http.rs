//! The link over the server's HTTP API.

use std::time::Duration;

use baton_model::{Allocation, Node};
use futures::future::{BoxFuture, FutureExt as _};
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Assigned, Lease, LinkError, ServerLink, with_causes};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take that is not waited for on purpose.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read: a node's allocations with their jobs.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A server at a base URL.
#[derive(Clone, Debug)]
pub struct HttpLink {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl HttpLink {
    /// `base` is `http://host:port`; the token goes along with every request.
    pub fn new(base: impl Into<String>, token: Option<String>) -> Result<Self, LinkError> {
        let base = base.into().trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().build();
        let http = http.map_err(|error| LinkError::Unreachable { address: base.clone(), reason: error.to_string() })?;
        Ok(Self { base, token, http })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        timeout: Duration,
    ) -> Result<Response, LinkError> {
        let request = format!("{method} {path}");
        let unreachable =
            |error: &reqwest::Error| LinkError::Unreachable { address: self.base.clone(), reason: with_causes(error) };
        let mut builder = self.http.request(method, format!("{}{path}", self.base)).timeout(timeout);
        if let Some(token) = &self.token {
            builder = builder.header("X-Nomad-Token", token);
        }
        if let Some(body) = body {
            builder = builder.json(body);
        }
        let response = builder.send().await.map_err(|error| unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.text().await.unwrap_or_default();
        Err(LinkError::Refused { request, status, body })
    }

    async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, LinkError> {
        let response = self.send(Method::PUT, path, Some(body), ANSWER_TIMEOUT).await?;
        decode(path, response).await
    }
}

impl ServerLink for HttpLink {
    fn register<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<Lease, LinkError>> {
        async move { self.put("/v1/baton/node/register", node).await }.boxed()
    }

    fn heartbeat<'a>(&'a self, node_id: &'a str) -> BoxFuture<'a, Result<Lease, LinkError>> {
        async move { self.put(&format!("/v1/baton/node/{node_id}/heartbeat"), &json!({})).await }.boxed()
    }

    fn allocs<'a>(
        &'a self,
        node_id: &'a str,
        index: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Assigned, LinkError>> {
        async move {
            let path = format!("/v1/node/{node_id}/allocations?index={index}&wait={}ms", wait.as_millis());
            // The server adds a little to spread its waiters.
            let timeout = wait + wait / 8 + ANSWER_TIMEOUT;
            let response = self.send(Method::GET, &path, None::<&()>, timeout).await?;
            let header = response.headers().get("x-nomad-index").and_then(|value| value.to_str().ok());
            let index = header.and_then(|text| text.parse().ok()).unwrap_or(0);
            Ok(Assigned { index, allocs: decode(&path, response).await? })
        }
        .boxed()
    }

    fn update<'a>(&'a self, node_id: &'a str, allocs: &'a [Allocation]) -> BoxFuture<'a, Result<(), LinkError>> {
        async move {
            let path = format!("/v1/baton/node/{node_id}/allocations");
            self.send(Method::PUT, &path, Some(&json!({ "Allocs": allocs })), ANSWER_TIMEOUT).await.map(drop)
        }
        .boxed()
    }
}

async fn decode<T: DeserializeOwned>(request: &str, mut response: Response) -> Result<T, LinkError> {
    let malformed = |reason: String| LinkError::Malformed { request: request.to_owned(), reason };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| malformed(with_causes(&error)))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(malformed(format!("longer than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))
}
