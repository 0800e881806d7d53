//! Middlewares that edit the path: `addPrefix`, `stripPrefix(Regex)`, `replacePath(Regex)`.

use super::{Flow, HeadFilter};
use crate::exchange::Info;
use crate::message::RequestHead;
use crate::normalize::routing_path;
use baton_routing::config;
use http::HeaderName;
use regex::Regex;
use std::borrow::Cow;

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const REPLACED_PATH: HeaderName = HeaderName::from_static("x-replaced-path");

/// Puts a prefix before the path.
pub(super) struct AddPrefix(String);

impl AddPrefix {
    pub(super) fn new(options: &config::AddPrefix) -> Self {
        Self(with_slash(options.prefix.trim_end_matches('/')))
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
            let rest = with_slash(&head.path[prefix.len()..]);
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
            let rest = with_slash(&head.path[end..]);
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
        Self(options.path.clone())
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
            let path = self.expression.replace_all(&head.path, self.replacement.as_str()).into_owned();
            replace(head, path);
        }
        Flow::Continue
    }
}

fn replace(head: &mut RequestHead<'_>, path: String) {
    let before = routing_path(&head.path).into_owned();
    head.fields.push(REPLACED_PATH, before);
    head.path = Cow::Owned(with_slash(&path));
}

fn with_slash(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// Compiles an expression, which is Go's syntax as far as both agree.
pub(super) fn expression(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("regular expression {text:?}: {error}"))
}
