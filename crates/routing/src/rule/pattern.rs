//! A regular expression that knows its text, so that configurations can be compared.

use std::fmt;
use std::sync::Arc;

use baton_model::regexp;
use regex::Regex;
use serde::{Serialize, Serializer};

/// Largest compiled size of one expression, in bytes: configurations come from tags that others write.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A compiled regular expression in Go's language; equal when the texts are.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles; the error is one line.
    pub fn new(text: &str) -> Result<Self, String> {
        let wrong = |reason: &str| format!("{text:?} is not a regular expression: {reason}");
        let translated = regexp::from_go(text).map_err(|reason| wrong(&reason))?;
        let built = regex::RegexBuilder::new(&translated).size_limit(COMPILED_BYTES_MAX).build();
        built.map(|regex| Self { text: text.into(), regex }).map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => {
                format!("the regular expression {text:?} needs more than {limit} bytes")
            }
            other => {
                let message = other.to_string();
                let reason = message.lines().last().unwrap_or_default();
                wrong(reason.trim_start_matches("error: "))
            }
        })
    }

    /// Searches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.as_str())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Pattern {
    /// Text that every match ends with, where the expression says so by a literal before `$`.
    pub(crate) fn ending(&self) -> Option<String> {
        use regex_syntax::hir::{Hir, HirKind, Look};

        fn is_end(hir: &Hir) -> bool {
            matches!(hir.kind(), HirKind::Look(Look::End))
        }
        let hir = regex_syntax::parse(self.regex.as_str()).ok()?;
        let HirKind::Concat(parts) = hir.kind() else { return None };
        let [.., last, end] = parts.as_slice() else { return None };
        match last.kind() {
            HirKind::Literal(literal) if is_end(end) => str::from_utf8(&literal.0).ok().map(str::to_owned),
            _ => None,
        }
    }
}
