//! Middlewares that edit the path: `addPrefix`, `stripPrefix(Regex)`, `replacePath(Regex)`.

use super::{Flow, HeadFilter};
use crate::exchange::Info;
use crate::message::RequestHead;
use crate::normalize::{remove_dots, routing_path, sendable};
use baton_routing::config;
use baton_routing::rule::Pattern;
use http::HeaderName;
use regex::Regex;
use std::borrow::Cow;

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const REPLACED_PATH: HeaderName = HeaderName::from_static("x-replaced-path");

/// Puts a prefix before the path.
pub(super) struct AddPrefix(String);

impl AddPrefix {
    pub(super) fn new(options: &config::AddPrefix) -> Self {
        Self(sendable(options.prefix.trim_end_matches('/')).into_owned())
    }
}

impl HeadFilter for AddPrefix {
    fn request(&self, head: &mut RequestHead<'_>, _info: &mut Info) -> Flow {
        head.path = Cow::Owned(with_slash(&format!("{}{}", self.0, head.path)));
        Flow::Continue
    }
}

/// Removes the first prefix that fits.
pub(super) struct StripPrefix(Vec<String>);

impl StripPrefix {
    pub(super) fn new(options: &config::StripPrefix) -> Self {
        Self(options.prefixes.iter().map(|prefix| prefix.trim().to_owned()).collect())
    }
}

impl HeadFilter for StripPrefix {
    fn request(&self, head: &mut RequestHead<'_>, _info: &mut Info) -> Flow {
        if let Some(prefix) = self.0.iter().find(|prefix| head.path.starts_with(prefix.as_str())) {
            let rest = stripped(&head.path[prefix.len()..]);
            head.path = Cow::Owned(rest);
            head.fields.push(FORWARDED_PREFIX, prefix.clone());
        }
        Flow::Continue
    }
}

/// Removes what the first expression that fits matches at the path's start.
pub(super) struct StripPrefixRegex(Vec<Regex>);

impl StripPrefixRegex {
    pub(super) fn new(options: &config::StripPrefixRegex) -> Result<Self, String> {
        options.regex.iter().map(|text| expression(text)).collect::<Result<_, _>>().map(Self)
    }
}

impl HeadFilter for StripPrefixRegex {
    fn request(&self, head: &mut RequestHead<'_>, _info: &mut Info) -> Flow {
        let found = self
            .0
            .iter()
            .find_map(|expression| expression.find(&head.path).filter(|found| found.start() == 0 && !found.is_empty()));
        if let Some(end) = found.map(|found| found.end()) {
            let prefix = head.path[..end].to_owned();
            let rest = stripped(&head.path[end..]);
            head.path = Cow::Owned(rest);
            head.fields.push(FORWARDED_PREFIX, prefix);
        }
        Flow::Continue
    }
}

/// Puts another path in place of the request's.
pub(super) struct ReplacePath(String);

impl ReplacePath {
    pub(super) fn new(options: &config::ReplacePath) -> Self {
        Self(sendable(&options.path).into_owned())
    }
}

impl HeadFilter for ReplacePath {
    fn request(&self, head: &mut RequestHead<'_>, _info: &mut Info) -> Flow {
        replace(head, self.0.clone());
        Flow::Continue
    }
}

/// Rewrites the path where an expression matches.
pub(super) struct ReplacePathRegex {
    expression: Regex,
    replacement: String,
}

impl ReplacePathRegex {
    pub(super) fn new(options: &config::ReplacePathRegex) -> Result<Self, String> {
        Ok(Self { expression: expression(options.regex.trim())?, replacement: options.replacement.trim().to_owned() })
    }
}

impl HeadFilter for ReplacePathRegex {
    fn request(&self, head: &mut RequestHead<'_>, _info: &mut Info) -> Flow {
        if self.expression.is_match(&head.path) {
            let clean = !has_dots(&head.path);
            let mut path = self.expression.replace_all(&head.path, self.replacement.as_str()).into_owned();
            // Parts of clean segments put together can mean "one up", which the client's path did not.
            if clean && has_dots(&path) {
                path = remove_dots(&path);
            }
            replace(head, sendable(&path).into_owned());
        }
        Flow::Continue
    }
}

fn replace(head: &mut RequestHead<'_>, path: String) {
    // Readable where that is harmless; an escaped line end stays escaped.
    let decoded = routing_path(&head.path);
    let before = if decoded.chars().any(char::is_control) { head.path.to_string() } else { decoded.into_owned() };
    head.fields.push(REPLACED_PATH, before);
    head.path = Cow::Owned(with_slash(&path));
}

