//! `headers`: edits of both heads, CORS, security fields.

use super::path::expression;
use super::{Flow, HeadFilter, Response};
use crate::exchange::Info;
use crate::message::{Fields, RequestHead, ResponseHead};
use crate::normalize::without_port;
use baton_routing::config;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use regex::Regex;
use std::borrow::Cow;

/// The compiled middleware.
pub(super) struct Headers {
    options: config::Headers,
    request: Edits,
    request_host: Option<String>,
    response: Edits,
    /// Security fields, set on every response.
    security: Vec<(HeaderName, HeaderValue)>,
    sts: Option<HeaderValue>,
    cors: Option<Cors>,
}

/// Fields to set, and to remove.
#[derive(Default)]
struct Edits {
    set: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

struct Cors {
    any: bool,
    origins: Vec<String>,
    expressions: Vec<Regex>,
}

impl Headers {
    /// From its options; a name or value that no header can have is an error.
    pub(super) fn new(options: &config::Headers) -> Result<Self, String> {
        let mut custom = options.custom_request_headers.clone();
        let host_key = custom.keys().find(|name| name.eq_ignore_ascii_case("host")).cloned();
        let request_host = host_key.and_then(|key| custom.shift_remove(&key)).filter(|host| !host.is_empty());
        if let Some(host) = request_host.as_ref().filter(|host| !crate::h1::valid_host(host)) {
            return Err(format!("{host:?} is not a host"));
        }
        let mut security = Vec::new();
        let mut add = |name: &'static str, text: &str| -> Result<(), String> {
            if !text.is_empty() {
                security.push((HeaderName::from_static(name), value(text)?));
            }
            Ok(())
        };
        match options.custom_frame_options_value.as_str() {
            "" if options.frame_deny => add("x-frame-options", "DENY")?,
            text => add("x-frame-options", text)?,
        }
        match options.custom_browser_xss_value.as_str() {
            "" if options.browser_xss_filter => add("x-xss-protection", "1; mode=block")?,
            text => add("x-xss-protection", text)?,
        }
        if options.content_type_nosniff {
            add("x-content-type-options", "nosniff")?;
        }
        add("content-security-policy", &options.content_security_policy)?;
        add("content-security-policy-report-only", &options.content_security_policy_report_only)?;
        add("public-key-pins", &options.public_key)?;
        add("referrer-policy", &options.referrer_policy)?;
        add("permissions-policy", &options.permissions_policy)?;
        let sts = if options.sts_seconds > 0 && !options.is_development {
            let mut text = format!("max-age={}", options.sts_seconds);
            if options.sts_include_subdomains {
                text += "; includeSubDomains";
            }
            if options.sts_preload {
                text += "; preload";
            }
            Some(value(&text)?)
        } else {
            None
        };
        Ok(Self {
            request: Edits::new(&custom)?,
            request_host,
            response: Edits::new(&options.custom_response_headers)?,
            security,
            sts,
            cors: Cors::new(options)?,
            options: options.clone(),
        })
    }

    fn key(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Whether the client's side is encrypted, also when a proxy in front says so by a configured field.
    fn is_secure(&self, head: &RequestHead<'_>, info: &Info) -> bool {
        info.peer.is_secure()
            || self
                .options
                .ssl_proxy_headers
                .iter()
                .any(|(name, wanted)| head.fields.get(name) == Some(wanted.as_bytes()))
    }

    fn host_allowed(&self, head: &RequestHead<'_>) -> bool {
        if self.options.allowed_hosts.is_empty() || self.options.is_development {
            return true;
        }
        let proxied = self.options.hosts_proxy_headers.iter().find_map(|name| head.fields.get_str(name));
        let host = proxied.unwrap_or(&head.host);
        self.options
            .allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(without_port(host)))
    }

