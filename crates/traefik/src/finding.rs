//! What is wrong in somebody's configuration, and where.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use strsim::osa_distance;

/// How bad a finding is, measured by what Traefik does with the same input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Accepted, but ignored, deprecated or without effect.
    Warning,
    /// Part of the text has no effect: Traefik says so in its log and goes on without that part.
    Error,
    /// The whole text is refused: a static file stops the start, a dynamic file is not taken over.
    Fatal,
}

/// A place in a source: a line and column (both from 1, columns in characters), or for flags, environment
/// variables and tags their own text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
    pub label: Option<Arc<str>>,
}

impl Mark {
    pub(crate) fn labelled(label: &str) -> Self {
        Self { line: 0, column: 0, label: Some(label.into()) }
    }
}

/// One mistake. `file` is empty for flags, environment variables and tags; `line` is 0 when no line is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub file: String,
    #[serde(skip_serializing_if = "is_zero", default)]
    pub line: u32,
    #[serde(skip_serializing_if = "is_zero", default)]
    pub column: u32,
    /// Dotted path of the option, or the flag, variable or tag itself.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub option: String,
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub suggestion: Option<String>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Finding {
    pub(crate) fn new(severity: Severity, file: &str, at: &Mark, option: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            file: file.to_owned(),
            line: at.line,
            column: at.column,
            option: at.label.as_deref().unwrap_or(option).to_owned(),
            message: message.into(),
            suggestion: None,
        }
    }

    pub(crate) fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }

    /// Whether something does not work because of it.
    pub fn is_error(&self) -> bool {
        self.severity >= Severity::Error
    }

    /// Whether nothing of the text is taken because of it.
    pub fn is_fatal(&self) -> bool {
        self.severity == Severity::Fatal
    }
}

impl fmt::Display for Finding {
    /// `file:line:column: error: message (option); did you mean …?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
            if self.line > 0 {
                write!(f, "{}:{}:", self.line, self.column)?;
            }
            f.write_str(" ")?;
        }
        let severity = if self.is_error() { "error" } else { "warning" };
        write!(f, "{severity}: {}", self.message)?;
        if !self.option.is_empty() {
            write!(f, " ({})", self.option)?;
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion:?}?"),
            None => Ok(()),
        }
    }
}

/// Words longer than this are not compared.
const WORD_CHARS_MAX: usize = 64;

/// The candidate that is nearest to a mistyped word, if it is near at all.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let limit = if length > WORD_CHARS_MAX { return None } else { (length / 3).clamp(1, 3) };
    candidates
        .into_iter()
        .map(|c| (osa_distance(&word, &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_typos_only() {
        let known = ["entryPoints", "middlewares", "service", "rule"];
        assert_eq!(nearest("entrypoint", known).as_deref(), Some("entryPoints"));
        assert_eq!(nearest("midlewares", known).as_deref(), Some("middlewares"));
        assert_eq!(nearest("rlue", known).as_deref(), Some("rule"));
        assert_eq!(nearest("bogusKey", known), None);
    }
}
