//! How Nomad's API answers: JSON with its index headers, or an error as plain text.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use baton_server::ServerError;
use serde::Serialize;

/// A value with the index at which it was true.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub value: T,
    pub index: u64,
    pub next_token: Option<String>,
    pub pretty: bool,
}

impl<T> Answer<T> {
    pub(crate) fn new(value: T, index: u64) -> Self {
        Self { value, index, next_token: None, pretty: false }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let body = if self.pretty { serde_json::to_vec_pretty(&self.value) } else { serde_json::to_vec(&self.value) };
        let body = match body {
            Ok(body) => body,
            Err(error) => return ApiError::internal(error.to_string()).into_response(),
        };
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // 0 would be read as "no index" by clients.
        headers.insert("x-nomad-index", HeaderValue::from(self.index.max(1)));
        headers.insert("x-nomad-lastcontact", HeaderValue::from_static("0"));
        headers.insert("x-nomad-knownleader", HeaderValue::from_static("true"));
        if let Some(token) = self.next_token.as_deref().and_then(|token| HeaderValue::from_str(token).ok()) {
            headers.insert("x-nomad-nexttoken", token);
        }
        response
    }
}

pub(crate) type ApiResult<T> = Result<Answer<T>, ApiError>;

/// A refusal: a status and a text.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub text: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    pub(crate) fn internal(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }
}

impl From<ServerError> for ApiError {
    fn from(error: ServerError) -> Self {
        let status = match &error {
            ServerError::NotFound(_) => StatusCode::NOT_FOUND,
            ServerError::Invalid(_) => StatusCode::BAD_REQUEST,
            ServerError::Stopped | ServerError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            // Nomad answers a failed precondition like this too; clients look at the text.
            ServerError::Conflict(_)
            | ServerError::Store(_)
            | ServerError::NotWritten(_)
            | ServerError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], self.text).into_response()
    }
}
