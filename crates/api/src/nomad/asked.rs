//! A request that only a client can answer, and the way to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, ApiError};
use super::client::{ClientApi, ClientError, Start};
use super::query::parse_flag;
use super::{ApiState, relay};

/// About an allocation where the path names one, else about a node.
pub(super) struct Asked {
    api: ApiState,
    alloc_id: Option<String>,
    parameters: BTreeMap<String, String>,
    request: Request,
}

/// The same, arrived at the client.
pub(super) struct Here {
    pub(super) client: Arc<dyn ClientApi>,
    /// The allocation's id; empty for what concerns the whole node.
    pub(super) id: String,
    body: Bytes,
    index: u64,
}

impl FromRequest<ApiState> for Asked {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        // Paths that concern a node have no id in them.
        let alloc_id = Path::<String>::from_request_parts(&mut parts, api).await.ok().map(|Path(id)| id);
        let parameters = Query::from_request_parts(&mut parts, api).await;
        let Query(parameters) = parameters.map_err(|rejection| ApiError::bad(rejection.body_text()))?;
        Ok(Self { api: api.clone(), alloc_id, parameters, request: Request::from_parts(parts, body) })
    }
}

impl Asked {
    /// Lets the client answer, where it is part of this process; else its node is asked.
    pub(super) async fn answer<A>(self, here: impl FnOnce(Here) -> A) -> Result<Response, ApiError>
    where
        A: Future<Output = Result<Response, ApiError>>,
    {
        let state = self.api.server.state();
        let node_id = match &self.alloc_id {
            // The CLI and python-nomad look for the two spellings on the two kinds of routes.
            Some(id) => {
                let alloc = state.alloc(id);
                alloc.ok_or_else(|| ApiError::not_found(format!("Unknown allocation {id:?}")))?.node_id.clone()
            }
            None => self.node_asked()?,
        };
        if let Some(client) = self.api.clients.local(&node_id) {
            let body = axum::body::to_bytes(self.request.into_body(), super::BODY_MAX).await;
            let body = body.map_err(|error| ApiError::bad(error.to_string()))?;
            return here(Here { client, id: self.alloc_id.unwrap_or_default(), body, index: state.index() }).await;
        }
        let node = state.node(&node_id).ok_or_else(|| ApiError::not_found("node not found"))?;
        relay::to_node(node, self.request).await
    }

    /// The node asked for by `node_id`, or the only one there is here.
    fn node_asked(&self) -> Result<String, ApiError> {
        match (self.text("node_id"), self.api.clients.local_nodes().as_slice()) {
            ("", [only]) => Ok(only.clone()),
            ("", []) => Err(ApiError::bad("this agent runs no client: name the node by node_id")),
            ("", _) => Err(ApiError::bad("this agent runs several clients: name the node by node_id")),
            (id, _) => Ok(id.to_owned()),
        }
    }

    /// A query parameter as it is; one that is missing is empty.
    pub(super) fn text(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        let value = self.text(name);
        parse_flag(value).ok_or_else(|| ApiError::bad(format!("failed to parse {name} field to boolean: {value:?}")))
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, ApiError> {
        match self.text(name) {
            "" => Ok(0),
            digits => digits.parse().map_err(|_| ApiError::bad(format!("error parsing {name}: {digits:?}"))),
        }
    }

    /// Where reading is to begin.
    pub(super) fn start(&self) -> Result<Start, ApiError> {
        let offset = self.number("offset")?;
        match self.text("origin") {
            "" | "start" => Ok(Start::Beginning(offset)),
            "end" => Ok(Start::End(offset)),
            _ => Err(ApiError::bad("must provide origin as either \"start\" or \"end\"")),
        }
    }

    /// The path of a file.
    pub(super) fn path(&self) -> Result<String, ApiError> {
        match self.text("path") {
            "" => Err(ApiError::bad("must provide a file name")),
            path => Ok(path.to_owned()),
        }
    }
}

impl Here {
    /// The request's body; the default where there is none.
    pub(super) fn body<T: Default + for<'de> Deserialize<'de>>(&self) -> Result<T, ApiError> {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        serde_json::from_slice(&self.body).map_err(|error| ApiError::bad(format!("request body: {error}")))
    }

    pub(super) fn json<T: Serialize>(&self, value: T) -> Result<Response, ApiError> {
        Ok(Answer::new(value, self.index).into_response())
    }
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
