//! `forwardAuth`: asks another server whether a request may pass.
//!
//! The server gets the request's head as a `GET` that says in `X-Forwarded-*` what was asked for. If it answers 2xx the
//! request goes on, with the fields that the server may set; any other answer goes to the client. Invariants: no answer,
//! or one that is no HTTP, lets nobody pass (500); a field that the server may set never comes from the client.

use super::{LocalFuture, Middleware, Next, Request, Response};
use crate::balance::Balancer;
use crate::body::{Body, BodyError};
use crate::message::{Fields, Known, RequestHead};
use crate::normalize::sendable;
use crate::upstream::Transport;
use baton_routing::config;
use bytes::{Bytes, BytesMut};
use http::HeaderName;
use regex::Regex;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Time for the server's answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest body passed to the server, or kept until its verdict, where the configuration names no limit.
const BODY_BYTES_MAX: usize = 16 << 20;

const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The middleware.
pub(super) struct ForwardAuth {
    options: config::ForwardAuth,
    balancer: Balancer,
    /// `scheme://host:port` of the server.
    origin: String,
    path: String,
    query: Option<String>,
    /// Fields of the server's answer that the request gets.
    granted: Vec<HeaderName>,
    granted_pattern: Option<Regex>,
}

/// Why a body could not be kept.
enum Unkept {
    TooLarge,
    Broken(BodyError),
}

impl ForwardAuth {
    /// From its options.
    pub(super) fn new(name: &str, options: &config::ForwardAuth) -> Result<Self, String> {
        let address = &options.address;
        let (scheme, rest) = address.split_once("://").ok_or_else(|| format!("address {address:?} has no scheme"))?;
        let (authority, target) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let origin = format!("{scheme}://{authority}");
        let server = config::Server { url: origin.clone(), ..config::Server::default() };
        let load_balancer =
            config::LoadBalancer { servers: vec![server], pass_host_header: false, ..config::LoadBalancer::default() };
        let transport = Arc::new(Transport::new(&transport(options.tls.as_ref()), true));
        if let (true, Err(reason)) = (options.tls.is_some(), &transport.tls) {
            return Err(format!("tls: {reason}"));
        }
        let granted = |name: &String| name.parse().map_err(|_| format!("authResponseHeaders: {name:?} is not a name"));
        Ok(Self {
            balancer: Balancer::new(name, &load_balancer, &transport, None)?,
            origin,
            path: sendable(if path.is_empty() { "/" } else { path }).into_owned(),
            query: query.map(|query| sendable(query).into_owned()),
            granted: options.auth_response_headers.iter().map(granted).collect::<Result<_, _>>()?,
            granted_pattern: match options.auth_response_headers_regex.as_str() {
                "" => None,
                text => Some(super::path::expression(&format!("(?i){text}"))?),
            },
            options: options.clone(),
        })
    }

