//! The query string, and the options that all reads share.

use std::time::Duration;

use axum::http::StatusCode;
use baton_catalog::filter::{Filter, Schema};
use baton_model::Nanos;
use percent_encoding::percent_decode_str;

use super::answer::Failure;

/// How long a blocking query waits when it does not say, and at most.
const DEFAULT_WAIT: Duration = Duration::from_secs(300);
const MAX_WAIT: Duration = Duration::from_secs(600);
/// A wait is prolonged by up to this part of it, so that a herd of watchers does not come back at once.
const JITTER_PART: u32 = 16;

/// Decoded parameters in their order.
#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

/// What a read is willing to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consistency {
    Leader,
    Stale,
    Consistent,
}

impl Consistency {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Stale => "stale",
            Self::Consistent => "consistent",
        }
    }
}

/// `index` and `wait` of a blocking query; index 0 does not block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocking {
    pub(super) index: u64,
    pub(super) wait: Duration,
}

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
        let parts = text.split('&').filter(|part| !part.is_empty());
        let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, ""))).map(|(k, v)| (decode(k), decode(v)));
        Self { pairs: pairs.collect() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A flag such as `passing` or `passing=1`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Failure::internal(format!("strconv.ParseUint: parsing {text:?}: invalid syntax")))
        };
        self.get(name).map(parse).transpose()
    }

    /// All parameters, sorted, as they would be written.
    pub(super) fn encoded(&self) -> String {
        let mut parts: Vec<String> = self.pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        parts.sort();
        parts.join("&")
    }

    /// `passing`, which must make sense where it is given.
    pub(super) fn passing(&self) -> Result<bool, Failure> {
        match self.get("passing") {
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some("" | "1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some(_) => Err(Failure::bad_request("Invalid value for ?passing")),
        }
    }

    pub(super) fn consistency(&self) -> Result<Consistency, Failure> {
        if self.has("cached") && self.has("consistent") {
            return Err(Failure::bad_request("Cannot specify ?cached with ?consistent, conflicting semantics."));
        }
        match (self.has("stale"), self.has("consistent")) {
            (true, true) => Err(Failure::bad_request("Cannot specify ?stale with ?consistent, conflicting semantics.")),
            (true, false) => Ok(Consistency::Stale),
            (false, true) => Ok(Consistency::Consistent),
            (false, false) => Ok(Consistency::Leader),
        }
    }

    pub(super) fn blocking(&self) -> Result<Blocking, Failure> {
        let wait = match self.get("wait").filter(|text| !text.is_empty()) {
            None => DEFAULT_WAIT,
            Some(text) => {
                let wait: Nanos = text.parse().map_err(|_| Failure::bad_request("Invalid wait time"))?;
                wait.to_std()
            }
        };
        let index = match self.get("index").filter(|text| !text.is_empty()) {
            None => 0,
            Some(text) => text.parse().map_err(|_| Failure::bad_request("Invalid index"))?,
        };
        let wait = if wait.is_zero() { DEFAULT_WAIT } else { wait.min(MAX_WAIT) };
        let wait = wait + wait.mul_f64(rand::random::<f64>() / f64::from(JITTER_PART));
        Ok(Blocking { index, wait })
    }

    /// The filter, checked against what it will see.
    pub(super) fn filter(&self, schema: &Schema) -> Result<Option<Filter>, Failure> {
        let parse = |text: &str| Filter::parse(text, schema);
        let filter = self.get("filter").filter(|text| !text.trim().is_empty()).map(parse).transpose();
        filter.map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    }

    /// `node-meta=key:value`, all of which a node must have.
    pub(super) fn node_meta(&self) -> Vec<(&str, &str)> {
        self.all("node-meta").map(|text| text.split_once(':').unwrap_or((text, ""))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("tag=traefik.enable%3Dtrue&tag=b+c&passing&pretty=0&separator=%2F");
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["traefik.enable=true", "b c"]);
        assert!(query.flag("passing") && !query.flag("pretty") && query.has("pretty"));
        assert_eq!(query.get("separator"), Some("/"));
    }

    #[test]
    fn waits_are_bounded_and_jittered() {
        let wait = |text: &str| Query::parse(text).blocking().map(|blocking| blocking.wait);
        let two = Duration::from_secs(2);
        let got = wait("wait=2s").unwrap();
        assert!(got >= two && got <= two + two / 16, "{got:?}");
        assert!(wait("").unwrap() >= DEFAULT_WAIT);
        assert!(wait("wait=0s").unwrap() >= DEFAULT_WAIT);
        assert!(wait("wait=100h").unwrap() <= MAX_WAIT + MAX_WAIT / 16);
        assert!(wait("wait=x").is_err());
        assert!(Query::parse("index=x").blocking().is_err());
        assert!(Query::parse("stale&consistent").consistency().is_err());
    }
}
