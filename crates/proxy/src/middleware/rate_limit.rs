//! `rateLimit`: so many requests per time and source; more are answered 429.
//!
//! Decisions are those of a token bucket with the same tolerance as Traefik's; a request that comes a hair too early is
//! let through and counted rather than held back. The buckets are of the whole process.

use super::buckets::Buckets;
use super::source::Sources;
use super::{Flow, HeadFilter, Response};
use crate::exchange::Info;
use crate::message::RequestHead;
use baton_routing::config::{self, Timespan};
use http::HeaderName;
use std::time::{Duration, Instant};

const RETRY_IN: HeaderName = HeaderName::from_static("x-retry-in");

/// The middleware.
pub(super) struct RateLimit {
    sources: Sources,
    /// `None` without a limit.
    buckets: Option<Buckets>,
}

impl RateLimit {
    /// From its options.
    pub(super) fn new(options: &config::RateLimit) -> Result<Self, String> {
        if options.redis.is_some() {
            return Err("redis is not supported: limits are kept in the process".to_owned());
        }
        if options.average > 0 && options.period.is_zero() {
            return Err("period must be longer than zero".to_owned());
        }
        let limited = options.average > 0;
        Ok(Self {
            sources: Sources::new(options.source_criterion.as_ref(), false)?,
            buckets: limited.then(|| Buckets::new(options.average, *options.period, options.burst)),
        })
    }
}

impl HeadFilter for RateLimit {
    fn request(&self, head: &mut RequestHead<'_>, info: &mut Info) -> Flow {
        let Some(buckets) = &self.buckets else { return Flow::Continue };
        match buckets.take(self.sources.of(head, info), Instant::now()) {
            Ok(()) => Flow::Continue,
            Err(wait) => Flow::Answer(Box::new(refusal(wait))),
        }
    }
}

fn refusal(wait: Duration) -> Response {
    let mut response = Response::status(429);
    response.head.fields.push(http::header::RETRY_AFTER, wait.as_secs_f64().ceil().to_string());
    response.head.fields.push(RETRY_IN, Timespan::from(wait).to_string());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let response = refusal(Duration::from_nanos(9_998_971_895));
        assert_eq!(response.head.status, 429);
        assert_eq!(response.head.fields.get_str("retry-after"), Some("10"));
        assert_eq!(response.head.fields.get_str("x-retry-in"), Some("9.998971895s"));
    }

    #[test]
    fn impossible_options_are_refused() {
        let error = |options: config::RateLimit| RateLimit::new(&options).err();
        assert!(error(config::RateLimit { average: 1, period: Timespan::default(), ..Default::default() }).is_some());
        assert!(error(config::RateLimit { redis: Some(serde_json::Value::Null), ..Default::default() }).is_some());
        assert!(error(config::RateLimit::default()).is_none());
    }
}