    fn preflight(&self, head: &RequestHead<'_>, cors: &Cors) -> Option<Response> {
        if head.method != "OPTIONS" || head.fields.get("access-control-request-method").is_none() {
            return None;
        }
        let origin = head.fields.get_str("origin")?;
        let mut fields = Fields::default();
        let options = &self.options;
        if options.access_control_allow_credentials {
            fields.push(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        let mut list = |name: HeaderName, values: &[String]| {
            if !values.is_empty() {
                fields.push(name, values.join(","));
            }
        };
        list(header::ACCESS_CONTROL_ALLOW_HEADERS, &options.access_control_allow_headers);
        list(header::ACCESS_CONTROL_ALLOW_METHODS, &options.access_control_allow_methods);
        if let Some(allowed) = cors.allowed(origin) {
            fields.push(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.to_owned());
        }
        fields.push(header::ACCESS_CONTROL_MAX_AGE, options.access_control_max_age.to_string());
        Some(Response::new(200, fields, ""))
    }
}

impl HeadFilter for Headers {
    fn request(&self, head: &mut RequestHead<'_>, info: &mut Info) -> Flow {
        if !self.host_allowed(head) {
            return Flow::Answer(Box::new(Response::text(500, "Bad Host")));
        }
        // The response half knows neither scheme nor origin of the request.
        if self.sts.is_some() && (self.options.force_sts_header || self.is_secure(head, info)) {
            info.note(self.key(), Bytes::from_static(b"secure"));
        }
        if let Some(cors) = &self.cors {
            if let Some(response) = self.preflight(head, cors) {
                return Flow::Answer(Box::new(response));
            }
            if let Some(origin) = head.fields.get("origin") {
                info.note(self.key() + 1, Bytes::copy_from_slice(origin));
            }
        }
        self.request.apply(&mut head.fields);
        if let Some(host) = &self.request_host {
            head.host = Cow::Owned(host.clone());
        }
        Flow::Continue
    }

    fn response(&self, head: &mut ResponseHead<'_>, info: &Info) {
        let fields = &mut head.fields;
        self.response.apply(fields);
        for (name, value) in &self.security {
            fields.set(name.clone(), value.clone());
        }
        if let (Some(sts), true) = (&self.sts, info.noted(self.key()).is_some()) {
            fields.set(header::STRICT_TRANSPORT_SECURITY, sts.clone());
        }
        let Some(cors) = &self.cors else { return };
        let origin = info.noted(self.key() + 1).and_then(|origin| std::str::from_utf8(origin).ok()).unwrap_or("");
        if let Some(allowed) = cors.allowed(origin) {
            fields.set(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.to_owned());
        }
        if self.options.access_control_allow_credentials {
            fields.set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        if !self.options.access_control_expose_headers.is_empty() {
            fields.set(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.options.access_control_expose_headers.join(","));
        }
        let varies = fields.all("vary").any(|value| crate::h1::has_token(value, "origin"));
        if self.options.add_vary_header && !varies {
            fields.push(header::VARY, "Origin");
        }
    }

    fn edits_responses(&self) -> bool {
        self.sts.is_some() || self.cors.is_some() || !self.security.is_empty() || !self.response.is_empty()
    }
}

impl Edits {
    fn new(custom: &config::Named<String>) -> Result<Self, String> {
        let mut edits = Self::default();
        for (name, text) in custom {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a header name"))?;
            if text.is_empty() {
                edits.remove.push(name);
            } else {
                edits.set.push((name, value(text)?));
            }
        }
        Ok(edits)
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    fn apply(&self, fields: &mut Fields<'_>) {
        for name in &self.remove {
            fields.remove(name.as_str());
        }
        for (name, value) in &self.set {
            fields.set(name.clone(), value.clone());
        }
    }
}

impl Cors {
    fn new(options: &config::Headers) -> Result<Option<Self>, String> {
        let wanted = options.access_control_allow_credentials
            || !options.access_control_allow_headers.is_empty()
            || !options.access_control_allow_methods.is_empty()
            || !options.access_control_allow_origin_list.is_empty()
            || !options.access_control_allow_origin_list_regex.is_empty()
            || !options.access_control_expose_headers.is_empty()
            || options.add_vary_header;
        if !wanted {
            return Ok(None);
        }
        Ok(Some(Self {
            any: options.access_control_allow_origin_list.iter().any(|origin| origin == "*"),
            origins: options.access_control_allow_origin_list.clone(),
            expressions: options
                .access_control_allow_origin_list_regex
                .iter()
                .map(|text| expression(text))
                .collect::<Result<_, _>>()?,
        }))
    }

    fn allowed<'a>(&self, origin: &'a str) -> Option<&'a str> {
        if self.any {
            return Some("*");
        }
        let listed = !origin.is_empty()
            && (self.origins.iter().any(|known| known == origin)
                || self.expressions.iter().any(|known| known.is_match(origin)));
        listed.then_some(origin)
    }
}

fn value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} is not a header value"))
}
