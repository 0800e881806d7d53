//! The CLI's view of the agent: Nomad's HTTP API and Baton's few routes beside it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Connection, places};

/// How long a connection may take; answers may block longer (logs, watches).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Where agents with default settings leave their tokens: the system's, and this user's own.
fn token_files() -> impl Iterator<Item = PathBuf> {
    let own = places::data_dir().map(|dir| places::token_file(&dir));
    std::iter::once(PathBuf::from("/var/lib/baton/server/token")).chain(own)
}

/// A client of one agent.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

/// An answer with the index its data is of.
#[derive(Debug)]
pub struct Indexed<T> {
    pub index: u64,
    pub value: T,
}

/// The agent refused; kept apart so that verbs can tell "not found" from the rest.
#[derive(Debug)]
pub struct Refused {
    pub status: StatusCode,
    pub body: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.body.trim(), self.status.as_u16())?;
        if self.status == StatusCode::FORBIDDEN {
            f.write_str("; give --token or set BATON_TOKEN (the agent's token file, <data_dir>/server/token, is its owner's alone; BATON_TOKEN_FILE names it)")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

impl Api {
    /// A client for the address and token of the options, the environment, or the defaults.
    pub fn new(connection: &Connection) -> Result<Self> {
        let env = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        let base = connection
            .address
            .clone()
            .or_else(|| env(&["BATON_ADDR", "NOMAD_ADDR"]))
            .unwrap_or_else(|| "http://127.0.0.1:4646".to_owned());
        let base = if base.contains("://") { base } else { format!("http://{base}") };
        let token = connection.token.clone().or_else(|| env(&["BATON_TOKEN", "NOMAD_TOKEN"])).or_else(token_from_file);
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().build()?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), token, http })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        Ok(self.get_indexed(path).await?.value)
    }

    pub async fn get_indexed<T: DeserializeOwned>(&self, path: &str) -> Result<Indexed<T>> {
        let response = self.send(Method::GET, path, None::<&()>).await?;
        let header = response.headers().get("x-nomad-index").and_then(|value| value.to_str().ok());
        let index = header.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Indexed { index, value: decode(response.bytes().await?.as_ref(), path)? })
    }

    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let response = self.send(Method::PUT, path, Some(body)).await?;
        decode(response.bytes().await?.as_ref(), path)
    }

    /// A write whose answer has no body.
    pub async fn put_unit(&self, path: &str, body: &impl Serialize) -> Result<()> {
        self.send(Method::PUT, path, Some(body)).await.map(drop)
    }

    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let response = self.send(Method::DELETE, path, None::<&()>).await?;
        decode(response.bytes().await?.as_ref(), path)
    }

    /// The raw answer, for streams.
    pub async fn stream(&self, path: &str) -> Result<reqwest::Response> {
        self.send(Method::GET, path, None::<&()>).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<reqwest::Response> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("X-Nomad-Token", token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.explain(error))?;
        if !response.status().is_success() {
            let status = response.status();
            bail!(Refused { status, body: response.text().await.unwrap_or_default() });
        }
        Ok(response)
    }

    fn explain(&self, error: reqwest::Error) -> anyhow::Error {
        if error.is_connect() {
            return anyhow::anyhow!(
                "no agent answers at {}; start one (baton dev FILE, baton agent) or give --address",
                self.base
            );
        }
        anyhow::Error::new(error).context(format!("the agent at {} did not answer properly", self.base))
    }
}

/// A path segment: job ids may contain slashes.
pub fn segment(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn token_from_file() -> Option<String> {
    let user = std::env::var_os("BATON_TOKEN_FILE").map(PathBuf::from);
    if let Some(path) = &user
        && let Err(error) = std::fs::read(path)
    {
        eprintln!("Warning: BATON_TOKEN_FILE: cannot read {}: {error}", path.display());
    }
    let files = user.into_iter().chain(token_files());
    files.filter_map(|path| std::fs::read_to_string(path).ok()).map(|text| text.trim().to_owned()).next()
}

/// Decodes an answer; `null` members count as absent, as Go's servers send them for empty lists.
fn decode<T: DeserializeOwned>(body: &[u8], path: &str) -> Result<T> {
    let mut value: Value = serde_json::from_slice(body).with_context(|| format!("the answer to {path} is not JSON"))?;
    drop_nulls(&mut value);
    serde_json::from_value(value).with_context(|| format!("the answer to {path} has an unexpected shape"))
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
