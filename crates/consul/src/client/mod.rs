//! A typed client of Consul's HTTP API.
//!
//! Every call has a time limit and reads at most [`MAX_BODY`] bytes. Calls are not repeated: writes are not idempotent
//! and reads belong into a [`Watch`], which does repeat.

mod agent;
mod catalog;
mod config;
mod drain;
mod error;
mod kv;
mod session;
mod unverified;
mod watch;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decode;
pub use config::{Config, Tls};
pub use error::Error;
pub use kv::KvWrite;
pub use watch::{Changed, FIRST_PAUSE, LONGEST_PAUSE, MIN_PERIOD, Watch};

/// Largest answer that is read, in bytes.
pub const MAX_BODY: usize = 64 * 1024 * 1024;
/// Most of an error's text that is kept, in bytes.
pub const MAX_ERROR_TEXT: usize = 1024;
/// Time limit of a call that does not block.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for a connection to come up.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a blocking query waits at the server.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// What a blocking query may take beyond its wait: the server's jitter (a sixteenth) and this.
const WAIT_GRACE: Duration = Duration::from_secs(10);

/// Characters that stay as they are in a path segment or a parameter.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a key, slashes stay too.
const PLAIN_PATH: &AsciiSet = &PLAIN.remove(b'/').remove(b':');

/// A connection pool to one Consul agent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// How a read is to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Wait until the index is above this; 0 answers at once.
    pub index: u64,
    /// How long to wait; [`DEFAULT_WAIT`] when zero.
    pub wait: Duration,
    /// Any server may answer, with what it has.
    pub stale: bool,
    /// The leader must make sure that it is still the leader.
    pub consistent: bool,
    pub filter: String,
    /// Further parameters.
    pub parameters: Vec<(String, String)>,
}

/// What a read yielded and how fresh it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered<T> {
    pub data: T,
    /// For the next blocking read; at least 1.
    pub index: u64,
    pub known_leader: bool,
    pub last_contact: Duration,
}

impl<T> Answered<T> {
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answered<U> {
        let Self { data, index, known_leader, last_contact } = self;
        Answered { data: f(data), index, known_leader, last_contact }
    }
}

impl Read {
    /// A blocking read after `index`.
    pub fn after(index: u64) -> Self {
        Self { index, ..Self::default() }
    }

    /// With one more parameter, such as `tag` or `passing`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    fn wait(&self) -> Duration {
        if self.wait.is_zero() { DEFAULT_WAIT } else { self.wait }
    }

    fn time_limit(&self) -> Duration {
        if self.index == 0 { CALL_TIMEOUT } else { self.wait() + self.wait() / 16 + WAIT_GRACE }
    }

    fn all_parameters(&self) -> Vec<(String, String)> {
        let mut all = self.parameters.clone();
        if self.index > 0 {
            all.push(("index".into(), self.index.to_string()));
            all.push(("wait".into(), format!("{}ms", self.wait().as_millis())));
        }
        for (name, wanted) in [("stale", self.stale), ("consistent", self.consistent)] {
            if wanted {
                all.push((name.into(), String::new()));
            }
        }
        if !self.filter.is_empty() {
            all.push(("filter".into(), self.filter.clone()));
        }
        all
    }
}

/// What came back, before it is understood.
struct Raw {
    status: StatusCode,
    index: u64,
    known_leader: bool,
    last_contact: Duration,
    body: Bytes,
}

impl Raw {
    fn answered<T>(self, data: T) -> Answered<T> {
        Answered { data, index: self.index, known_leader: self.known_leader, last_contact: self.last_contact }
    }

    fn decode<T: DeserializeOwned>(&self, call: &str) -> Result<T, Error> {
        decode::lenient(&self.body).map_err(|source| Error::Body { call: call.to_owned(), source })
    }

    /// An error for every status but success.
    fn checked(self, call: &str) -> Result<Self, Error> {
        if self.status.is_success() {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(MAX_ERROR_TEXT)]).trim().to_owned();
        Err(Error::Refused { call: call.to_owned(), status: self.status.as_u16(), text })
    }
}

impl Client {
    pub fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self { http: config.http_client()?, base: config.base()?, token: config.token.clone() })
    }

    /// The address this client talks to, as a URL without a path.
    pub fn address(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str, parameters: &[(String, String)]) -> RequestBuilder {
        let mut url = format!("{}/v1/{path}", self.base);
        for (position, (name, value)) in parameters.iter().enumerate() {
            url.push(if position == 0 { '?' } else { '&' });
            url.extend(utf8_percent_encode(name, PLAIN));
            if !value.is_empty() {
                url.push('=');
                url.extend(utf8_percent_encode(value, PLAIN));
            }
        }
        let request = self.http.request(method, url).timeout(CALL_TIMEOUT);
        match &self.token {
            Some(token) => request.header("X-Consul-Token", token),
            None => request,
        }
    }

    async fn send(&self, call: &str, request: RequestBuilder) -> Result<Raw, Error> {
        let fail = |source: reqwest::Error| Error::Transport { call: call.to_owned(), source: source.without_url() };
        let mut response = request.send().await.map_err(fail)?;
        let number = |name: &str| response.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
        // 0 would turn the next blocking read into a busy loop.
        let index = number("x-consul-index").unwrap_or(1).max(1);
        let last_contact = Duration::from_millis(number("x-consul-lastcontact").unwrap_or(0));
        let known_leader = response.headers().get("x-consul-knownleader").is_none_or(|value| value == "true");
        let status = response.status();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Error::TooLarge { call: call.to_owned(), limit: MAX_BODY });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Raw { status, index, known_leader, last_contact, body: body.freeze() })
    }

    async fn read<T: DeserializeOwned>(&self, path: &str, read: &Read) -> Result<Answered<T>, Error> {
        let request = self.request(Method::GET, path, &read.all_parameters()).timeout(read.time_limit());
        let raw = self.send(path, request).await?.checked(path)?;
        let data = raw.decode(path)?;
        Ok(raw.answered(data))
    }

    /// A read where 404 means "not there".
    async fn read_option<T: DeserializeOwned>(&self, path: &str, read: &Read) -> Result<Answered<Option<T>>, Error> {
        let request = self.request(Method::GET, path, &read.all_parameters()).timeout(read.time_limit());
        let raw = self.send(path, request).await?;
        if raw.status == StatusCode::NOT_FOUND {
            return Ok(raw.answered(None));
        }
        let raw = raw.checked(path)?;
        let data = raw.decode(path)?;
        Ok(raw.answered(Some(data)))
    }

    async fn put<B: Serialize>(&self, path: &str, parameters: &[(String, String)], body: &B) -> Result<Raw, Error> {
        let request = self.request(Method::PUT, path, parameters).json(body);
        self.send(path, request).await?.checked(path)
    }

    async fn put_empty(&self, path: &str, parameters: &[(String, String)]) -> Result<Raw, Error> {
        self.send(path, self.request(Method::PUT, path, parameters)).await?.checked(path)
    }
}

/// A name as one path segment; slashes in it stay, as Consul takes the rest of the path.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, PLAIN_PATH).to_string()
}

fn parameter(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}
