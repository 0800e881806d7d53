//! Objects that are exactly one of several kinds: middlewares and services.

use baton_routing::{Kind, problem};
use serde::de::DeserializeOwned;

use super::{Reader, Unknown};
use crate::{
    decode::{Fault, Mistake, decode, mistakes_of},
    document::{Entry, Node, Value},
    finding::{Finding, Severity},
    static_config::recognised::RateLimitRedis,
};

/// Kinds of middlewares that only other providers of Traefik set, in lower case.
const INTERNAL_KINDS: &[&str] = &[
    "requestheadermodifier",
    "responseheadermodifier",
    "requestredirect",
    "urlrewrite",
    "authtlspasscertificatetoupstream",
    "snippet",
    "rewritetarget",
    "upstreamvhost",
    "approot",
];

impl Reader<'_> {
    /// An object that is exactly one of several kinds.
    pub(super) fn one_of<T: DeserializeOwned>(
        &mut self,
        kind: Kind,
        name: &str,
        entry: &Entry,
        path: &str,
    ) -> Option<T> {
        let word = if matches!(kind, Kind::Middleware | Kind::TcpMiddleware) { "middleware" } else { "service" };
        let (mut kinds, mut others) = (Vec::new(), false);
        for option in entry.value.entries() {
            let key = option.key.to_ascii_lowercase();
            let path = format!("{path}.{}", option.key);
            if option.value.value == Value::Null {
                self.nothing(&option.at, &path);
            } else if word == "service" && key == "middlewares" {
                others = true;
            } else if kind == Kind::Middleware && INTERNAL_KINDS.contains(&key.as_str()) {
                self.warn(&option.at, &path, "the kind is for other providers: it is ignored in files");
            } else {
                kinds.push(option);
            }
        }
        if others {
            let message = "middlewares on a service are known but not implemented";
            self.problem(kind, name, problem::Severity::Closed, message);
            self.error(&entry.at, path, message, None);
        }
        if kinds.len() > 1 {
            let message = format!(
                "cannot create {word}: multi-types {word} not supported, consider declaring two different pieces of {word} instead"
            );
            self.problem(kind, name, problem::Severity::Disabled, &message);
            self.error(&kinds[1].at, path, message, None);
            return None;
        }
        let Some(only) = kinds.first().filter(|_| !entry.value.lists_maps()) else {
            if entry.value.lists_maps() {
                self.refuse(&entry.value.at, path, format!("expected a {word}, found {}", entry.value.kind()), None);
            }
            return self.without_kind(kind, name, entry, path, word);
        };
        let node = Node { value: Value::Map(vec![(*only).clone()]), at: entry.value.at.clone() };
        let (value, mistakes) = decode::<Option<T>>(&node, self.file, path);
        let unknown = if word == "service" { Unknown::Warns } else { Unknown::Closes };
        let mistakes = mistakes.into_iter().chain(self.kept_plain(kind, &node, path)).collect::<Vec<_>>();
        let refused = mistakes.iter().any(|(_, finding)| finding.is_error());
        self.mistakes(kind, name, mistakes, unknown);
        match value {
            // `compress: false`
            None if !refused => self.without_kind(kind, name, entry, path, word),
            None => {
                self.problem(kind, name, problem::Severity::Closed, &format!("the {word} could not be read"));
                None
            }
            value => value,
        }
    }

    /// Mistakes in options that the records keep as they stand, or have for another kind.
    fn kept_plain(&self, kind: Kind, node: &Node, path: &str) -> Vec<Mistake> {
        let mut found = Vec::new();
        for of in node.entries() {
            let key = of.key.to_ascii_lowercase();
            let foreign: &[&str] = match (kind, key.as_str()) {
                (Kind::Middleware, "ipwhitelist") => &["rejectStatusCode"],
                (Kind::TcpMiddleware, "ipwhitelist" | "ipallowlist") => &["rejectStatusCode", "ipStrategy"],
                _ => &[],
            };
            for entry in of.value.entries() {
                let path = format!("{path}.{}.{}", of.key, entry.key);
                if foreign.iter().any(|key| key.eq_ignore_ascii_case(&entry.key)) {
                    let message = format!("unknown key {:?}", entry.key);
                    let finding = Finding::new(Severity::Fatal, self.file, &entry.at, &path, message);
                    found.push((Fault::UnknownKey, finding));
                }
                let option = (key.as_str(), entry.key.to_ascii_lowercase());
                if kind == Kind::Middleware && option == ("ratelimit", "redis".to_owned()) {
                    found.extend(mistakes_of::<RateLimitRedis>(&entry.value, self.file, &path));
                }
                if kind == Kind::Middleware
                    && let Value::Scalar { text, .. } = &entry.value.value
                    && text.starts_with('-')
                    && let Some(message) = match (option.0, option.1.as_str()) {
                        ("ratelimit", "period") => Some("negative value not valid for period".to_owned()),
                        ("ipallowlist", "rejectstatuscode") => Some(format!("invalid HTTP status code {text}")),
                        _ => None,
                    }
                {
                    let finding = Finding::new(Severity::Error, self.file, &entry.value.at, &path, message);
                    found.push((Fault::BadValue, finding));
                }
            }
        }
        found
    }

    fn without_kind<T>(&mut self, kind: Kind, name: &str, entry: &Entry, path: &str, word: &str) -> Option<T> {
        let message = format!("the {word} {name:?} does not have any type defined");
        self.problem(kind, name, problem::Severity::Disabled, &message);
        self.error(&entry.at, path, message, None);
        None
    }
}
