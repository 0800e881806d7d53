//! Answers and failures in Consul's form: compact JSON, index headers, plain-text errors.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use baton_catalog::CatalogError;
use baton_consul::decode::DecodeError;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

use super::backend::{BackendError, Reach};
use super::query::Consistency;

const INDEX: HeaderName = HeaderName::from_static("x-consul-index");
const KNOWN_LEADER: HeaderName = HeaderName::from_static("x-consul-knownleader");
const LAST_CONTACT: HeaderName = HeaderName::from_static("x-consul-lastcontact");
const CONSISTENCY: HeaderName = HeaderName::from_static("x-consul-effective-consistency");

/// What is sent.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
}

enum Content {
    Empty,
    Json(Value),
    Bytes(Vec<u8>),
    Pretty(Value),
}

impl Answer {
    pub(super) fn empty() -> Self {
        Self { status: StatusCode::OK, headers: HeaderMap::new(), content: Content::Empty }
    }

    pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => Self { content: Content::Json(value), ..Self::empty() },
            Err(error) => {
                let text = format!("answer cannot be written as JSON: {error}");
                Self::bytes(text.into_bytes(), "text/plain; charset=utf-8").status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    pub(super) fn bytes(bytes: Vec<u8>, content_type: &'static str) -> Self {
        let answer = Self { content: Content::Bytes(bytes), ..Self::empty() };
        answer.header(CONTENT_TYPE, content_type)
    }

    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header; a value that cannot be one is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The headers of every read that can block.
    pub(super) fn index(self, index: u64, reach: Reach) -> Self {
        self.only_index(index).reach(reach)
    }

    pub(super) fn only_index(self, index: u64) -> Self {
        self.header(INDEX, &index.to_string())
    }

    /// How far away the server is.
    pub(super) fn reach(self, reach: Reach) -> Self {
        self.header(KNOWN_LEADER, if reach.known_leader { "true" } else { "false" })
            .header(LAST_CONTACT, &reach.last_contact.as_millis().to_string())
    }

    pub(super) fn consistency(self, consistency: Consistency) -> Self {
        self.header(CONSISTENCY, consistency.as_str())
    }

    pub(super) fn allow(self, methods: &[Method]) -> Self {
        self.header(ALLOW, &allowed(methods))
    }

    pub(super) fn pretty(mut self, pretty: bool) -> Self {
        self.content = match self.content {
            Content::Json(value) if pretty => Content::Pretty(value),
            other => other,
        };
        self
    }

    pub(super) fn into_response(self) -> Response {
        let json = matches!(self.content, Content::Json(_) | Content::Pretty(_));
        let body = match self.content {
            Content::Empty => Vec::new(),
            Content::Bytes(bytes) => bytes,
            Content::Json(value) => value.to_string().into_bytes(),
            Content::Pretty(value) => indented(&value),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if json {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response
    }
}

fn indented(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b"    "));
    if value.serialize(&mut serializer).is_ok() {
        out.push(b'\n');
    }
    out
}

fn allowed(methods: &[Method]) -> String {
    let mut text = String::from("OPTIONS");
    for method in methods {
        let _ = write!(text, ",{method}");
    }
    text
}

/// A refusal: a status and a text for people.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    text: String,
    /// The methods that would have been right.
    allow: Option<&'static [Method]>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), allow: None }
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self::new(status, "")
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn internal(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    pub(super) fn allow(self, methods: &'static [Method]) -> Self {
        Self { allow: Some(methods), ..self }
    }

    pub(super) fn into_response(self) -> Response {
        let answer = if self.text.is_empty() {
            Answer::empty()
        } else {
            Answer::bytes(self.text.into_bytes(), "text/plain; charset=utf-8")
        };
        let answer = match self.allow {
            Some(methods) => answer.allow(methods),
            None => answer,
        };
        answer.status(self.status).into_response()
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let status = match &error {
            CatalogError::Invalid(_) => StatusCode::BAD_REQUEST,
            CatalogError::UnknownService(_) | CatalogError::UnknownSession(_) | CatalogError::UnknownCheck(_) => {
                StatusCode::NOT_FOUND
            }
            CatalogError::TooManyOps { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Refused(error) => error.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

/// A body that is not what the endpoint takes.
impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::bad_request(format!("Request decode failed: {error}"))
    }
}
