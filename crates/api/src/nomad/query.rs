//! The query parameters that every read understands, and the wait for a change.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use baton_catalog::filter::{Filter, FilterError, Schema};
use baton_model::Nanos;
use baton_server::State;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::ApiState;
use super::answer::{Answer, ApiError};

/// Longest and default wait of a blocking read.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(300);

/// Waits are stretched by up to this part of themselves, so that clients do not come back in step.
const JITTER_PART: u32 = 16;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReadQuery {
    pub index: u64,
    wait: String,
    pub prefix: String,
    filter: String,
    per_page: Option<usize>,
    next_token: String,
    #[serde(deserialize_with = "flag")]
    reverse: bool,
    pretty: Option<String>,
    namespace: String,
    region: String,
}

impl<S: Send + Sync> FromRequestParts<S> for ReadQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(query) = Query::<Self>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::bad(rejection.body_text()))?;
        Ok(query)
    }
}

impl ReadQuery {
    /// The region and namespace named must be the ones there are; `*` means all namespaces.
    pub(crate) fn check(&self, state: &ApiState) -> Result<(), ApiError> {
        let region = &state.server.config().region;
        if !self.region.is_empty() && self.region != *region {
            return Err(ApiError::internal(format!("No path to region: this server is in {region:?}")));
        }
        if !matches!(self.namespace.as_str(), "" | "*" | baton_server::NAMESPACE) {
            return Err(ApiError::not_found(format!("namespace {:?} not found", self.namespace)));
        }
        Ok(())
    }

    fn wait(&self) -> Result<Duration, ApiError> {
        if self.wait.is_empty() {
            return Ok(WAIT_MAX);
        }
        let wait: Nanos = self.wait.parse().map_err(|_| ApiError::bad("Invalid wait time"))?;
        Ok(wait.to_std().min(WAIT_MAX))
    }

    /// The state once `index` has passed the index asked for, or once the wait is over.
    pub(crate) async fn block(
        &self,
        api: &ApiState,
        index: impl Fn(&State) -> u64,
    ) -> Result<(Arc<State>, u64), ApiError> {
        self.check(api)?;
        let mut states = api.server.watch();
        let wait = self.wait()?;
        let jitter = (wait / JITTER_PART).mul_f64(rand_part());
        let deadline = Instant::now() + wait + jitter;
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            let now = index(&state).max(1);
            if self.index == 0 || now > self.index {
                return Ok((state, now));
            }
            match timeout_at(deadline, states.changed()).await {
                Ok(Ok(())) => {}
                // The server is ending or nothing happened: the caller gets what there is.
                Ok(Err(_)) | Err(_) => return Ok((state, now)),
            }
        }
    }

    pub(crate) fn answer<T>(&self, value: T, index: u64) -> Answer<T> {
        Answer { pretty: self.pretty(), ..Answer::new(value, index) }
    }

    fn pretty(&self) -> bool {
        self.pretty.as_deref().is_some_and(|value| value != "false")
    }

    /// A list of (key, object) as one page: prefix, filter, order, page. Keys must ascend.
    pub(crate) fn page(
        &self,
        items: Vec<(String, Value)>,
        schema: &Schema,
        index: u64,
    ) -> Result<Answer<Vec<Value>>, ApiError> {
        let filter = if self.filter.is_empty() {
            None
        } else {
            let refused = |error: FilterError| ApiError::bad(format!("failed to read filter expression: {error}"));
            Some(Filter::parse(&self.filter, schema).map_err(refused)?)
        };
        let mut items: Vec<(String, Value)> = items
            .into_iter()
            .filter(|(key, _)| key.starts_with(&self.prefix))
            .filter(|(_, item)| filter.as_ref().is_none_or(|filter| filter.accepts(item)))
            .collect();
        if self.reverse {
            items.reverse();
        }
        if !self.next_token.is_empty() {
            let before = |key: &String| if self.reverse { *key > self.next_token } else { *key < self.next_token };
            items.retain(|(key, _)| !before(key));
        }
        let size = self.per_page.filter(|size| *size > 0).unwrap_or(usize::MAX);
        let next_token = items.get(size).map(|(key, _)| key.clone());
        items.truncate(size);
        let values = items.into_iter().map(|(_, value)| value).collect();
        Ok(Answer { next_token, ..self.answer(values, index) })
    }
}

/// A boolean in any of Go's spellings (`1`, `t`, `True`, …), as clients of Nomad send them.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let text = String::deserialize(from)?;
    parse_flag(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a boolean")))
}

pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Between 0 and 1; spreads clients, nothing depends on its quality.
fn rand_part() -> f64 {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(random) / f64::from(u32::MAX)
}
