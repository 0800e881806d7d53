//! `redirectScheme` and `redirectRegex`, entry point redirections included.

use super::path::expression;
use super::{Flow, HeadFilter, Response};
use crate::exchange::Info;
use crate::message::{Fields, Known, RequestHead};
use crate::normalize::{port_of, without_port};
use baton_routing::config;
use regex::Regex;

/// Sends clients to another scheme or port.
pub(super) struct RedirectScheme {
    scheme: String,
    port: String,
    permanent: bool,
    always: bool,
}

impl RedirectScheme {
    pub(super) fn new(options: &config::RedirectScheme) -> Self {
        let scheme = options.scheme.to_ascii_lowercase();
        let default = matches!((scheme.as_str(), options.port.as_str()), ("http", "80") | ("https", "443"));
        let port = if default || options.port.is_empty() { String::new() } else { format!(":{}", options.port) };
        Self { scheme, port, permanent: options.permanent, always: options.for_entry_point }
    }
}

impl HeadFilter for RedirectScheme {
    fn request(&self, head: &mut RequestHead<'_>, info: &mut Info) -> Flow {
        let proto = head.fields.known(Known::ForwardedProto).unwrap_or(b"http");
        let current = match proto {
            b"ws" => &b"http"[..],
            b"wss" => &b"https"[..],
            proto => proto,
        };
        let same_scheme = if self.always {
            self.scheme == scheme(info)
        } else {
            current.eq_ignore_ascii_case(self.scheme.as_bytes())
        };
        let port = port_of(&head.host).map(|port| format!(":{port}")).unwrap_or_default();
        if same_scheme && (self.port.is_empty() || self.port == port) {
            return Flow::Continue;
        }
        let host = match without_port(&head.host) {
            address if address.contains(':') => format!("[{address}]"),
            name => name.to_owned(),
        };
        let location = format!("{}://{host}{}{}", self.scheme, self.port, head.target());
        redirect(head, location, self.permanent)
    }
}

/// Sends clients where a rewritten URL points.
pub(super) struct RedirectRegex {
    expression: Regex,
    replacement: String,
    permanent: bool,
}

impl RedirectRegex {
    pub(super) fn new(options: &config::RedirectRegex) -> Result<Self, String> {
        Ok(Self {
            expression: expression(&options.regex)?,
            replacement: options.replacement.clone(),
            permanent: options.permanent,
        })
    }
}

impl HeadFilter for RedirectRegex {
    fn request(&self, head: &mut RequestHead<'_>, info: &mut Info) -> Flow {
        let scheme = scheme(info);
        let default = if info.peer.is_secure() { ":443" } else { ":80" };
        let host = head.host.strip_suffix(default).unwrap_or(&head.host);
        let url = format!("{scheme}://{host}{}", head.target());
        if !self.expression.is_match(&url) {
            return Flow::Continue;
        }
        let location = self.expression.replace_all(&url, self.replacement.as_str()).into_owned();
        if location == url { Flow::Continue } else { redirect(head, location, self.permanent) }
    }
}

/// The scheme as the connection has it, whatever a proxy in front says.
fn scheme(info: &Info) -> &'static str {
    if info.peer.is_secure() { "https" } else { "http" }
}

/// GET may be repeated as GET; other methods must stay what they are (RFC 9110 §15.4).
fn redirect(head: &RequestHead<'_>, location: String, permanent: bool) -> Flow {
    let status = match (permanent, head.method == "GET") {
        (true, true) => 301,
        (true, false) => 308,
        (false, true) => 302,
        (false, false) => 307,
    };
    if http::HeaderValue::from_str(&location).is_err() {
        return Flow::Answer(Box::new(Response::status(500)));
    }
    let mut fields = Fields::default();
    fields.push(http::header::LOCATION, location);
    Flow::Answer(Box::new(Response::new(status, fields, crate::h1::reason(status))))
}