/// What is left of a path behind a prefix. Where the cut goes through a segment, the rest of it must not be read as "here" or
/// "one up": nobody asked for that.
fn stripped(rest: &str) -> String {
    let (first, tail) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    with_slash(if matches!(first, "." | "..") { tail } else { rest })
}

fn has_dots(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

fn with_slash(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// Compiles an expression of Go's language.
pub(super) fn expression(text: &str) -> Result<Regex, String> {
    Pattern::new(text).map(|pattern| pattern.regex().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Peer;
    use crate::message::{Fields, Version};
    use std::rc::Rc;

    /// Path after the filter, and the two fields that tell what it was.
    fn edited(filter: &dyn HeadFilter, path: &'static str) -> (String, Option<String>, Option<String>) {
        let address = "127.0.0.1:1".parse().unwrap();
        let peer = Peer {
            address,
            local: address,
            ip_text: "127.0.0.1".into(),
            tls: None,
            entry_point: 0,
            trusted: false,
            append_forwarded_for: false,
        };
        let mut head = RequestHead {
            method: "GET".into(),
            path: path.into(),
            query: Some("q=1".into()),
            host: "a.test".into(),
            version: Version::Http11,
            fields: Fields::default(),
        };
        assert!(matches!(filter.request(&mut head, &mut Info::new(Rc::new(peer), false)), Flow::Continue));
        assert_eq!(head.query.as_deref(), Some("q=1"));
        let field = |name| head.fields.get_str(name).map(str::to_owned);
        (head.path.to_string(), field("x-forwarded-prefix"), field("x-replaced-path"))
    }

    fn only(path: &str) -> (String, Option<String>, Option<String>) {
        (path.to_owned(), None, None)
    }

    fn stripped(path: &str, prefix: &str) -> (String, Option<String>, Option<String>) {
        (path.to_owned(), Some(prefix.to_owned()), None)
    }

    fn replaced(path: &str, before: &str) -> (String, Option<String>, Option<String>) {
        (path.to_owned(), None, Some(before.to_owned()))
    }

    #[test]
    fn prefixes_are_added() {
        let add = |prefix: &str| AddPrefix::new(&config::AddPrefix { prefix: prefix.into() });
        assert_eq!(edited(&add("/api"), "/x"), only("/api/x"));
        assert_eq!(edited(&add("api/"), "/"), only("/api/"));
        assert_eq!(edited(&add("/"), "/x"), only("/x"));
        assert_eq!(edited(&add("/a"), "/x%2Fy"), only("/a/x%2Fy"));
    }

    #[test]
    fn the_first_prefix_listed_is_stripped() {
        let strip = StripPrefix::new(&config::StripPrefix {
            prefixes: vec!["/api/v1".into(), "/api".into()],
            ..config::StripPrefix::default()
        });
        assert_eq!(edited(&strip, "/api/v1/x"), stripped("/x", "/api/v1"));
        assert_eq!(edited(&strip, "/api/v2"), stripped("/v2", "/api"));
        assert_eq!(edited(&strip, "/api"), stripped("/", "/api"));
        assert_eq!(edited(&strip, "/x/api"), only("/x/api"));
    }

    #[test]
    fn expressions_strip_at_the_start_only() {
        let strip =
            StripPrefixRegex::new(&config::StripPrefixRegex { regex: vec!["/u/[0-9]+".into(), "/[a-z]*x".into()] })
                .unwrap();
        assert_eq!(edited(&strip, "/u/12/x"), stripped("/x", "/u/12"));
        assert_eq!(edited(&strip, "/abx"), stripped("/", "/abx"));
        assert_eq!(edited(&strip, "/y/u/12"), only("/y/u/12"));
        assert!(StripPrefixRegex::new(&config::StripPrefixRegex { regex: vec!["(".into()] }).is_err());
    }

    #[test]
    fn replacing_tells_the_path_before() {
        let replace = ReplacePath::new(&config::ReplacePath { path: "/const".into() });
        assert_eq!(edited(&replace, "/a"), replaced("/const", "/a"));
        let regex = |regex: &str, replacement: &str| {
            ReplacePathRegex::new(&config::ReplacePathRegex { regex: regex.into(), replacement: replacement.into() })
                .unwrap()
        };
        assert_eq!(edited(&regex("^/a/(.*)", "/b/$1"), "/a/zz"), replaced("/b/zz", "/a/zz"));
        assert_eq!(edited(&regex("^/a/(.*)", "b/${1}_x"), "/a/zz"), replaced("/b/zz_x", "/a/zz"));
        assert_eq!(edited(&regex("^/a/(.*)", "/b/$1"), "/c"), only("/c"));
    }
}
