//! The link over the server's HTTP API. Where several addresses lead to it, the one that answered last is asked first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// A server at one or several base URLs. Copies share which of them answers.
#[derive(Clone, Debug)]
pub struct HttpLink {
    bases: Arc<[String]>,
    /// The one that is asked.
    at: Arc<AtomicUsize>,
    token: Option<String>,
    http: reqwest::Client,
}

impl HttpLink {
    /// `base` is `http://host:port`; the token goes along with every request.
    pub fn new(base: impl Into<String>, token: Option<String>) -> Result<Self, LinkError> {
        Self::among([base.into()], token)
    }

    /// Several addresses of one server, in the order they are tried; at least one.
    pub fn among(bases: impl IntoIterator<Item = String>, token: Option<String>) -> Result<Self, LinkError> {
        let bases: Arc<[String]> = bases.into_iter().map(|base| base.trim_end_matches('/').to_owned()).collect();
        let unusable = |reason: String| LinkError::Unreachable { address: bases.join(", "), reason };
        if bases.is_empty() {
            return Err(unusable("no address is configured".to_owned()));
        }
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().build();
        let http = http.map_err(|error| unusable(error.to_string()))?;
        Ok(Self { bases, at: Arc::default(), token, http })
    }

    /// A read that may take `timeout`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, timeout: Duration) -> Result<T, LinkError> {
        decode(path, self.send(Method::GET, path, None::<&()>, timeout).await?).await
    }

    /// A write. It may have happened when the answer is lost.
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, LinkError> {
        let response = self.send(Method::PUT, path, Some(body), ANSWER_TIMEOUT).await?;
        decode(path, response).await
    }

    /// Asks the address that answered last; where no connection comes up, the others after it.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        timeout: Duration,
    ) -> Result<Response, LinkError> {
        let mut tried = 0;
        loop {
            let at = self.at.load(Ordering::Relaxed);
            let base = &self.bases[at % self.bases.len()];
            let mut builder = self.http.request(method.clone(), format!("{base}{path}")).timeout(timeout);
            if let Some(token) = &self.token {
                builder = builder.header("X-Nomad-Token", token);
            }
            if let Some(body) = body {
                builder = builder.json(body);
            }
            match builder.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let request = format!("{method} {path}");
                    let status = response.status().as_u16();
                    let body = response.text().await.unwrap_or_default();
                    return Err(LinkError::Refused { request, status, body });
                }
                Err(error) => {
                    // Others may have moved on already.
                    let _ = self.at.compare_exchange(at, at.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
                    tried += 1;
                    if !error.is_connect() || tried == self.bases.len() {
                        return Err(LinkError::Unreachable { address: base.clone(), reason: with_causes(&error) });
                    }
                }
            }
        }
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
