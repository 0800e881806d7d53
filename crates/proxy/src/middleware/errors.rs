//! `errors`: puts what another service says in place of error responses. The status stays, unless it is rewritten.

use super::{LocalFuture, Middleware, Next, Request, Response, status_range};
use crate::body::Body;
use crate::message::{Fields, RequestHead};
use crate::normalize::sendable;
use baton_routing::config;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Fields that would ask the error service for less than its whole answer.
const CONDITIONS: [&str; 7] =
    ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "content-length"];

/// The middleware.
pub(super) struct Errors {
    statuses: Vec<RangeInclusive<u16>>,
    rewrites: Vec<(RangeInclusive<u16>, u16)>,
    service: Arc<str>,
    query: String,
    /// Fields that travel on; `None` means all.
    request_fields: Option<Vec<String>>,
}

impl Errors {
    /// From its options.
    pub(super) fn new(options: &config::Errors) -> Result<Self, String> {
        let status =
            |text: &str| status_range(text).ok_or_else(|| format!("{text:?} is neither a status nor a range of them"));
        let rewrite = |(from, to): (&String, &u16)| match (100..=599).contains(to) {
            true => Ok((status(from)?, *to)),
            false => Err(format!("statusRewrites: {to} is not an HTTP status")),
        };
        Ok(Self {
            statuses: options.status.iter().map(|text| status(text)).collect::<Result<_, _>>()?,
            rewrites: options.status_rewrites.iter().map(rewrite).collect::<Result<_, _>>()?,
            service: options.service.as_str().into(),
            query: sendable(&options.query).into_owned(),
            request_fields: options.error_request_headers.clone(),
        })
    }

    /// The request for the error service.
    fn question(&self, head: &RequestHead<'static>, secure: bool, original: u16, status: u16) -> RequestHead<'static> {
        let scheme = if secure { "https" } else { "http" };
        let url = escaped(&format!("{scheme}://{}{}", head.host, head.target()));
        let target = self
            .query
            .replace("{status}", &status.to_string())
            .replace("{originalStatus}", &original.to_string())
            .replace("{url}", &url);
        let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
        let mut fields: Fields<'static> = head.fields.clone();
        fields.retain(|field| {
            let name = field.name.as_str();
            let is_listed = |list: &Vec<String>| list.iter().any(|listed| listed.eq_ignore_ascii_case(name));
            // What the proxy says about the client is no header of the client's.
            let travels = field.known.is_forwarding() || self.request_fields.as_ref().is_none_or(is_listed);
            travels && !CONDITIONS.iter().any(|condition| name.eq_ignore_ascii_case(condition))
        });
        RequestHead {
            method: "GET".into(),
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }.into(),
            query: query.map(|query| query.to_owned().into()),
            host: head.host.clone(),
            version: head.version,
            fields,
        }
    }
}

impl Middleware for Errors {
    fn handle<'a>(&'a self, request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let (head, info) = (request.head.clone(), request.info.clone());
            let response = next.run(request).await;
            let original = response.head.status;
            if !self.statuses.iter().any(|range| range.contains(&original)) {
                return response;
            }
            let snapshot = next.core.snapshot();
            let Some(service) = snapshot.services.get(&self.service) else { return response };
            let rewrite = self.rewrites.iter().find(|(range, _)| range.contains(&original));
            let status = rewrite.map_or(original, |(_, status)| *status);
            let head = self.question(&head, info.peer.is_secure(), original, status);
            let (server, failure) = (response.server.clone(), response.failure);
            // The server's own answer is not wanted any more.
            drop(response);
            let mut page = service.call(next.core, Request { head, body: Body::Empty, info, upgrade: None }).await;
            page.head.status = status;
            Response { server, failure, tunnel: None, ..page }
        })
    }
}

/// Text for a query, as HTML forms write it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Version;

    fn head() -> RequestHead<'static> {
        let mut fields = Fields::default();
        for (name, value) in [
            ("accept", "a"),
            ("cookie", "c"),
            ("if-none-match", "x"),
            ("content-length", "3"),
            ("x-forwarded-proto", "http"),
        ] {
            fields.push(http::HeaderName::from_static(name), value);
        }
        RequestHead {
            method: "POST".into(),
            path: "/boom".into(),
            query: Some("z=1 2".into()),
            host: "err.test".into(),
            version: Version::Http11,
            fields,
        }
    }

    fn names(head: &RequestHead<'_>) -> Vec<String> {
        head.fields.iter().map(|field| field.name.as_str().to_owned()).collect()
    }

    #[test]
    fn the_question_says_what_went_wrong() {
        let options = config::Errors {
            status: vec!["500-599".into()],
            service: "e@file".into(),
            query: "/p/{status}?o={originalStatus}&u={url}".into(),
            ..config::Errors::default()
        };
        let question = Errors::new(&options).unwrap().question(&head(), true, 503, 502);
        assert_eq!(question.target(), "/p/502?o=503&u=https%3A%2F%2Ferr.test%2Fboom%3Fz%3D1+2");
        assert_eq!(question.method, "GET");
        assert_eq!(names(&question), ["accept", "cookie", "x-forwarded-proto"]);
        let some = config::Errors { error_request_headers: Some(vec!["Accept".into()]), ..options.clone() };
        let question = Errors::new(&some).unwrap().question(&head(), false, 503, 503);
        assert_eq!(names(&question), ["accept", "x-forwarded-proto"]);
    }

    #[test]
    fn impossible_options_are_refused() {
        let bad = |status: &str, rewrites: &[(&str, u16)]| {
            let status_rewrites = rewrites.iter().map(|(from, to)| ((*from).to_owned(), *to)).collect();
            Errors::new(&config::Errors { status: vec![status.into()], status_rewrites, ..config::Errors::default() })
                .is_err()
        };
        assert!(bad("x", &[]) && bad("500", &[("500", 1000)]) && bad("500", &[("y", 500)]));
        assert!(!bad("500", &[("500-503", 500)]));
    }
}