    /// What the server is asked.
    fn question(&self, head: &RequestHead<'static>, secure: bool, has_body: bool) -> RequestHead<'static> {
        let trusted = self.options.trust_forward_header;
        let mut fields = head.fields.clone();
        let listed = &self.options.auth_request_headers;
        fields.retain(|field| {
            let name = field.name.as_str();
            let is_listed = listed.is_empty() || listed.iter().any(|listed| listed.eq_ignore_ascii_case(name));
            match field.known {
                Known::ContentLength => has_body,
                Known::WebSocket => false,
                Known::ForwardedFor => trusted,
                known => is_listed || known.is_forwarding(),
            }
        });
        let mut tell = |name: HeaderName, value: String| {
            if !trusted || fields.get(name.as_str()).is_none() {
                fields.set(name, value);
            }
        };
        tell(FORWARDED_METHOD, head.method.to_string());
        tell(FORWARDED_URI, head.target().into_owned());
        tell(FORWARDED_HOST, head.host.to_string());
        tell(FORWARDED_PROTO, if secure { "https" } else { "http" }.to_owned());
        let method = if self.options.preserve_request_method { head.method.clone() } else { Cow::Borrowed("GET") };
        RequestHead {
            method,
            path: self.path.clone().into(),
            query: self.query.clone().map(Cow::Owned),
            host: head.host.clone(),
            version: head.version,
            fields,
        }
    }

    /// Gives the request what the server says about it, and takes what only the server may say.
    fn grant(&self, request: &mut Fields<'static>, answer: &Fields<'static>) {
        for name in &self.granted {
            request.remove(name.as_str());
            for field in answer.iter().filter(|field| field.name.as_str().eq_ignore_ascii_case(name.as_str())) {
                request.push(name.clone(), field.value.clone());
            }
        }
        if let Some(pattern) = &self.granted_pattern {
            request.retain(|field| !pattern.is_match(field.name.as_str()));
            for field in answer.iter().filter(|field| pattern.is_match(field.name.as_str())) {
                request.push(field.name.clone(), field.value.clone());
            }
        }
    }

    /// The server's cookies that the client gets with the answer.
    fn cookies(&self, answer: &Fields<'static>) -> Vec<Bytes> {
        let listed =
            |line: &&[u8]| self.options.add_auth_cookies_to_response.iter().any(|name| cookie_name(line) == name);
        answer.all("set-cookie").filter(listed).map(Bytes::copy_from_slice).collect()
    }

    /// A refusal as the client gets it.
    async fn refusal(&self, mut answer: Response) -> Response {
        if answer.head.status == 401 && !self.options.auth_signin_url.is_empty() {
            let mut fields = Fields::default();
            fields.push(http::header::LOCATION, self.options.auth_signin_url.clone());
            return Response::new(302, fields, Body::Empty);
        }
        let relative = answer.head.fields.get_str("location").filter(|to| to.starts_with('/') && !to.starts_with("//"));
        if let (Some(to), false) = (relative, self.options.preserve_location_header) {
            let absolute = format!("{}{to}", self.origin);
            answer.head.fields.set(http::header::LOCATION, absolute);
        }
        if let Some(limit) = self.options.max_response_body_size.and_then(|limit| usize::try_from(limit).ok()) {
            match keep(std::mem::take(&mut answer.body), limit).await {
                Ok(bytes) => answer.body = bytes.into(),
                Err(_) => return Response::new(401, Fields::default(), Body::Empty),
            }
        }
        Response { server: None, failure: None, tunnel: None, ..answer }
    }
}

impl Middleware for ForwardAuth {
    fn handle<'a>(&'a self, mut request: Request, next: Next<'a>) -> LocalFuture<'a, Response> {
        Box::pin(async move {
            let mut body = Body::Empty;
            if self.options.forward_body {
                let limit = self.options.max_body_size.and_then(|limit| usize::try_from(limit).ok());
                match keep(std::mem::take(&mut request.body), limit.unwrap_or(BODY_BYTES_MAX)).await {
                    Ok(bytes) => {
                        request.body = bytes.clone().into();
                        body = bytes.into();
                    }
                    Err(Unkept::TooLarge) => return Response::status(413),
                    Err(Unkept::Broken(error)) => return Response::failed(error.into()),
                }
            }
            let secure = request.info.peer.is_secure();
            let head = self.question(&request.head, secure, self.options.forward_body);
            let question = Request { head, body, info: request.info.clone(), upgrade: None };
            let asked = crate::upstream::forward(next.core, &self.balancer, question);
            let answer = match tokio::time::timeout(PATIENCE, asked).await {
                Ok(answer) if answer.failure.is_none() => answer,
                _ => return Response::new(500, Fields::default(), Body::Empty),
            };
            if !(200..300).contains(&answer.head.status) {
                return self.refusal(answer).await;
            }
            self.grant(&mut request.head.fields, &answer.head.fields);
            let cookies = self.cookies(&answer.head.fields);
            let mut response = next.run(request).await;
            let fields = &mut response.head.fields;
            for cookie in &cookies {
                let name = cookie_name(cookie).to_owned();
                fields.retain(|field| {
                    !field.name.as_str().eq_ignore_ascii_case("set-cookie")
                        || cookie_name(field.value.as_bytes()) != name
                });
            }
            cookies.into_iter().for_each(|cookie| fields.push(http::header::SET_COOKIE, cookie));
            response
        })
    }
}

/// How the server is talked to.
fn transport(tls: Option<&config::ClientTls>) -> config::ServersTransport {
    let Some(tls) = tls else { return config::ServersTransport::default() };
    let certificate = config::Certificate {
        cert_file: tls.cert.clone(),
        key_file: tls.key.clone(),
        ..config::Certificate::default()
    };
    config::ServersTransport {
        insecure_skip_verify: tls.insecure_skip_verify,
        root_cas: Some(tls.ca.clone()).filter(|ca| !ca.is_empty()).into_iter().collect(),
        certificates: if tls.cert.is_empty() { Vec::new() } else { vec![certificate] },
        ..config::ServersTransport::default()
    }
}

/// The name in a `Set-Cookie` value; empty when it is not text.
fn cookie_name(line: &[u8]) -> &str {
    let name = line.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default();
    std::str::from_utf8(name).map_or("", str::trim)
}

/// Reads a body of at most `limit` bytes.
async fn keep(mut body: Body, limit: usize) -> Result<Bytes, Unkept> {
    if body.length().is_some_and(|length| length > limit as u64) {
        return Err(Unkept::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(Unkept::Broken)?.into_data() {
            if bytes.len() + data.len() > limit {
                return Err(Unkept::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Version;

    fn auth(edit: impl FnOnce(&mut config::ForwardAuth)) -> ForwardAuth {
        let mut options =
            config::ForwardAuth { address: "http://127.0.0.1:9/auth?a=b".into(), ..config::ForwardAuth::default() };
        edit(&mut options);
        ForwardAuth::new("auth", &options).unwrap()
    }

    fn fields(pairs: &[(&'static str, &'static str)]) -> Fields<'static> {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, value)| fields.push(HeaderName::from_static(name), *value));
        fields
    }

    fn head() -> RequestHead<'static> {
        RequestHead {
            method: "POST".into(),
            path: "/x".into(),
            query: Some("y".into()),
            host: "a.test".into(),
            version: Version::Http11,
            fields: fields(&[("cookie", "c"), ("accept", "a"), ("x-forwarded-uri", "/evil"), ("content-length", "2")]),
        }
    }

    #[test]
    fn the_question_says_what_was_asked_for() {
        let question = auth(|_| {}).question(&head(), true, false);
        assert_eq!((&*question.method, &*question.target()), ("GET", "/auth?a=b"));
        for (name, value) in [
            ("x-forwarded-method", "POST"),
            ("x-forwarded-uri", "/x?y"),
            ("x-forwarded-host", "a.test"),
            ("x-forwarded-proto", "https"),
            ("cookie", "c"),
        ] {
            assert_eq!(question.fields.get_str(name), Some(value), "{name}");
        }
        assert_eq!(question.fields.get("content-length"), None);
        let question = auth(|options| options.trust_forward_header = true).question(&head(), true, false);
        assert_eq!(question.fields.get_str("x-forwarded-uri"), Some("/evil"));
        let some = auth(|options| {
            options.auth_request_headers = vec!["Accept".into()];
            options.preserve_request_method = true;
        });
        let question = some.question(&head(), false, false);
        assert_eq!((question.fields.get("cookie"), question.fields.get_str("accept")), (None, Some("a")));
        assert_eq!(question.method, "POST");
    }

    #[test]
    fn only_the_server_says_what_it_may_say() {
        let auth = auth(|options| {
            options.auth_response_headers = vec!["X-User".into()];
            options.auth_response_headers_regex = "^x-role-".into();
        });
        let mut request = fields(&[("x-user", "evil"), ("x-role-admin", "yes"), ("accept", "a")]);
        auth.grant(&mut request, &fields(&[("x-user", "bob"), ("x-role-reader", "yes"), ("x-other", "no")]));
        let names: Vec<_> = request.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["accept", "x-user", "x-role-reader"]);
        assert_eq!(request.get_str("x-user"), Some("bob"));
        auth.grant(&mut request, &Fields::default());
        assert_eq!(request.len(), 1);
    }

    #[test]
    fn impossible_options_are_refused() {
        let error = |edit: fn(&mut config::ForwardAuth)| {
            let mut options =
                config::ForwardAuth { address: "http://127.0.0.1:9".into(), ..config::ForwardAuth::default() };
            edit(&mut options);
            ForwardAuth::new("auth", &options).is_err()
        };
        assert!(!error(|_| {}));
        assert!(error(|options| options.address = "127.0.0.1:9".into()));
        assert!(error(|options| options.address = "ftp://127.0.0.1".into()));
        assert!(error(|options| options.auth_response_headers = vec!["a b".into()]));
        assert!(error(|options| options.auth_response_headers_regex = "(".into()));
    }
}
